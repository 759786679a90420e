"""The terms of an allocation: what a period's whole comes to, given what its calls cost."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, Inexact
from typing import Literal

from agentmeter.model.money import CONTEXT, plain

_FINEST = Decimal("1e-18")
_HOUR_NS = 3_600_000_000_000
_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Step:
    """From strictly above a quantity on: a ``price`` for one, or ``percent`` off."""

    above: Decimal
    percent: Decimal | None = None
    price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Volume:
    """Steps by how much was used of ``measure``: ``cost``, ``tokens``, ``calls`` or a meter.

    ``graduated`` steps hold for what lies in each, ``all_units`` for everything once it is
    reached. The whole is the difference to what the calls cost by themselves.
    """

    measure: str
    steps: tuple[Step, ...]
    mode: Literal["graduated", "all_units"] = "graduated"
    kind = "volume"

    def whole(self, quantity: Decimal, cost: Decimal) -> tuple[Decimal, str]:
        """The difference, negative for a rebate, and how it came about."""
        told = f"{plain(quantity)} {self.measure}, {self.mode}"
        parts = list(self._portions(quantity))
        if self.steps[0].price is not None:
            stepped = _sum(_times(portion, step.price) for portion, step in parts)
            return CONTEXT.subtract(stepped, cost), told
        off = _sum(_times(portion, step.percent) for portion, step in parts)
        if self.measure != "cost" and quantity:
            off = _divided(CONTEXT.multiply(off, cost), quantity)
        return CONTEXT.minus(CONTEXT.scaleb(off, -2)), told

    def _portions(self, quantity: Decimal) -> Iterator[tuple[Decimal, Step]]:
        reached = [step for step in self.steps if quantity > step.above]
        if self.mode == "all_units":
            yield from ((quantity, step) for step in reached[-1:])
            return
        ends = [*(step.above for step in reached[1:]), quantity]
        for step, end in zip(reached, ends, strict=False):
            yield CONTEXT.subtract(end, step.above), step


@dataclass(frozen=True, slots=True)
class Commitment:
    """An amount that is paid each period whether it is used or not: the whole is its shortfall.

    ``amounts`` by period, where a commitment for longer is spread over its periods.
    """

    amounts: tuple[Decimal, ...]
    kind = "commitment"

    def whole(self, number: int, spent: Decimal) -> tuple[Decimal, str]:
        """What was committed to for period ``number`` and not spent."""
        amount = self.amounts[number]
        told = f"{plain(amount)} committed, {plain(spent)} spent"
        return max(_ZERO, CONTEXT.subtract(amount, spent)), told


@dataclass(frozen=True, slots=True)
class Capacity:
    """Capacity that is paid by the period: the whole is what its calls have not covered.

    Positive for idle time; negative where calls that ran at once were each priced as if alone.
    Either way calls and line together come to what the capacity costs.
    """

    amount: Decimal | None = None
    per_hour: Decimal | None = None
    kind = "capacity"

    def whole(self, period: tuple[int, int], covered: Decimal) -> tuple[Decimal, str]:
        """The capacity's cost for the period, less what its calls cost by themselves."""
        costs = self.amount
        if costs is None:
            length = Decimal(period[1] - period[0])
            costs = _divided(CONTEXT.multiply(self.per_hour or _ZERO, length), Decimal(_HOUR_NS))
        rest = CONTEXT.subtract(costs, covered)
        word = "idle" if rest >= 0 else "shared by calls at once"
        return rest, f"{word}: {plain(costs)} paid, {plain(covered)} by calls"


@dataclass(frozen=True, slots=True)
class Fixed:
    """An amount for each period, such as the fee of a database that every request uses."""

    amount: Decimal
    kind = "fixed"

    def whole(self) -> tuple[Decimal, str]:
        """The amount."""
        return self.amount, f"{plain(self.amount)} for the period"


@dataclass(frozen=True, slots=True)
class Credit:
    """An amount that pays for what falls into the period, until it is used up or has expired."""

    amount: Decimal
    kind = "credit"

    def whole(self, spent: Decimal) -> tuple[Decimal, str]:
        """What is used of it, negative; never more than was spent."""
        used = max(_ZERO, min(self.amount, spent))
        return CONTEXT.minus(used), f"{plain(used)} of {plain(self.amount)} used"


Term = Volume | Commitment | Capacity | Fixed | Credit

ORDER = (Volume.kind, Commitment.kind, Capacity.kind, Fixed.kind, Credit.kind)
"""The order in which the kinds are worked out, whatever order the rules are given in."""


def _times(portion: Decimal, rate: Decimal | None) -> Decimal:
    return CONTEXT.multiply(portion, rate or _ZERO)


def _sum(parts: "Iterator[Decimal] | Sequence[Decimal]") -> Decimal:
    result = _ZERO
    for part in parts:
        result = CONTEXT.add(result, part)
    return result


def _divided(amount: Decimal, by: Decimal) -> Decimal:
    """The quotient; to 18 decimals where it has no end."""
    context = CONTEXT.copy()
    context.clear_flags()
    result = context.divide(amount, by)
    return CONTEXT.quantize(result, _FINEST) if context.flags[Inexact] else result
