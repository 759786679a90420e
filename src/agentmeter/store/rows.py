"""Entries as rows of Parquet, and back, exactly.

``body`` is the span as it was written, and all that is read back; the other columns say what of it
a query wants to know, and lie beside it. A line that could not be read is kept as it was (its bytes
as Latin-1 text) with what is wrong with it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import orjson

from agentmeter.model import Amendment, Entry, Opened, Record, Usage
from agentmeter.pricing.tariff import Tariff
from agentmeter.semconv import names
from agentmeter.semconv.dialects import observed
from agentmeter.semconv.fields import SpanFields
from agentmeter.semconv.otlp import fields_from_json, odd_instants, parts_in
from agentmeter.semconv.reading import entry_of
from agentmeter.semconv.sampling import is_sampled

ENTRY_COLUMNS = {
    "entry": "VARCHAR",
    "request_id": "VARCHAR",
    "scope_id": "VARCHAR",
    "parent_id": "VARCHAR",
    "kind": "VARCHAR",
    "name": "VARCHAR",
    "user": "VARCHAR",
    "tenant": "VARCHAR",
    "feature": "VARCHAR",
    "plan": "VARCHAR",
    "tags": "MAP(VARCHAR, VARCHAR)",
    "started_ns": "BIGINT",
    "ended_ns": "BIGINT",
    "status": "VARCHAR",
    "provider": "VARCHAR",
    "model": "VARCHAR",
    "response_id": "VARCHAR",
    "usage": "MAP(VARCHAR, BIGINT)",
    "tariff": "VARCHAR",
    "trace_id": "VARCHAR",
    "span_id": "VARCHAR",
    "observer": "VARCHAR",
    "shares": "VARCHAR[]",
    "asked_tariff": "VARCHAR",
    "asked_unpriced": "VARCHAR",
    "resource": "VARCHAR",
    "scope": "VARCHAR",
    "body": "VARCHAR",
    "place": "VARCHAR",
    "problem": "VARCHAR",
}
"""Column → type, of a file of entries. Blank ``request_id``: nothing says where the row belongs.
``asked_*`` is the answer of the pricer for a call that only a foreign span told of, which is asked
for once, when the call is compacted."""

LARGEST = 2**63 - 1
"""The largest number that a column holds."""

Row = dict[str, Any]


@dataclass(slots=True)
class Read:
    """One span or line: what it said, or why that is not known.

    ``faults`` are what the writing process had counted, by the id of the entry that says so.
    """

    entry: Entry | None = None
    tariff: Tariff | None = None
    foreign: bool = False
    problems: list[str] = field(default_factory=list)
    faults: tuple[str, dict[str, int]] | None = None
    sampled: bool = False
    """Whether it came through a pipeline that drops some."""


def read_span(span: Any, scope: str, place: str) -> Read:
    """What one span of an instrumentation scope says; ``place`` begins what is said of faults."""
    if not isinstance(span, Mapping):
        return Read(problems=[f"{place}: not OTLP JSON: {span!r:.60} is no object"])
    odd: list[str] = []
    try:
        fields = fields_from_json(span, scope)
        odd = [f"{place}: {one}" for one in odd_instants(span)]
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        return Read(problems=[*odd, f"{place}: {type(error).__name__}: {error}"])
    read = read_fields(fields, place)
    read.problems[:0] = odd
    return read


def read_fields(fields: SpanFields, place: str) -> Read:
    """What a span says, as ``read_span`` says it, from whatever carrier it came."""
    try:
        read = _ASIDE.get(fields.attributes.get(names.ENTRY), _entry)(fields, place)
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        return Read(problems=[f"{place}: {type(error).__name__}: {error}"])
    read.sampled = is_sampled(fields)
    return read


def _entry(fields: SpanFields, place: str) -> Read:
    entry = entry_of(fields)
    if entry is None:
        said = f"{place}: an entry of a kind that this version does not know"
        return Read(problems=[said])
    return Read(entry, foreign=isinstance(entry, Record) and entry.foreign)


def _tariff(fields: SpanFields, place: str) -> Read:
    body = orjson.loads(str(fields.attributes[names.TARIFF_BODY]))
    return Read(tariff=Tariff.from_json(body))


def _faults(fields: SpanFields, place: str) -> Read:
    counted = {
        name.removeprefix(names.FAULT): count
        for name, count in fields.attributes.items()
        if name.startswith(names.FAULT) and isinstance(count, int)
    }
    return Read(faults=(fields.span_id, counted))


def _foreign(fields: SpanFields, place: str) -> Read:
    """A span of another instrumentation; what it says that cannot be right is told of."""
    record, problems = observed(fields)
    return Read(record, foreign=True, problems=[f"{place}: {problem}" for problem in problems])


_ASIDE: dict[Any, Callable[[SpanFields, str], Read]] = {
    "tariff": _tariff,
    "faults": _faults,
    None: _foreign,
}
"""What is no entry of ours, by the kind that it states."""


def rows_of(line: bytes, place: str) -> Iterator[tuple[Row, Read]]:
    """The rows of one line of a journal; one that cannot be read is a row too."""
    try:
        parts = list(parts_in(orjson.loads(line)))
    except ValueError as error:
        problem = f"{place}: {said(error)}"
        yield _unreadable(line, problem), Read(problems=[problem])
        return
    for span, scope, resource in parts:
        read = read_span(span, str(scope.get("name", "")), place)
        row = _row(read)
        row["body"] = orjson.dumps(span).decode()
        row["scope"] = orjson.dumps(scope).decode()
        row["resource"] = orjson.dumps(resource).decode()
        if read.problems:
            row["place"] = place
        yield row, read


def said(error: Exception) -> str:
    """What is wrong with a line, in a few words."""
    if isinstance(error, orjson.JSONDecodeError):
        return f"not JSON ({error.msg} at column {error.colno}); cut off, or not a journal"
    return str(error)


def _unreadable(line: bytes, problem: str) -> Row:
    return {"entry": "unreadable", "request_id": "", "body": line.decode("latin-1"),
            "problem": problem}  # fmt: skip


def _row(read: Read) -> Row:
    """The columns that queries want to know."""
    if read.tariff is not None:
        return {"entry": "tariff", "request_id": "", "scope_id": read.tariff.digest}
    if read.faults is not None:
        return {"entry": "faults", "request_id": "", "scope_id": read.faults[0]}
    entry = read.entry
    if entry is None:
        return {"entry": "unknown", "request_id": ""}
    row: Row = {"request_id": entry.request_id, "scope_id": entry.scope_id}
    if isinstance(entry, Amendment):
        usage = _usage(entry.usage)
        at = {"started_ns": _held(entry.at_ns), "ended_ns": _held(entry.at_ns)}
        return {**row, "entry": "amendment", **at, "tariff": entry.tariff, **usage}
    row |= {
        "parent_id": entry.parent_id,
        "kind": entry.kind.value,
        "name": entry.name,
        "started_ns": _held(entry.started_ns),
        "trace_id": entry.trace_id,
        "span_id": entry.span_id,
        **_owner(entry),
    }
    if isinstance(entry, Opened):
        asked = {"provider": entry.provider, "model": entry.model}
        return {**row, "entry": "opened", "ended_ns": _held(entry.started_ns), **asked}
    return {**row, "entry": "span" if read.foreign else "record", **_record(entry)}


def _owner(entry: Record | Opened) -> Row:
    owner = entry.owner
    row: Row = {"user": owner.user, "tenant": owner.tenant, "feature": owner.feature}
    tags = {"tags": dict(owner.tags)} if owner.tags else {}
    return {**row, "plan": owner.plan, **tags}


def _record(record: Record) -> Row:
    row: Row = {"ended_ns": _held(record.ended_ns), "status": record.status.value}
    if record.observer:
        row["observer"] = record.observer
    if record.shares:
        row["shares"] = list(record.shares)
    call = record.call
    if call is not None:
        row |= {"provider": call.provider, "model": call.priced_model, "tariff": call.tariff}
        row["response_id"] = call.response_id
        row |= _usage(call.usage)
    return row


def _usage(usage: Usage) -> Row:
    """Quantities that the column holds; the body holds them all."""
    return {"usage": {meter: min(n, LARGEST) for meter, n in usage.items()}} if usage else {}


def _held(at_ns: int) -> int:
    """An instant, or the last one that the column holds; the body holds it as it is."""
    return min(at_ns, LARGEST)


def read_row(
    entry: str, scope: str | None, body: str, place: str | None, problem: str | None
) -> Read:
    """What a row says, as ``read_span`` says it of the span that it was made of."""
    if entry == "unreadable":
        return Read(problems=[problem or "a line that could not be read"])
    return read_span(orjson.loads(body), _scope_name(scope or "{}"), place or "compacted")


@lru_cache(256)
def _scope_name(scope: str) -> str:
    """The name of an instrumentation scope; there are few of them, and one on every row."""
    return str(orjson.loads(scope).get("name", ""))
