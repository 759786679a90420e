"""Amounts and instants as text."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from agentmeter.model.money import CONTEXT

_PLACES = Decimal("0.000001")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def amount_text(amounts: Mapping[str, Decimal]) -> str:
    """Amounts to six places: ``$0.000285``; several currencies side by side."""
    if not amounts:
        return "$0.000000"
    shown = []
    for currency, amount in sorted(amounts.items()):
        rounded = CONTEXT.quantize(amount, _PLACES)
        shown.append(f"${rounded:f}" if currency == "USD" else f"{rounded:f} {currency}")
    return " + ".join(shown)


def day(at_ns: int) -> str:
    """The day of an instant, in UTC: ``2026-11-24``."""
    return iso(at_ns)[:10]


def iso(at_ns: int) -> str:
    """An instant in ISO 8601, UTC, with microseconds."""
    return (_EPOCH + timedelta(microseconds=at_ns // 1000)).isoformat()
