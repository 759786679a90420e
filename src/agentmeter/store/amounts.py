"""What each call costs, in SQL and in one join: a row of rates for each cell of a tariff.

``pricing.sql`` has the lines of a cost, and so a row for each meter of a call. Where only amounts
are wanted, the calls stay one row each: the rates lie in a table with a column per meter, of which
the row is found by the tariff and, where any tariff changes with it, by the instant, the hour, the
day of the week or the total input.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from agentmeter.pricing.cost import TIMED
from agentmeter.pricing.tariff import Tariff
from agentmeter.store.clickhouse.prices import SPANS, least, price, rate_table
from agentmeter.store.leaves import MONEY

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_PLACE = {
    "from_ns": "l.started_ns",
    "from_second": "(l.started_ns // 1000000000) % 86400",
    "from_day": "(l.started_ns // 86400000000000 + 3) % 7 + 1",
    "from_total": "l.total_input",
}
"""Where a call stands in each kind of span; days of the week are 1 for Monday to 7."""
_EXPECTED = {"request": ("request",), "busy_millisecond": TIMED}
"""Meter → what a call is counted under where its tariff has a rate for that meter."""


def load_amounts(
    connection: "DuckDBPyConnection", tariffs: Iterable[Tariff], meters: Sequence[str]
) -> list[str]:
    """Make the view ``amounts``: ``leaves`` with what each costs by ``tariffs``.

    ``meters`` are those of the table that are in use. ``amount`` is the sum of what has a rate, in
    ``amount_currency``; ``amount_partial`` is whether anything has none, was not counted though
    there is a fee for it, or is of a meter of one's own, which only Python prices. Returns the
    digests of tariffs that are left to Python: those that round, need more decimals than an amount
    has here, or change too often; their calls have an amount of zero, and are partial.
    """
    known = {tariff.digest: tariff for tariff in tariffs}
    told, refused = rate_table(known.values(), [*dict.fromkeys((*meters, *_EXPECTED))])
    columns = {name: _type(kind) for name, kind in told.columns.items()}
    shape = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
    connection.execute(f"CREATE OR REPLACE TEMP TABLE wide_rates ({shape})")
    if told.rows:
        marks = ", ".join(f"CAST(unnest(?) AS {kind})" for kind in columns.values())
        values = [[row.get(name, _unsaid(name)) for row in told.rows] for name in columns]
        connection.execute(f"INSERT INTO wide_rates SELECT {marks}", values)
    connection.execute(f"CREATE OR REPLACE TEMP VIEW amounts AS {_view(told.rows, meters)}")
    return refused


def _type(kind: str) -> str:
    """A type of the rate table, as DuckDB calls it."""
    if kind.startswith("Nullable"):
        return MONEY
    return {"String": "VARCHAR", "Int64": "BIGINT"}[kind]


def _unsaid(name: str) -> int | None:
    return 0 if name.startswith(least("")) else None


def _view(rows: Sequence[Mapping[str, Any]], meters: Sequence[str]) -> str:
    priced = [meter for meter in meters if any(price(meter) in row for row in rows)]
    terms = [f"coalesce({_billed(rows, meter)} * {_rate(meter)}, 0)" for meter in priced]
    gaps = [*(f"({_used(meter)} AND {_rate(meter)} IS NULL)" for meter in meters),
            *_uncounted(rows, meters), "l.own_usage IS NOT NULL"]  # fmt: skip
    held = ["r.of_tariff = l.tariff", *_holds(rows)]
    return (
        f"SELECT l.*, r.rate_currency AS amount_currency, "
        f"CAST({' + '.join(terms) or '0'} AS {MONEY}) AS amount, "
        f"({' OR '.join(gaps)}) AS amount_partial "
        f"FROM leaves AS l LEFT JOIN wide_rates AS r ON {' AND '.join(held)}"
    )


def _rate(meter: str) -> str:
    return f'r."{price(meter)}"'


def _used(meter: str) -> str:
    return f"l.m_{meter} IS NOT NULL"


def _billed(rows: Sequence[Mapping[str, Any]], meter: str) -> str:
    """What is billed: the rate's minimum where less was used, and nothing where nothing was."""
    used = f"l.m_{meter}"
    if not any(row.get(least(meter), 0) for row in rows):
        return used
    return f'CASE WHEN {used} > 0 THEN greatest({used}, r."{least(meter)}") ELSE {used} END'


def _uncounted(rows: Sequence[Mapping[str, Any]], meters: Sequence[str]) -> Iterator[str]:
    """What a tariff has a rate for and every call has some of, where none was counted."""
    anything = " OR ".join(map(_used, meters)) or "false"
    for meter, counted in _EXPECTED.items():
        if any(price(meter) in row for row in rows):
            none = " AND ".join(f"l.m_{one} IS NULL" for one in counted)
            yield f"({_rate(meter)} IS NOT NULL AND {none} AND ({anything}))"


def _holds(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Conditions on the spans that are not one and the same in all the rows."""
    for begin, end in SPANS:
        if len({(row[begin], row[end]) for row in rows}) > 1:
            yield f"{_PLACE[begin]} >= r.{begin} AND {_PLACE[begin]} < r.{end}"
