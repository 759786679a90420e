"""``agentmeter price``: what a usage object cost, or a file of them."""

import json
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO

import click

from agentmeter.exceptions import AgentmeterError, ConfigurationError, UsageError
from agentmeter.pricing import Cached, Catalog, Pricer, RateCard
from agentmeter.report.priced import document, priced, read_served

_UNREAD: dict[str, Any] = {"status": "unpriced", "amount": None, "currency": None, "lines": []}
_MOST_REASONS = 5
_TEXTS = ("provider", "model", "api", "service-tier", "speed", "region", "deployment")


def _conditions(command: Any) -> Any:
    for name in reversed((*_TEXTS, "search-context-size", "at")):
        command = click.option(f"--{name}")(command)
    return command


@click.command()
@click.option("--jsonl", type=click.Path(path_type=Path), help="A file of objects; - for stdin.")
@click.option("--rate-card", type=click.Path(path_type=Path), help="A card over the catalog.")
@click.option("--usage", help="The provider's raw usage object, as JSON.")
@_conditions
@click.option("--batch", is_flag=True)
@click.option("--tool", "tools", multiple=True, metavar="NAME=COUNT", help="Such as web_search=3.")
@click.option("--json", "as_json", is_flag=True, help="JSON; amounts are decimal strings.")
def price(
    jsonl: Path | None,
    rate_card: Path | None,
    usage: str | None,
    tools: tuple[str, ...],
    *,
    as_json: bool,
    **options: Any,
) -> None:
    """Price one provider's usage object, or with --jsonl one a line.

    The object is put together from the options, or read from standard input where --usage is not
    given: {"provider", "model", "usage", and optionally "id", "api", "service_tier", "batch",
    "speed", "region", "deployment", "search_context_size", "at", "tools"}. What the usage says
    itself, a served tier or geography, goes over these. Without "at" the prices of now hold. With
    --jsonl the options hold for every line that does not say otherwise; a line without "usage" is
    a usage object as it is.
    """
    pricer = pricer_with(rate_card)
    given = {name: value for name, value in options.items() if value}
    if jsonl is not None:
        if usage is not None or tools:
            raise click.UsageError("--usage and --tool are of one object; a line has its own")
        _lines(jsonl, pricer, given)
        return
    text = sys.stdin.buffer.read() if usage is None else usage.encode()
    try:
        fields = {"usage": _parsed(text), **given} if usage else {**_parsed(text), **given}
        if tools:
            fields["tools"] = dict(_counted(tool) for tool in tools)
        shown = document(priced(read_served(fields, time.time_ns()), pricer))
    except (UsageError, TypeError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(json.dumps(shown, indent=2) if as_json else _text(shown))


def pricer_with(rate_card: Path | None) -> Pricer:
    """The catalog, under a rate card where one is given."""
    try:
        base = Catalog()
        return Cached(RateCard.from_file(rate_card).over(base) if rate_card else base)
    except ConfigurationError as error:
        raise click.ClickException(str(error)) from error


def _counted(tool: str) -> tuple[str, int]:
    name, _, count = tool.partition("=")
    if not count.isdecimal():
        raise UsageError(f"--tool: expected NAME=COUNT, got {tool!r}")
    return name, int(count)


def _lines(path: Path, pricer: Pricer, given: Mapping[str, Any]) -> None:
    """One line out for each line in; what cannot be read says which line and field.

    How many could not be, and why, is said in the end; it is an error if none could.
    """
    lines, unread = 0, Counter[str]()
    for answer in _answers(_opened(path), pricer, given):
        lines += 1
        problem = answer.pop("unread", None)
        unread.update([problem] if problem is not None else ())
        click.echo(json.dumps(answer, default=float, separators=(",", ":")))
    if not unread:
        return
    told = f"{path}: {unread.total():,} of {lines:,} lines could not be read: {_counts(unread)}"
    if unread.total() == lines:
        raise click.ClickException(told)
    click.echo(told, err=True)


def _counts(reasons: Counter[str]) -> str:
    """``7 x not JSON; 5 x usage``: what is wrong in short, the most frequent first."""
    most = reasons.most_common(_MOST_REASONS)
    told = [f"{count:,} x {reason}" for reason, count in most]
    rest = reasons.total() - sum(count for _, count in most)
    return "; ".join([*told, f"{rest:,} x other reasons"] if rest else told)


def _opened(path: Path) -> BinaryIO:
    try:
        return sys.stdin.buffer if str(path) == "-" else path.open("rb")
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror or error}") from error


def _answers(
    lines: Iterable[bytes], pricer: Pricer, given: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield _answer(number, line, pricer, given)


def _answer(
    number: int, line: bytes, pricer: Pricer, given: Mapping[str, Any]
) -> dict[str, Any]:
    name: Any = None
    try:
        fields = _parsed(line)
        if given and "usage" not in fields:
            fields = {"usage": fields}
        fields = {**given, **fields}
        name = fields.get("id")
        return {"id": name, **document(priced(read_served(fields, time.time_ns()), pricer))}
    except AgentmeterError as error:
        return {
            "id": name,
            **_UNREAD,
            "reasons": [f"line {number}: {error}"],
            "unread": _kind(error),
        }


def _kind(error: Exception) -> str:
    """What an error is about, the field or ``not JSON``, without the values in it."""
    return str(error).partition(": ")[0].partition(", got ")[0]


def _parsed(text: bytes) -> dict[str, Any]:
    """JSON in which a fraction is the decimal that was written."""
    try:
        value = json.loads(text.decode("utf-8-sig"), parse_float=Decimal, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"not JSON: {error}") from error
    if not isinstance(value, dict):
        raise UsageError(f"expected an object, got {type(value).__name__}")
    return value


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is not a number")


def _text(shown: dict[str, Any]) -> str:
    lines = [
        f"{line['quantity']:>12,} {line['meter']:<20} x {line['unit_price']:<22}"
        f" = {line['amount']:<20} {line['source']}"
        for line in shown["lines"]
    ]
    total = f"{shown['amount']} {shown['currency']}" if shown["amount"] is not None else "unpriced"
    return "\n".join([*lines, f"{total} ({shown['status']})", *shown["reasons"]])
