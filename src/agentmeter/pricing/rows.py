"""Rows of rates laid over each other, and rows for the meters that have no rate of their own.

A row is trimmed to the time in which nothing better holds, so that a contract which begins in
January leaves December at the price below it.
"""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import replace
from decimal import Decimal, Inexact

from agentmeter.model.money import CONTEXT, plain
from agentmeter.pricing.tariff import Rate

_BILLED_AS = {
    "cache_read": ("input",),
    "cache_write": ("input",),
    "cache_write_5m": ("cache_write", "input"),
    "cache_write_30m": ("cache_write", "input"),
    "cache_write_1h": ("cache_write", "input"),
    "cache_write_12h": ("cache_write", "input"),
    "input_audio": ("input",),
    "input_image": ("input",),
    "input_video": ("input",),
    "cache_read_audio": ("cache_read", "input_audio", "input"),
    "cache_read_image": ("cache_read", "input_image", "input"),
    "cache_read_video": ("cache_read", "input_video", "input"),
    "input_tool_use": ("input",),
    "reasoning": ("output",),
    "accepted_prediction": ("output",),
    "rejected_prediction": ("output",),
    "citation": ("output",),
    "output_audio": ("output",),
    "output_image": ("output",),
    "output_video": ("output",),
}
"""The wholes that a meter is part of, the nearest first: genai-prices' decomposition of usage."""

UNMATCHED = "condition not matched: "
"""How the assumption of a rate begins that a condition of the call has no known price for."""

_DERIVED = "no rate of its own; billed as "

_FINEST = Decimal("1e-18")
_PLACES = 12

_Span = tuple[int | None, int | None]


def for_one(rate: Rate, per: int) -> Rate:
    """``rate``, whose price is for ``per`` units, at the price of one.

    A price per hour may have no exact one per second: that is said, and amounts are rounded to 12
    decimals, so that whole hours cost what the price list says.
    """
    context = CONTEXT.copy()
    context.clear_flags()
    price = context.divide(rate.price, Decimal(per))
    if not context.flags[Inexact]:
        return replace(rate, price=price)
    rounded = replace(rate, price=CONTEXT.quantize(price, _FINEST), places=_PLACES)
    return noted(rounded, f"{plain(rate.price)} per {per:,}, rounded to 18 decimals for one")


def noted(rate: Rate, note: str) -> Rate:
    """``rate`` with a further assumption."""
    return replace(rate, assumed=note if rate.assumed is None else f"{rate.assumed}; {note}")


def between(rate: Rate, from_ns: int | None, until_ns: int | None) -> Rate | None:
    """``rate`` where it holds within ``[from_ns, until_ns)``; ``None`` where it never does."""
    span = _within((rate.from_ns, rate.until_ns), from_ns, until_ns)
    return None if span is None else replace(rate, from_ns=span[0], until_ns=span[1])


def own(rates: Iterable[Rate]) -> tuple[Rate, ...]:
    """The rows that ``with_derived`` did not add."""
    return tuple(rate for rate in rates if not (rate.assumed or "").startswith(_DERIVED))


def laid_over(upper: Iterable[Rate], lower: Iterable[Rate]) -> tuple[Rate, ...]:
    """``upper``, and ``lower`` for the meters and times that no row of ``upper`` covers.

    A row for some hours or days covers nothing: between them the row below it holds.
    """
    above = tuple(upper)
    covering = [one for one in above if one.window is None and one.days is None]
    filled = [
        part
        for rate in lower
        for part in _outside(rate, [one for one in covering if one.meter == rate.meter])
    ]
    return (*above, *filled)


def settled(rates: Iterable[Rate]) -> tuple[Rate, ...]:
    """The same prices in rows that have begun together where several hold at once.

    Of two rows the one that began later wins, so that a row that was cut would win over one that
    was not; rows like these may be cut at any instant, all of them.
    """
    rows = sorted(rates, key=lambda rate: rate.rank, reverse=True)
    meters = dict.fromkeys(rate.meter for rate in rows)
    return tuple(
        part
        for meter in meters
        for span in _cells([rate for rate in rows if rate.meter == meter])
        for part in _holding(span, [rate for rate in rows if rate.meter == meter])
    )


def _cells(rows: list[Rate]) -> Iterator[_Span]:
    """The times between the instants at which a row begins or ends."""
    instants = {at for rate in rows for at in (rate.from_ns, rate.until_ns) if at is not None}
    bounds = [None, *sorted(instants), None]
    yield from itertools.pairwise(bounds)


def _holding(span: _Span, rows: list[Rate]) -> list[Rate]:
    """The parts of rows, the strongest first, that can win within a time in which none changes."""
    found: list[Rate] = []
    for rate in rows:
        part = between(rate, *span)
        if part is not None and not any(_always_wins(one, rate) for one in found):
            found.append(part)
    return found


def _always_wins(one: Rate, rate: Rate) -> bool:
    """Whether a stronger row holds wherever ``rate`` does."""
    return (one.window, one.days) == (rate.window, rate.days) and (
        one.above is None or (rate.above is not None and one.above <= rate.above)
    )


def with_derived(rates: Iterable[Rate]) -> tuple[Rate, ...]:
    """The rows, and for each meter and time without one a row at the rate of its whole."""
    stated = own(rates)
    result = stated
    for meter, wholes in _BILLED_AS.items():
        mine = tuple(rate for rate in stated if rate.meter == meter)
        for whole in wholes:
            billed = (_as(meter, rate) for rate in stated if rate.meter == whole)
            mine = laid_over(mine, billed)
        result = laid_over(result, (rate for rate in mine if rate not in stated))
    return result


def _as(meter: str, whole: Rate) -> Rate:
    note = _DERIVED + whole.meter
    return replace(
        whole, meter=meter, assumed=note if whole.assumed is None else f"{note}; {whole.assumed}"
    )


def _outside(rate: Rate, taken: Iterable[Rate]) -> Iterator[Rate]:
    spans: list[_Span] = [(rate.from_ns, rate.until_ns)]
    for one in taken:
        spans = [part for span in spans for part in _minus(span, one.from_ns, one.until_ns)]
    for start, end in spans:
        yield replace(rate, from_ns=start, until_ns=end)


def _minus(span: _Span, start: int | None, end: int | None) -> Iterator[_Span]:
    before = None if start is None else _within(span, None, start)
    after = None if end is None else _within(span, end, None)
    yield from (part for part in (before, after) if part is not None)


def _within(span: _Span, start: int | None, end: int | None) -> _Span | None:
    first = max((at for at in (span[0], start) if at is not None), default=None)
    last = min((at for at in (span[1], end) if at is not None), default=None)
    return None if first is not None and last is not None and first >= last else (first, last)
