"""Tariffs as tables of DuckDB, and the views of ``pricing.sql`` that price calls by them.

Which row of a tariff wins, in which window and at which step, is decided here by the rows
themselves (``Rate.holds`` and ``Rate.rank``), once for each cell in which nothing changes; SQL
then finds the one cell that a call falls into and multiplies.
"""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from importlib.resources import files
from itertools import pairwise, product
from typing import TYPE_CHECKING

from agentmeter.exceptions import MoneyError
from agentmeter.model.money import plain, times
from agentmeter.pricing.cost import NO_FEE, NO_RATE, UNSPLIT
from agentmeter.pricing.tariff import Rate, Tariff
from agentmeter.report.pricing import NO_TARIFF

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_DIGITS = 38
_LEAST, _MOST = -(2**63), 2**63 - 1
_SECOND, _DAY = 1_000_000_000, 86_400

LARGEST = 10**9
"""The largest quantity of one meter that a call is taken to have."""

_Span = tuple[int, int]
_Row = tuple[str, str, str, int, int, int, int, int, int, int, str, str, str | None]


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
    rows = [list(row) for tariff in known for row in cells(tariff)]
    if rows:
        marks = f"?, ?, CAST(? AS DECIMAL({_DIGITS}, {scale})), {', '.join('?' * 10)}"
        connection.executemany(f"INSERT INTO rates VALUES ({marks})", rows)
    return scale


def _script(scale: int) -> str:
    text = files("agentmeter.store").joinpath("pricing.sql").read_text("utf-8")
    known = {":no_tariff": NO_TARIFF, ":no_rate": NO_RATE, ":no_fee": NO_FEE, ":scale": str(scale)}
    for mark, value in known.items():
        text = text.replace(mark, value)
    return text


def scale_of(tariffs: Iterable[Tariff], largest: int = LARGEST) -> int:
    """The decimals that hold every price of ``tariffs``. Raises ``MoneyError``, as ``load``."""
    priced = [(tariff, rate) for tariff in tariffs for rate in tariff.rates]
    scale = max((_decimals(rate.price) for _, rate in priced), default=0)
    for tariff, rate in priced:
        whole = len(plain(times(largest, rate.price)).partition(".")[0].lstrip("0"))
        if whole + scale > _DIGITS:
            finest = max(priced, key=lambda one: _decimals(one[1].price))
            raise MoneyError(
                f"tariff {tariff.digest} ({tariff.key.model}), {rate.meter}: {largest:,} units at "
                f"{plain(rate.price)} do not fit into {_DIGITS} digits with the {scale} decimals "
                f"that {finest[0].digest} ({finest[0].key.model}), {finest[1].meter} needs; load "
                "them apart, or price these calls in Python"
            )
    return scale


def _decimals(price: Decimal) -> int:
    return len(plain(price).partition(".")[2])


def cells(tariff: Tariff) -> Iterator[_Row]:
    """The rows of ``rates``: for each meter the cells in which a rate of it holds."""
    by_meter: dict[str, list[Rate]] = {}
    for rate in tariff.rates:
        by_meter.setdefault(rate.meter, []).append(rate)
    for meter, rates in by_meter.items():
        names: list[tuple[str, str | None]] = [(meter, None)]
        names += [(name, note) for name, (whole, note) in UNSPLIT.items() if whole == meter]
        for (instants, seconds, totals), rate in _held(rates):
            for name, note in names:
                notes = "; ".join(text for text in (note, rate.assumed) if text is not None)
                yield (
                    tariff.digest, name, plain(rate.price), rate.minimum or 0,
                    *instants, *seconds, *totals,
                    tariff.currency, rate.source, notes or None,
                )  # fmt: skip


def _held(rates: list[Rate]) -> Iterator[tuple[tuple[_Span, _Span, _Span], Rate]]:
    """The cells of one meter, with the rate that wins in each."""
    instants = {at for rate in rates for at in (rate.from_ns, rate.until_ns) if at is not None}
    seconds = {at for rate in rates for at in rate.window or ()}
    totals = {rate.above + 1 for rate in rates if rate.above is not None}
    spans = (_between(_LEAST, instants, _MOST), _between(0, seconds, _DAY))
    for instant, second, total in product(*spans, _between(0, totals, _MOST)):
        at = _within(instant, second)
        if at is not None:
            holding = (rate for rate in rates if rate.holds(at, total[0]))
            best = max(holding, key=lambda rate: rate.rank, default=None)
            if best is not None:
                yield (instant, second, total), best


def _between(least: int, bounds: set[int], most: int) -> list[_Span]:
    """What lies between ``least``, the bounds and ``most``."""
    inner = {bound for bound in bounds if least < bound < most}
    return list(pairwise(sorted({least, *inner, most})))


def _within(instant: _Span, second: _Span) -> int | None:
    """An instant in one span of time and one of the day; ``None`` where they never meet."""
    start = instant[0] if instant[0] != _LEAST else instant[1] - 2 * _DAY * _SECOND
    of_day = start // _SECOND % _DAY
    if second[0] <= of_day < second[1]:
        return start
    later = (start // _SECOND + (second[0] - of_day) % _DAY) * _SECOND
    return later if later < instant[1] else None
