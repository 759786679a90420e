"""Tariffs as tables of DuckDB, and the views of ``pricing.sql`` that price calls by them.

Which row of a tariff wins, in which window and at which step, is decided here by the rows
themselves (``Rate.holds`` and ``Rate.rank``), once for each cell in which nothing changes; SQL
then finds the one cell that a call falls into and multiplies.
"""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from importlib.resources import files
from itertools import pairwise, product
from typing import TYPE_CHECKING, Any

from agentmeter.exceptions import MoneyError
from agentmeter.model.money import CONTEXT, plain, times, total
from agentmeter.pricing.cost import NO_FEE, NO_RATE, NO_TIME, TIMED, UNSPLIT
from agentmeter.pricing.tariff import Rate, Tariff, weekday
from agentmeter.report.pricing import NO_TARIFF

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_DIGITS = 38
_LEAST, _MOST = -(2**63), 2**63 - 1
_SECOND, _DAY = 1_000_000_000, 86_400

LARGEST = 10**9
"""The largest quantity of one meter that a call is taken to have."""

_Span = tuple[int, int]
_Cell = tuple[_Span, _Span, _Span, _Span]
"""Spans of time (ns), of the day (seconds), of the week (days) and of the total input."""
_Priced = tuple[str, str | None, Decimal, Decimal, Decimal, Decimal | None]
_Said = tuple[str, str | None]
_EXPECTED = (("request", "request", NO_FEE), *(("busy_millisecond", one, NO_TIME) for one in TIMED))


def load(
    connection: "DuckDBPyConnection", tariffs: Iterable[Tariff], *, largest: int = LARGEST
) -> int:
    """Make the tables of ``tariffs`` and the views over ``calls``; returns the decimal scale.

    Raises ``MoneyError`` for a rate whose product with ``largest`` units does not fit into 38
    digits at the scale that all the rates need.
    """
    known = list(tariffs)
    scale = scale_of(known, largest)
    connection.execute(_script(scale))
    if known:
        currencies = [[tariff.digest, tariff.currency] for tariff in known]
        connection.executemany("INSERT INTO tariffs VALUES (?, ?)", currencies)
    connection.executemany("INSERT INTO expected VALUES (?, ?, ?)", [list(e) for e in _EXPECTED])
    columns = list(zip(*(row for tariff in known for row in cells(tariff)), strict=True))
    if columns:
        money = f"CAST(unnest(?) AS DECIMAL({_DIGITS}, {scale}))"
        marks = ", ".join(money if 4 <= place < 8 else "unnest(?)" for place in range(len(columns)))
        connection.execute(f"INSERT INTO rates SELECT {marks}", [list(one) for one in columns])
    return scale


def _script(scale: int) -> str:
    text = files("agentmeter.store").joinpath("pricing.sql").read_text("utf-8")
    known = {":no_tariff": NO_TARIFF, ":no_rate": NO_RATE, ":scale": str(scale)}
    for mark, value in known.items():
        text = text.replace(mark, value)
    return text


def scale_of(tariffs: Iterable[Tariff], largest: int = LARGEST) -> int:
    """The decimals that hold every price of ``tariffs``. Raises ``MoneyError``, as ``load``."""
    priced = [(tariff, rate) for tariff in tariffs for rate in tariff.rates]
    scale = max((_decimals(rate) for _, rate in priced), default=0)
    for tariff, rate in priced:
        dearest = max(price.copy_abs() for price in _prices(rate))
        whole = len(plain(times(largest, dearest)).partition(".")[0].lstrip("0"))
        if whole + scale > _DIGITS:
            finest = max(priced, key=lambda one: _decimals(one[1]))
            raise MoneyError(
                f"tariff {tariff.digest} ({tariff.key.model}), {rate.meter}: {largest:,} units at "
                f"{plain(dearest)} do not fit into {_DIGITS} digits with the {scale} decimals "
                f"that {finest[0].digest} ({finest[0].key.model}), {finest[1].meter} needs; load "
                "them apart, or price these calls in Python"
            )
    return scale


def _prices(rate: Rate) -> tuple[Decimal, ...]:
    return (rate.price, rate.unadjusted, *(part.price for part in rate.adjusted))


def _decimals(rate: Rate) -> int:
    most = max(len(plain(price).partition(".")[2]) for price in _prices(rate))
    return max(most, rate.places or 0)


def cells(tariff: Tariff) -> Iterator[tuple[Any, ...]]:
    """The rows of ``rates``: for each meter the cells in which a rate of it holds, by line."""
    by_meter: dict[str, list[Rate]] = {}
    for rate in tariff.rates:
        by_meter.setdefault(rate.meter, []).append(rate)
    for meter, rates in by_meter.items():
        names: list[tuple[str, str | None]] = [(meter, None)]
        names += [(name, note) for name, (whole, note) in UNSPLIT.items() if whole == meter]
        for cell, rate in _held(rates):
            bounds = [bound for span in cell for bound in span]
            for name, note in names:
                for (line, adjusts, *prices), (source, told) in _lines(name, note, rate):
                    amounts = [None if price is None else plain(price) for price in prices]
                    minimum = rate.minimum or 0
                    yield (
                        *(tariff.digest, name, line, adjusts, *amounts, minimum, *bounds),
                        *(tariff.currency, source, told),
                    )


def _lines(meter: str, note: str | None, rate: Rate) -> Iterator[tuple[_Priced, _Said]]:
    """A meter's own line and those of its adjustments, each with its source and what is assumed."""
    notes = "; ".join(text for text in (note, rate.assumed) if text is not None) or None
    step = None if rate.places is None else Decimal(1).scaleb(-rate.places, CONTEXT)
    parts = total([part.price for part in rate.adjusted])
    yield (meter, None, rate.unadjusted, rate.price, parts, step), (rate.source, notes)
    for part in rate.adjusted:
        own = (part.name, meter, part.price, part.price, Decimal(0), None)
        yield own, (part.source, part.note)


def _held(rates: list[Rate]) -> Iterator[tuple[_Cell, Rate]]:
    """The cells of one meter, with the rate that wins in each."""
    instants = {at for rate in rates for at in (rate.from_ns, rate.until_ns) if at is not None}
    seconds = {at for rate in rates for at in rate.window or ()}
    days = set(range(1, 8)) if any(rate.days is not None for rate in rates) else set()
    totals = {rate.above + 1 for rate in rates if rate.above is not None}
    when = (_between(_LEAST, instants, _MOST), _between(0, seconds, _DAY), _between(1, days, 8))
    for (instant, second, day), input_ in product(product(*when), _between(0, totals, _MOST)):
        at = _within(instant, second, day)
        if at is not None:
            holding = (rate for rate in rates if rate.holds(at, input_[0]))
            best = max(holding, key=lambda rate: rate.rank, default=None)
            if best is not None:
                yield (instant, second, day, input_), best


def _between(least: int, bounds: set[int], most: int) -> list[_Span]:
    """What lies between ``least``, the bounds and ``most``."""
    inner = {bound for bound in bounds if least < bound < most}
    return list(pairwise(sorted({least, *inner, most})))


def _within(instant: _Span, second: _Span, day: _Span) -> int | None:
    """An instant in a span of time, of the day and of the week; ``None`` where they never meet."""
    start = instant[0] if instant[0] != _LEAST else instant[1] - 9 * _DAY * _SECOND
    for number in range(9):
        midnight = (start // (_DAY * _SECOND) + number) * _DAY * _SECOND
        at = max(start, midnight + second[0] * _SECOND)
        meets = at < min(instant[1], midnight + second[1] * _SECOND)
        if meets and day[0] <= weekday(at) < day[1]:
            return at
    return None
