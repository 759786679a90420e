"""Rating: what a quantity costs by the steps of a charge, and what an allowance takes off it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from agentmeter.model.money import CONTEXT
from agentmeter.pricing.plans.plan import UNITS, Allowance, Charge, Step
from agentmeter.pricing.plans.shares import prorated
from agentmeter.pricing.plans.units import from_units, in_units


@dataclass(frozen=True, slots=True)
class Rated:
    """A quantity at a unit price. ``fee`` is what the step costs by itself, in the amount."""

    quantity: Decimal
    unit: str
    unit_price: Decimal
    amount: Decimal
    fee: Decimal = Decimal(0)


def rated(charge: Charge, units: int, places: int) -> Iterator[Rated]:
    """A quantity, in units of 10^-``places``, priced step by step."""
    if not units or not charge.steps:
        return
    if charge.whole:
        yield _lots(charge, -(-units // (charge.per * 10**places)))
        return
    quantity = from_units(units, places)
    parts = _volume(charge, quantity) if charge.volume else _graduated(charge, quantity)
    scale = 1 - len(str(charge.per))
    for step, part in parts:
        price = step.price.scaleb(scale, CONTEXT)
        amount = CONTEXT.fma(part, price, step.fee)
        yield Rated(part, UNITS[charge.of], price, amount, step.fee)


def _lots(charge: Charge, lots: int) -> Rated:
    (step,) = charge.steps
    amount = CONTEXT.fma(Decimal(lots), step.price, step.fee)
    unit = f"{charge.per:,} {UNITS[charge.of]}s"
    return Rated(Decimal(lots), unit, step.price, amount, step.fee)


def _graduated(charge: Charge, quantity: Decimal) -> Iterator[tuple[Step, Decimal]]:
    below = Decimal(0)
    for step in charge.steps:
        end = quantity if step.up_to is None else min(quantity, step.up_to)
        yield step, CONTEXT.subtract(end, below)
        if end == quantity:
            return
        below = end


def _volume(charge: Charge, quantity: Decimal) -> Iterator[tuple[Step, Decimal]]:
    yield next(s for s in charge.steps if s.up_to is None or quantity <= s.up_to), quantity


@dataclass(slots=True)
class Pool:
    """An allowance as it is used and carried over from period to period, oldest first.

    ``lots`` are pairs of the periods that a lot lasts beyond this one and what is left of it.
    """

    allowance: Allowance
    places: int
    lots: list[tuple[int, int]] = field(default_factory=list)

    def open(self, seats: int, start: int, end: int, length: int) -> None:
        """Begin a period, of which ``[start, end)`` is subscribed."""
        whole = in_units(self.allowance.quantity, self.places)
        fresh = prorated(whole * (seats if self.allowance.per_seat else 1), start, end, length)
        self.lots = [*self.lots, (self.allowance.rollover, fresh)]

    @property
    def available(self) -> int:
        """What can be used now."""
        return sum(left for _, left in self.lots)

    def use(self, units: int) -> int:
        """Use up to so many units; returns how many there were."""
        wanted = units
        kept = []
        for lasts, left in self.lots:
            used = min(left, wanted)
            wanted -= used
            kept.append((lasts, left - used))
        self.lots = kept
        return units - wanted

    def close(self, periods: int = 1) -> None:
        """End a period, or several of which nothing was used: what is left and lasts goes on."""
        lots = [(lasts - periods, left) for lasts, left in self.lots if lasts >= periods and left]
        most = self.allowance.most
        room = None if most is None else in_units(most, self.places)
        carried: list[tuple[int, int]] = []
        for lasts, left in reversed(lots):  # of too much the oldest, which ends first, is lost
            kept = left if room is None else min(left, room)
            room = None if room is None else room - kept
            carried.insert(0, (lasts, kept))
        self.lots = carried
