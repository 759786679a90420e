"""A model's rates with their conditions, history and sources, as a list."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from agentmeter.model.meters import meter
from agentmeter.model.money import CONTEXT, plain
from agentmeter.pricing.pricer import Pricer
from agentmeter.pricing.tariff import PriceKey, Rate, Tariff

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Listed:
    """One row of a tariff, and the condition that the tariff is for."""

    condition: str
    rate: Rate
    currency: str
    version: str


def listed(key: PriceKey, pricer: Pricer) -> tuple[Listed, ...]:
    """The rates of a model, at its ordinary tier and at every other that has a price."""
    return tuple(
        Listed(condition, rate, answer.currency, answer.version)
        for condition, asked in _conditions(key)
        if isinstance(answer := pricer.tariff(asked), Tariff)
        for rate in sorted(answer.rates, key=_order)
    )


def _conditions(key: PriceKey) -> Iterator[tuple[str, PriceKey]]:
    yield "standard", key
    yield "batch", replace(key, batch=True)
    for tier in ("flex", "priority", "fast"):
        yield f"tier {tier}", replace(key, tier=tier)
    yield "speed fast", replace(key, speed="fast")


def _order(rate: Rate) -> tuple[str, int, int, bool, tuple[int, int]]:
    window = rate.window or (0, 0)
    return (rate.meter, rate.from_ns or 0, rate.above or 0, bool(rate.days or rate.window), window)


def price_values(rows: Iterable[Listed]) -> list[dict[str, Any]]:
    """The list as JSON values; prices of one unit, as decimal strings."""
    return [
        {
            "condition": row.condition,
            "meter": row.rate.meter,
            "price": plain(row.rate.price),
            "unit": meter(row.rate.meter).unit,
            "currency": row.currency,
            "from": _instant(row.rate.from_ns),
            "until": _instant(row.rate.until_ns),
            "window": None if row.rate.window is None else _window(row.rate.window),
            "days": None if row.rate.days is None else list(row.rate.days),
            "above": row.rate.above,
            "minimum": row.rate.minimum,
            "source": row.rate.source,
            "assumed": row.rate.assumed,
            "version": row.version,
        }
        for row in rows
    ]


def prices_text(rows: Iterable[Listed]) -> str:
    """The list as a table; rates that are another's are left out."""
    stated = [row for row in rows if not (row.rate.assumed or "").startswith("no rate of its own")]
    table = [("condition", "meter", "price", "holds", "source"), *(_cells(row) for row in stated)]
    widths = [max(len(cells[column]) for cells in table) for column in range(4)]
    lines = (
        "  ".join(
            [*(cell.ljust(width) for cell, width in zip(cells, widths, strict=False)), cells[4]]
        )
        for cells in table
    )
    return "\n".join(line.rstrip() for line in lines)


def _cells(row: Listed) -> tuple[str, str, str, str, str]:
    rate = row.rate
    token = meter(rate.meter).unit == "token"
    amount = plain(CONTEXT.scaleb(rate.price, 6) if token else rate.price)
    unit = "1M tokens" if token else meter(rate.meter).unit
    source = rate.source if rate.assumed is None else f"{rate.source} ({rate.assumed})"
    return (row.condition, rate.meter, f"{amount} {row.currency} / {unit}", _holds(rate), source)


def _holds(rate: Rate) -> str:
    parts = [
        rate.from_ns is not None and f"from {_instant(rate.from_ns)}",
        rate.until_ns is not None and f"until {_instant(rate.until_ns)}",
        rate.window is not None and f"{_window(rate.window)} UTC",
        rate.days is not None and " ".join(_DAYS[day - 1] for day in rate.days),
        rate.above is not None and f"above {rate.above:,} input tokens",
        rate.minimum is not None and f"at least {rate.minimum:,}",
    ]
    return ", ".join(part for part in parts if part)


def _instant(at_ns: int | None) -> str | None:
    """A date, or a date-time where it is not midnight."""
    if at_ns is None:
        return None
    moment = _EPOCH + timedelta(microseconds=at_ns // 1000)
    text = moment.isoformat().replace("+00:00", "Z")
    return text.removesuffix("T00:00:00Z")


def _window(window: tuple[int, int]) -> str:
    return "-".join(f"{at // 3600:02}:{at // 60 % 60:02}" for at in window)
