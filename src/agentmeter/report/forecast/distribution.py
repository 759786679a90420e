"""Order statistics with their conformal guarantee, over values of which some are lower bounds."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import ceil
from typing import Generic, TypeVar

from agentmeter.exceptions import UsageError
from agentmeter.model.money import CONTEXT, total

V = TypeVar("V", Decimal, int)
Percent = int | str | Decimal
"""``95`` or ``"99.9"``."""

LEVELS = (50, 80, 95)
QUANTILES = (50, 90, 95, 99)


def needed(level: Percent) -> int:
    """How many requests an interval at this level takes: 3 for 50 %, 9 for 80 %, 39 for 95 %."""
    return ceil(2 / (1 - _share(level))) - 1


def _share(percent: Percent) -> Fraction:
    try:
        share = Fraction(str(percent)) / 100
    except ValueError:
        share = Fraction(0)
    if not 0 < share < 1:
        raise UsageError(f"a level is a percentage between 0 and 100, got {percent!r}")
    return share


@dataclass(frozen=True, slots=True)
class Interval(Generic[V]):
    """Where the next value falls with at least ``coverage``; ends that are not known are ``None``,
    and ``reason`` says why.
    """

    level: Percent
    low: V | None
    high: V | None
    coverage: Fraction | None = None
    reason: str | None = None

    @property
    def is_stated(self) -> bool:
        """Whether both ends are known."""
        return self.low is not None and self.high is not None

    def __contains__(self, value: V) -> bool:
        return self.low is not None and self.high is not None and self.low <= value <= self.high


@dataclass(frozen=True, slots=True)
class Distribution(Generic[V]):
    """Recorded values in order. ``whole`` are those known in full.

    Of the others no more is known than that they were so much *at least*: they count as they are
    at the lower end, and as without limit at the upper one, which keeps the guarantee.
    """

    values: tuple[V, ...] = ()
    whole: tuple[V, ...] = ()

    @classmethod
    def of(cls, rows: Iterable[tuple[V, bool]]) -> "Distribution[V]":
        """From values, each with whether it is known in full."""
        listed = list(rows)
        values = tuple(sorted(value for value, _ in listed))
        if all(known for _, known in listed):
            return cls(values, values)
        return cls(values, tuple(sorted(value for value, known in listed if known)))

    def __len__(self) -> int:
        return len(self.values)

    @property
    def mean(self) -> V | None:
        """The mean, an amount to 12 places; ``None`` where a value is a lower bound only."""
        n = len(self.values)
        if not n or len(self.whole) < n:
            return None
        if isinstance(self.values[0], Decimal):
            mean = CONTEXT.divide(total(self.values), Decimal(n))
            return CONTEXT.quantize(mean, Decimal("1e-12"))
        return (2 * sum(self.values) + n) // (2 * n)

    def quantile(self, percent: Percent) -> V | None:
        """What the next value is at most, with that probability at least; ``None``: not known."""
        rank = ceil((len(self.values) + 1) * _share(percent))
        return self.whole[rank - 1] if rank <= len(self.whole) else None

    def interval(self, level: Percent) -> Interval[V]:
        """The interval that leaves out as many recorded values at either end.

        Where their number is odd one more is left out at the upper end, where values lie far apart.
        """
        n = len(self.values)
        out = int((n + 1) * (1 - _share(level)))
        low, high = out // 2, out - out // 2
        if low < 1:
            reason = f"it takes {needed(level)} requests like this one, and {n} are on record"
            return Interval(level, None, None, None, reason)
        if n + 1 - high > len(self.whole):
            reason = f"of {n - len(self.whole)} of the {n} requests only a part is known"
            return Interval(level, self.values[low - 1], None, None, reason)
        coverage = Fraction(n + 1 - out, n + 1)
        return Interval(level, self.values[low - 1], self.whole[n - high], coverage)
