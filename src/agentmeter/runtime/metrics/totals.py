"""Totals by series, exact and bounded, as observable instruments of OpenTelemetry.

Sums are kept as decimals here and become floats when they are read, once. A total never falls:
where what is known of a request shrinks (waste that is kept after all, two records that prove to
be one call), the total stays, and only what goes beyond it is added later. The report is exact.
"""

import threading
from collections.abc import Iterable, Mapping
from decimal import Decimal

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation

from agentmeter.model.money import CONTEXT
from agentmeter.runtime.faults import after_fork
from agentmeter.runtime.metrics.figures import Labels, Series

MOST = 1_000
"""Sets of attributes of one instrument; what comes after that is counted in one set together."""
OVERFLOW = "otel.metric.overflow"
"""The attribute of that set, as OpenTelemetry's own SDK calls it."""

_DESCRIPTIONS = {
    "agentmeter.cost": "What calls and charges cost, as far as they have a price.",
    "agentmeter.waste": "The part of the cost that bought nothing.",
    "agentmeter.tokens": "Tokens by meter; the meters are disjoint and add up.",
    "agentmeter.requests": "Requests of end users that have ended, by how.",
    "agentmeter.calls": "Calls of models and other services, by how they ended.",
    "agentmeter.calls.unpriced": "Calls of which a part has no price, and is in no cost.",
    "agentmeter.budget.calls": "Calls that a budget refused, clamped or let past its limit.",
}


class Totals:
    """Sums by series, each instrument made when it is first needed."""

    def __init__(self) -> None:
        self._made: set[str] = set()
        self._anew()
        after_fork(self._anew)  # a child tells of its own, on the instruments that it inherits

    def _anew(self) -> None:
        self._lock = threading.RLock()
        self._sums: dict[str, dict[Labels | None, Decimal]] = {}

    def add(self, series: Series, value: Decimal) -> None:
        """Add ``value``, which is not negative, to a series."""
        name, unit, about = series
        with self._lock:
            sums = self._sums.get(name)
            if sums is None:
                sums = self._sums[name] = {}
                if name not in self._made:
                    self._made.add(name)
                    self._make(name, unit)
            key = about if about in sums or len(sums) < MOST else None
            sums[key] = CONTEXT.add(sums.get(key, Decimal(0)), value)

    def rise(self, known: dict[Series, Decimal], now: Mapping[Series, Decimal]) -> None:
        """Add what ``now`` goes beyond what is ``known`` to be counted, and note it there."""
        for series, value in now.items():
            before = known.get(series, Decimal(0))
            if value > before:
                self.add(series, CONTEXT.subtract(value, before))
                known[series] = value

    def _make(self, name: str, unit: str) -> None:
        def observed(_: CallbackOptions) -> Iterable[Observation]:
            return self.observations(name)

        meter = metrics.get_meter_provider().get_meter("agentmeter")
        base = name if name in _DESCRIPTIONS else name.rpartition(".")[0]
        meter.create_observable_counter(name, [observed], unit, _DESCRIPTIONS[base])

    def observations(self, name: str) -> list[Observation]:
        """The totals of an instrument as they stand."""
        with self._lock:
            sums = dict(self._sums.get(name, {}))
        return [
            Observation(_number(value), dict(about) if about is not None else {OVERFLOW: True})
            for about, value in sums.items()
        ]


def _number(value: Decimal) -> int | float:
    whole = value.to_integral_value()
    return int(whole) if whole == value else float(value)
