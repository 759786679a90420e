"""Shares of a whole as text."""

from decimal import Decimal

from agentmeter.model.money import CONTEXT

_PLACES = Decimal("0.1")


def percent(part: Decimal | int, whole: Decimal | int) -> str | None:
    """``part`` of ``whole`` in percent, with one decimal place; ``None`` of nothing."""
    if not whole:
        return None
    share = CONTEXT.divide(CONTEXT.multiply(Decimal(part), Decimal(100)), Decimal(whole))
    return f"{CONTEXT.quantize(share, _PLACES):f}"
