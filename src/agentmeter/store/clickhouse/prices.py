"""Tariffs as one small table that goes along with a question, a row for each cell of a tariff.

A cell is where no rate of a tariff changes: a span of time, of the day, of the week and of the
call's total input. Together the cells of a tariff cover everything, so that a call falls into one.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise, product
from typing import Any

from agentmeter.exceptions import MoneyError
from agentmeter.pricing.tariff import Tariff
from agentmeter.store.clickhouse.server import Told
from agentmeter.store.leaves import MONEY, SCALE
from agentmeter.store.pricing import cells, scale_of

SPANS = (
    ("from_ns", "until_ns"),
    ("from_second", "until_second"),
    ("from_day", "until_day"),
    ("from_total", "until_total"),
)
_WHOLE = ((-(2**63), 2**63 - 1), (0, 86_400), (1, 8), (0, 2**63 - 1))
_MOST = 2_000
"""Cells of a tariff; one with more is left to Python."""
_METER, _ADJUSTS, _PRICE, _STEP, _MINIMUM, _BOUNDS, _END = 1, 3, 5, 7, 8, 9, 17
"""Where in a row of ``cells`` a field stands."""


def rate_table(tariffs: Iterable[Tariff], meters: Iterable[str]) -> tuple[Told, list[str]]:
    """The table of rates, and the digests of the tariffs that do not fit into it."""
    used = tuple(meters)
    columns = {"of_tariff": "String", "rate_currency": "String"}
    columns |= {bound: "Int64" for span in SPANS for bound in span}
    for meter in used:
        columns[price(meter)] = f"Nullable({_money()})"
        columns[least(meter)] = "Int64"
    rows: list[Mapping[str, Any]] = []
    refused = []
    for tariff in tariffs:
        found = _rows(tariff, used)
        if found is None:
            refused.append(tariff.digest)
        else:
            rows.extend(found)
    return Told(columns, rows), refused


def price(meter: str) -> str:
    """The column of a meter's price."""
    return f"price {meter}"


def least(meter: str) -> str:
    """The column of the smallest quantity of a meter that is billed."""
    return f"least {meter}"


def _money() -> str:
    return MONEY.replace("DECIMAL", "Decimal").replace(",", ", ")


def _rows(tariff: Tariff, meters: tuple[str, ...]) -> list[dict[str, Any]] | None:
    """The cells of a tariff; nothing where it has too many, or rounds, or needs finer decimals."""
    try:
        if scale_of([tariff]) > SCALE:
            return None
        scale_of([tariff], 10 ** (38 - SCALE - 10))
    except MoneyError:
        return None
    known = [row for row in cells(tariff) if row[_ADJUSTS] is None]
    if any(row[_STEP] is not None for row in known):
        return None
    spans = [_spans(known, place) for place in range(len(SPANS))]
    count = 1
    for one in spans:
        count *= len(one)
    if count > _MOST:
        return None
    return [_row(tariff, cell, known, meters) for cell in product(*spans)]


def _spans(known: list[tuple[Any, ...]], place: int) -> list[tuple[int, int]]:
    bounds = {row[_BOUNDS + 2 * place + end] for row in known for end in (0, 1)}
    return list(pairwise(sorted(bounds | set(_WHOLE[place]))))


def _row(
    tariff: Tariff,
    cell: tuple[tuple[int, int], ...],
    known: list[tuple[Any, ...]],
    meters: tuple[str, ...],
) -> dict[str, Any]:
    row: dict[str, Any] = {"of_tariff": tariff.digest, "rate_currency": tariff.currency}
    for names, bounds in zip(SPANS, cell, strict=True):
        row.update(zip(names, bounds, strict=True))
    for rate in _holding(cell, known):
        if rate[_METER] in meters:
            row[price(rate[_METER])] = rate[_PRICE]
            row[least(rate[_METER])] = rate[_MINIMUM]
    return row


def _holding(
    cell: tuple[tuple[int, int], ...], known: list[tuple[Any, ...]]
) -> Iterator[tuple[Any, ...]]:
    for rate in known:
        held = zip(rate[_BOUNDS:_END:2], rate[_BOUNDS + 1 : _END : 2], strict=True)
        inside = zip(cell, held, strict=True)
        if all(least <= first and last <= most for (first, last), (least, most) in inside):
            yield rate
