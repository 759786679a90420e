"""Drift: whether requests have changed on the way, and since when.

A rank test for a change at an unknown time. The scores are ranks of outcomes among requests of the
same bin, so a different mix of inputs is no drift. While requests are exchangeable the largest
excursion of their centred running sum, over its scale, follows Kolmogorov's distribution, whose
tail is at most 2 exp(-2 x²). It is looked for in the last 50, 100, 200 … requests, so that a late
change is not outvoted, once in the scores (dearer, cheaper) and once in their distance from the
middle (wider, narrower); the false-alarm rate is shared out among these looks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import exp, sqrt

FALSE_ALARMS = 0.01
"""How often, of histories in which nothing changed, one is said to have drifted; an upper bound."""

_FEWEST = 50
_DUST = 1e-9
"""Below this a spread is what rounding leaves of none."""


@dataclass(frozen=True, slots=True)
class Drift:
    """The last change: earlier requests are left out of the forecast.

    ``since_ns`` is the start of the first request after it. ``was`` and ``now`` are the medians of
    the recorded costs before and after.
    """

    since_ns: int
    before: int
    after: int
    was: Decimal
    now: Decimal


def changed_at(scores: Sequence[float], rate: float = FALSE_ALARMS) -> int | None:
    """The index of the first score after the last change, or ``None``; scores are in [0, 1]."""
    n = len(scores)
    sizes = []
    size = _FEWEST
    while size < n:
        sizes.append(size)
        size *= 2
    if n >= _FEWEST:
        sizes.append(n)
    share = rate / (2 * len(sizes)) if sizes else 0
    for size in sizes:
        tail = scores[n - size :]
        for series in (tail, [abs(score - 0.5) for score in tail]):
            at, p = _largest_excursion(series)
            if p <= share:
                return n - size + at
    return None


def _largest_excursion(series: Sequence[float]) -> tuple[int, float]:
    """Where the centred running sum is farthest from zero, and how rare that is (at most)."""
    n = len(series)
    mean = sum(series) / n
    spread = sqrt(sum((one - mean) ** 2 for one in series) / n)
    if spread < _DUST:
        return 0, 1.0
    at, farthest, running = 0, 0.0, 0.0
    for index, one in enumerate(series, 1):
        running += one - mean
        if abs(running) > farthest and index < n:
            at, farthest = index, abs(running)
    return at, min(1.0, 2 * exp(-2 * (farthest / spread) ** 2 / n))
