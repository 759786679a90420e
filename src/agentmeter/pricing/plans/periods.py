"""Periods: stretches of UTC days, counted since the epoch."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from agentmeter.pricing.plans.plan import Cycle

_EPOCH = date(1970, 1, 1)
_MONDAY = 4
"""The first Monday after the epoch, which was a Thursday."""


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """Days from ``start`` up to ``end``, which is not in it; ``str`` gives both dates."""

    start: int
    end: int

    @property
    def days(self) -> int:
        """How many days it has."""
        return self.end - self.start

    def within(self, other: "Period") -> "Period":
        """The part of it that is in ``other``; no days where they do not meet."""
        start = min(max(self.start, other.start), self.end)
        return Period(start, max(start, min(self.end, other.end)))

    def __str__(self) -> str:
        if self.days == 1:
            return date_of(self.start).isoformat()
        return f"{date_of(self.start).isoformat()} to {date_of(self.end - 1).isoformat()}"


def day_of(at: date) -> int:
    """The day of a date, since the epoch."""
    return (at - _EPOCH).days


def date_of(day: int) -> date:
    """The date of a day since the epoch."""
    return _EPOCH + timedelta(days=day)


def period_of(day: int, cycle: Cycle, window: Period) -> Period:
    """The period that a day is in; for ``all`` the whole ``window``."""
    if cycle is Cycle.ALL:
        return window
    if cycle is Cycle.DAY:
        return Period(day, day + 1)
    if cycle is Cycle.WEEK:
        start = day - (day - _MONDAY) % 7
        return Period(start, start + 7)
    first = date_of(day).replace(day=1)
    following = (first + timedelta(days=32)).replace(day=1)
    return Period(day_of(first), day_of(following))


def periods_in(term: Period, cycle: Cycle, window: Period) -> Iterator[Period]:
    """The periods that meet ``term``, in order."""
    day = term.start
    while day < term.end:
        period = period_of(day, cycle, window)
        yield period
        day = max(period.end, day + 1)
