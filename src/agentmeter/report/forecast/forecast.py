"""The forecast as a value: distributions, what they were taken from, and what to mind."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from agentmeter.report.forecast.asked import Asked, Conditions
from agentmeter.report.forecast.cell import Cell, Size
from agentmeter.report.forecast.distribution import LEVELS, Distribution, needed
from agentmeter.report.forecast.drift import Drift

Passed = tuple[tuple[Conditions, int], ...]
"""Narrower cells with too few requests, and how many those were."""


@dataclass(frozen=True, slots=True)
class Basis:
    """What a forecast was taken from.

    ``conditions`` hold for all of its requests; ``passed`` are narrower cells with too few of them.
    ``by`` is what they are alike in (``input_tokens`` or ``spent``), from ``low`` to ``high``.
    ``in_part`` of them are known in part only, ``at_least`` had a stream cut.
    """

    conditions: Conditions
    passed: Passed = ()
    by: str | None = None
    low: Size | None = None
    high: Size | None = None
    first_ns: int | None = None
    last_ns: int | None = None
    in_part: int = 0
    at_least: int = 0


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a request like the one asked for will cost and take; mid-run, what remains of it.

    ``cost`` is in ``currency``. What too little is known for is ``None``, with a reason; ``str`` is
    the forecast in plain language.
    """

    asked: Asked
    cost: Distribution[Decimal]
    tokens: Distribution[int]
    basis: Basis
    drift: Drift | None = None
    currency: str = "USD"
    notes: tuple[str, ...] = ()
    """What is special about this history, said by whoever read it."""

    @property
    def n(self) -> int:
        """How many recorded requests are like this one."""
        return len(self.cost)

    @property
    def cold_start(self) -> bool:
        """Whether these are too few for a 95 % interval."""
        return self.n < needed(max(LEVELS))

    @property
    def beyond(self) -> bool:
        """Whether the size asked for lies outside of all that was recorded like it."""
        size = getattr(self.asked, self.basis.by) if self.basis.by else None
        low, high = self.basis.low, self.basis.high
        return (
            size is not None and low is not None and high is not None and (not low <= size <= high)
        )

    def to_json(self) -> dict[str, Any]:
        """The forecast as JSON values; amounts are decimal strings."""
        from agentmeter.report.forecast.document import document

        return document(self)

    def __str__(self) -> str:
        from agentmeter.report.forecast.text import text

        return text(self)


def forecast_from(
    asked: Asked, conditions: Conditions, found: Cell, passed: Passed, currency: str
) -> Forecast:
    """The forecast that a cell holds for what was asked."""
    if not found.bins:
        empty = Basis(conditions, passed, asked.by)
        return Forecast(asked, Distribution(), Distribution(), empty, None, currency)
    size: Size = getattr(asked, asked.by) if asked.by else 0
    one = found.bin_of(size)
    # A size between two bins belongs to the lower one, which reaches up to it.
    high = max(one.high, size) if one is not found.bins[-1] and size >= one.low else one.high
    basis = Basis(
        conditions,
        passed,
        asked.by,
        one.low if asked.by else None,
        high if asked.by else None,
        one.first_ns,
        one.last_ns,
        one.in_part,
        one.at_least,
    )
    return Forecast(asked, one.cost, one.tokens, basis, found.drift, currency)
