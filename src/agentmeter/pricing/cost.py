"""Cost: quantity x quote, line by line; what has no rate becomes a gap, never a zero."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from agentmeter.model.money import CONTEXT, split, times, total
from agentmeter.pricing.tariff import Quote, Rate

UNSPLIT = {
    "input_unsplit": ("input", "cache split not stated; priced as uncached input"),
    "output_unsplit": ("output", "reasoning split not stated; priced as output"),
}
"""Unsplit meter → the meter whose rate it is priced at, and what is said of that."""

NO_RATE = "the tariff has no rate for this meter at that time"
NO_FEE = "the tariff has a fee per request; none is counted"
NO_TIME = "the model is paid by GPU time; none is counted"


@dataclass(frozen=True, slots=True)
class Line:
    """One meter's cost: ``amount = quantity x unit_price``, with the source of the rate.

    ``quantity`` is what is billed: the rate's minimum where less was used. An adjustment to a
    meter's price is a line named for what it is (``discount``), ``of`` that meter.
    """

    meter: str
    quantity: int
    unit_price: Decimal
    amount: Decimal
    source: str
    assumed: str | None = None
    of: str | None = None

    @property
    def billed(self) -> str:
        """The meter whose quantity this line bills."""
        return self.of or self.meter


@dataclass(frozen=True, slots=True)
class Gap:
    """A quantity that could not be priced, and why; ``None`` where the quantity is unknown."""

    meter: str
    quantity: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Cost:
    """Lines in one currency, and the gaps beside them."""

    currency: str = "USD"
    lines: tuple[Line, ...] = ()
    gaps: tuple[Gap, ...] = ()

    @property
    def amount(self) -> Decimal:
        """The exact sum of the lines; the gaps are not in it."""
        return total([line.amount for line in self.lines])


def price(usage: Mapping[str, int], quote: Quote) -> Cost:
    """``usage`` priced at ``quote``; where a fee per request holds and none is counted, a gap."""
    lines: list[Line] = []
    gaps: list[Gap] = []
    for meter, quantity in usage.items():
        priced_as, note = UNSPLIT.get(meter, (meter, None))
        rate = quote.rates.get(priced_as)
        if rate is None:
            gaps.append(Gap(meter, quantity, NO_RATE))
        else:
            lines.append(_line(meter, quantity, rate, note))
            if rate.adjusted:
                lines.extend(_adjustments(meter, quantity, rate))
    gaps.extend(_uncounted(usage, quote))
    return Cost(quote.currency, tuple(lines), tuple(gaps))


def amount(usage: Mapping[str, int], quote: Quote) -> Decimal | None:
    """The amount of ``price``, without its lines; ``None`` where that has gaps.

    For the live cost of a call, which is worked out while the application waits.
    """
    result, rates = Decimal(0), quote.rates
    for meter, quantity in usage.items():
        rate = rates.get(UNSPLIT[meter][0] if meter in UNSPLIT else meter)
        if rate is None:
            return None
        if rate.places is None:
            billed = quantity if rate.minimum is None else _billed(quantity, rate)
            result = CONTEXT.fma(billed, rate.price, result)
        else:
            result = CONTEXT.add(result, rate.amount(_billed(quantity, rate)))
    return None if _uncounted(usage, quote) else result


TIMED = ("gpu_second", "busy_millisecond")
"""The meters of GPU time; a call is counted under one of them."""


def _uncounted(usage: Mapping[str, int], quote: Quote) -> list[Gap]:
    """What a tariff has a rate for and every call has some of, where none was counted."""
    gaps: list[Gap] = []
    if "request" in quote.rates and usage and "request" not in usage:
        gaps.append(Gap("request", None, NO_FEE))
    if "busy_millisecond" in quote.rates and usage and not any(one in usage for one in TIMED):
        gaps.append(Gap("busy_millisecond", None, NO_TIME))
    return gaps


def _billed(quantity: int, rate: Rate) -> int:
    return max(quantity, rate.minimum) if quantity and rate.minimum is not None else quantity


def _line(meter: str, quantity: int, rate: Rate, note: str | None) -> Line:
    billed = _billed(quantity, rate)
    notes = [text for text in (note, rate.assumed) if text is not None]
    price = rate.unadjusted if rate.adjusted else rate.price
    told = "; ".join(notes) or None
    return Line(meter, billed, price, _before(billed, rate), rate.source, told)


def _before(billed: int, rate: Rate) -> Decimal:
    """The amount before the adjustments, which with theirs is that of the rate."""
    amount = rate.amount(billed)
    for part in rate.adjusted:
        amount = CONTEXT.subtract(amount, times(billed, part.price))
    return amount


def _adjustments(meter: str, quantity: int, rate: Rate) -> Iterator[Line]:
    billed = _billed(quantity, rate)
    for part in rate.adjusted:
        cost = times(billed, part.price)
        yield Line(part.name, billed, part.price, cost, part.source, part.note, meter)


_FINEST = -12


def shared_part(cost: Cost, shares: Mapping[str, int], who: str) -> Cost:
    """The part of ``cost`` that falls to ``who``; the parts of all sum to the whole, exactly.

    Quantities and amounts are split by largest remainder, an amount in units of its own last
    decimal place or of 10^-12, whichever is the finer.
    """
    lines = tuple(
        replace(
            line,
            quantity=split(line.quantity, shares)[who],
            amount=_part(line.amount, shares, who),
            assumed="; ".join(filter(None, (line.assumed, "a share of the whole"))),
        )
        for line in cost.lines
    )
    gaps = tuple(
        gap if gap.quantity is None else replace(gap, quantity=split(gap.quantity, shares)[who])
        for gap in cost.gaps
    )
    return Cost(cost.currency, lines, gaps)


def _part(amount: Decimal, shares: Mapping[str, int], who: str) -> Decimal:
    exponent = min(_FINEST, int(amount.as_tuple().exponent))
    units = int(amount.scaleb(-exponent, CONTEXT))
    return Decimal(split(units, shares)[who]).scaleb(exponent, CONTEXT)


def unpriced(usage: Mapping[str, int], reason: str) -> Cost:
    """Nothing priced: every meter is a gap with ``reason``."""
    return Cost(gaps=tuple(Gap(meter, quantity, reason) for meter, quantity in usage.items()))
