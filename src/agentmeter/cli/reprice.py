"""``agentmeter reprice``: what the recorded requests would have cost at other terms."""

from datetime import UTC, datetime
from pathlib import Path

import click

from agentmeter.cli.output import write_json
from agentmeter.cli.price import pricer_with
from agentmeter.cli.report import recorded, where
from agentmeter.exceptions import ConfigurationError
from agentmeter.report.reprice import Terms, replaced, replacement
from agentmeter.report.reprice import reprice as repriced
from agentmeter.report.reprice_text import repriced_document, repriced_text


@click.command()
@click.argument("source", required=False, type=click.Path(path_type=Path))
@click.option("--rate-card", type=click.Path(path_type=Path), help="A rate card over the catalog.")
@click.option("--model", "models", multiple=True, help="FROM=TO; FROM may be a glob. Repeatable.")
@click.option("--as-of", help="A date or date-time (UTC): every call at the prices of then.")
@click.option("--json", "as_json", is_flag=True, help="JSON; amounts are decimal strings.")
def reprice(
    source: Path | None,
    rate_card: Path | None,
    models: tuple[str, ...],
    as_of: str | None,
    as_json: bool,
) -> None:
    """Price the calls recorded in SOURCE again: no run is repeated.

    Without options, by the prices that the catalog has now for the time of each call.
    """
    try:
        terms = Terms(
            tuple(replacement(text) for text in models),
            None if as_of is None else _instant(as_of),
        )
    except ConfigurationError as error:
        raise click.ClickException(str(error)) from error
    pricer = pricer_with(rate_card)
    entries, tariffs, faults = recorded(where(source))
    made = repriced(entries, tariffs, pricer, terms, faults=faults)
    try:
        list(replaced(made))
    except ConfigurationError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        write_json(repriced_document(made))
    else:
        click.echo(repriced_text(made))


def _instant(text: str) -> int:
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigurationError(
            f"as-of: expected a date such as 2026-01-31, got {text!r}"
        ) from error
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    since = at - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1000
