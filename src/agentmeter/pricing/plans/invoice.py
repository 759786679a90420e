"""Invoices: what one account owes for one period, line by line."""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from agentmeter.model.money import CONTEXT, total
from agentmeter.pricing.plans.periods import Period
from agentmeter.pricing.plans.shares import half_even, rounded
from agentmeter.pricing.plans.units import FINEST, from_units, in_units, places_of


class LineKind(StrEnum):
    """What a line is for."""

    FEE = "fee"
    CHARGE = "charge"
    ALLOWANCE = "allowance"
    """A quantity that the plan includes; its amount is zero."""
    TRIAL = "trial"
    """Requests of the trial; its amount is zero."""
    INCLUDED = "included"
    """Money that the plan includes, taken off the charges."""
    CAP = "cap"
    MINIMUM = "minimum"


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    """One line: ``amount = quantity x unit_price``, exactly, unless ``note`` says otherwise.

    ``requests`` are the ids of those that caused it, or over which it is shared out; none where the
    account made none.
    """

    kind: LineKind
    what: str
    quantity: Decimal
    unit: str
    unit_price: Decimal
    amount: Decimal
    requests: tuple[str, ...] = field(default=(), repr=False)
    note: str = ""


@dataclass(frozen=True, slots=True)
class Left:
    """What a period includes beyond what was used: of the allowance ``what``, or of its money."""

    what: str
    unit: str
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class Invoice:
    """What an account owes for a period. Amounts are exact; ``payable`` are the rounded ones.

    ``shares`` are what each of ``requests`` caused of the net, in units of 10^-``share_places``.
    ``refused`` are requests that the plan would not have served. ``left`` is what can still be used
    in this period without a charge.
    """

    account: str | None
    plan: str
    currency: str
    period: Period
    lines: tuple[InvoiceLine, ...]
    requests: tuple[str, ...] = field(default=(), repr=False)
    shares: tuple[int, ...] = field(default=(), repr=False)
    share_places: int = FINEST
    refused: tuple[str, ...] = ()
    tax_rate: Decimal = Decimal(0)
    places: int = 2
    left: tuple[Left, ...] = ()

    @property
    def net(self) -> Decimal:
        """The sum of the lines."""
        return total([line.amount for line in self.lines])

    @property
    def revenue(self) -> dict[str, Decimal]:
        """What each request caused of ``net``; with ``unshared`` it sums to it exactly."""
        amounts = (from_units(share, self.share_places) for share in self.shares)
        return dict(zip(self.requests, amounts, strict=True))

    @property
    def unshared(self) -> Decimal:
        """The part of ``net`` that no request stands behind."""
        return CONTEXT.subtract(self.net, from_units(sum(self.shares), self.share_places))

    @property
    def tax(self) -> Decimal:
        """The tax on ``net``, exactly."""
        return CONTEXT.multiply(self.net, self.tax_rate).scaleb(-2, CONTEXT)

    @property
    def total(self) -> Decimal:
        """Net and tax, exactly."""
        return CONTEXT.add(self.net, self.tax)

    def payable(self) -> tuple[tuple[Decimal, ...], Decimal, Decimal]:
        """The lines, the tax and the total as they are paid: rounded, and still summing.

        The net is rounded half to even, once, and the lines are made to sum to it by largest
        remainder; so is the tax, which is on the exact net.
        """
        finest = max([self.places, *(places_of(line.amount) for line in self.lines)])
        unit = 10 ** (finest - self.places)
        lines = rounded([in_units(line.amount, finest) for line in self.lines], unit)
        amounts = tuple(from_units(part // unit, self.places) for part in lines)
        finest = max(self.places, places_of(self.tax))
        tax = half_even(in_units(self.tax, finest), 10 ** (finest - self.places))
        owed = from_units(tax, self.places)
        return amounts, owed, CONTEXT.add(total(amounts), owed)
