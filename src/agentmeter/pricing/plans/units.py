"""Amounts as whole units: integers of 10^-places, which hold them exactly."""

from decimal import Decimal

from agentmeter.model.money import CONTEXT

FINEST = 12
"""Amounts are shared out in units of 10^-12, or of the finest amount where that is finer."""


def places_of(amount: Decimal) -> int:
    """How many decimal places an amount has."""
    return max(0, -int(amount.as_tuple().exponent))


def in_units(amount: Decimal, places: int) -> int:
    """An amount in units of 10^-``places``, which must hold it exactly."""
    return int(amount.scaleb(places, CONTEXT))


def from_units(units: int, places: int) -> Decimal:
    """The inverse of ``in_units``."""
    return Decimal(units).scaleb(-places, CONTEXT)
