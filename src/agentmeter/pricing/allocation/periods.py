"""Calendar periods in UTC: a span as one, or month by month, or day by day."""

import itertools
from datetime import UTC, datetime, timedelta

_DAY_NS = 86_400_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

EVERY = ("month", "day")

Span = tuple[int, int]
"""[from, until) in ns since the epoch."""


def periods(from_ns: int, until_ns: int, every: str | None) -> tuple[Span, ...]:
    """The periods of a span. Raises ``ValueError`` where it does not begin and end with one."""
    if every is None:
        return ((from_ns, until_ns),)
    bounds = [from_ns]
    while bounds[-1] < until_ns:
        bounds.append(_next(bounds[-1], every))
    if bounds[-1] != until_ns or _next(from_ns - 1, every) != from_ns:
        raise ValueError(f"does not begin and end with a {every} (UTC)")
    return tuple(itertools.pairwise(bounds))


def _next(at_ns: int, every: str) -> int:
    """The first beginning of a period after an instant."""
    day = at_ns // _DAY_NS + 1
    if every == "day":
        return day * _DAY_NS
    date = _EPOCH + timedelta(days=at_ns // _DAY_NS)
    year, month = divmod(date.year * 12 + date.month, 12)
    return (datetime(year, month + 1, 1, tzinfo=UTC) - _EPOCH).days * _DAY_NS
