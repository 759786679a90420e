"""Drafting one invoice: fees, charges, what is included, cap, minimum; and whose each line is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from operator import add, sub

from agentmeter.model.money import CONTEXT
from agentmeter.pricing.plans.columns import take
from agentmeter.pricing.plans.invoice import InvoiceLine, Left, LineKind
from agentmeter.pricing.plans.measure import Measured
from agentmeter.pricing.plans.plan import UNITS, Fee, Key, Plan
from agentmeter.pricing.plans.rating import Pool, Rated, rated
from agentmeter.pricing.plans.shares import prorated, shared
from agentmeter.pricing.plans.traffic import Traffic
from agentmeter.pricing.plans.units import FINEST, from_units, in_units, places_of

_ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class Terms:
    """Seats, and the stretch ``[start, end)`` of the ``length`` days of a period that is paid."""

    seats: int
    start: int
    end: int
    length: int

    def part(self, amount: Decimal, places: int) -> int:
        """The part of ``amount`` for the days that are paid, in units of 10^-``places``.

        It is rounded to 10^-12, so that it does not depend on how fine other amounts are.
        """
        grid = max(FINEST, places_of(amount))
        whole = in_units(amount, grid)
        part = prorated(whole, self.start, self.end, self.length)
        scale: int = 10 ** (places - grid)
        return part * scale

    @property
    def note(self) -> str:
        """``10 of 30 days``, where it is not all of them."""
        days = self.end - self.start
        return "" if days == self.length else f"{days} of {self.length} days"


@dataclass(slots=True)
class Draft:
    """An invoice in the making. Amounts are whole units of 10^-``places``.

    ``shares`` is what each of the ``live`` requests caused so far, where anything is ``shared``;
    ``charged`` the part of it that charges are.
    """

    plan: Plan
    traffic: Traffic
    live: Sequence[int]
    places: int
    ids: tuple[str, ...]
    lines: list[InvoiceLine] = field(default_factory=list)
    shares: list[int] = field(default_factory=list)
    charged: list[int] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    net: int = 0
    shared: bool = False

    def __post_init__(self) -> None:
        self.shares = [0] * len(self.live)

    def add(
        self,
        kind: LineKind,
        what: str,
        priced: Rated,
        weights: Sequence[int] | None = None,
        note: str = "",
    ) -> None:
        """A line, and its amount shared out over the requests by ``weights`` (the plan's key)."""
        units = in_units(priced.amount, self.places)
        self.net += units
        ids = self.ids
        if self.live:
            by = self._key() if weights is None else weights
            if units:
                parts = shared(units, by)
                self.shares = list(map(add, self.shares, parts)) if self.shared else parts
                self.shared = True
            if weights is not None and not all(weights):
                ids = tuple([one for one, weight in zip(ids, weights, strict=True) if weight])
        figures = (priced.quantity, priced.unit, priced.unit_price, priced.amount)
        self.lines.append(InvoiceLine(kind, what, *figures, ids, note))

    def add_amount(
        self, kind: LineKind, what: str, units: int, weights: Sequence[int] | None = None
    ) -> None:
        """A line of so many units of money."""
        amount = from_units(units, self.places)
        self.add(kind, what, Rated(_ONE, "amount", amount, amount), weights)

    def add_trial(self, trial: Sequence[int]) -> None:
        """A line for the requests that were free."""
        if trial:
            quantity, zero = Decimal(len(trial)), Decimal(0)
            ids = tuple(take(self.traffic.ids, trial))
            self.lines.append(
                InvoiceLine(LineKind.TRIAL, "Trial", quantity, "request", zero, zero, ids)
            )

    def fill(self, charges: Sequence[Measured], pools: Mapping[int, Pool], terms: Terms) -> None:
        """The lines of the plan: fees, charges, and what holds for all of them."""
        for fee in self.plan.fees:
            _add_fee(self, fee, terms)
        fees, of_fees = self.net, self.shares
        for number, one in enumerate(charges):
            _add_charge(self, one, pools.get(number))
        charged = self.net - fees
        self.charged = list(map(sub, self.shares, of_fees)) if fees else self.shares
        whole = terms.part(self.plan.included, self.places)
        included = min(charged, whole)
        if included:
            self.add_amount(LineKind.INCLUDED, "Included usage", -included, self.charged)
        if whole:
            left = from_units(whole - included, self.places)
            self.left.append(Left("Included usage", "amount", left))
        if self.plan.cap is not None:
            over = charged - included - terms.part(self.plan.cap, self.places)
            if over > 0:
                self.add_amount(LineKind.CAP, "Cap on usage", -over, self.charged)
        short = terms.part(self.plan.minimum, self.places) - self.net
        if short > 0:
            self.add_amount(LineKind.MINIMUM, "Minimum", short)

    def _key(self) -> Sequence[int]:
        if self.plan.share is Key.REQUESTS:
            return [1] * len(self.live)
        column = self.traffic.tokens if self.plan.share is Key.TOKENS else self.traffic.costs
        return take(column, self.live)


def _add_fee(draft: Draft, fee: Fee, terms: Terms) -> None:
    count = max(0, max(terms.seats, fee.least) - fee.included) if fee.per_seat else 1
    units = terms.part(CONTEXT.multiply(fee.amount, Decimal(count)), draft.places)
    if count and terms.end > terms.start:
        unit = "seat" if fee.per_seat else "period"
        priced = Rated(Decimal(count), unit, fee.amount, from_units(units, draft.places))
        draft.add(LineKind.FEE, fee.name, priced, note=terms.note)


def _add_charge(draft: Draft, one: Measured, pool: Pool | None) -> None:
    weights = take(one.quantities, draft.live)
    units, places = sum(weights), one.places
    if pool is not None:
        units, places = units * 10 ** (pool.places - places), pool.places
        used = pool.use(units)
        units -= used
        left = from_units(pool.available, places)
        draft.left.append(Left(one.charge.name, UNITS[one.charge.of], left))
        if used:
            free = Rated(from_units(used, places), UNITS[one.charge.of], Decimal(0), Decimal(0))
            draft.add(LineKind.ALLOWANCE, f"{one.charge.name}, included", free, weights)
    for part in rated(one.charge, units, places):
        note = f"and {part.fee} for the step" if part.fee else ""
        draft.add(LineKind.CHARGE, one.charge.name, part, weights, note)
