"""Cells: requests that agree in what was asked for, in bins of alike size, since their last change.

The size of a bin was chosen by measurement on traffic of several shapes: smaller bins than 200
follow the input no better and are further off at the ends. In a cell that is too small for eight of
these, following the input matters more, and bins may be of 39, which suffice for 95 %. Sizes are
one less than a multiple of 20, so that 50, 80 and 95 % are met and not passed.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from agentmeter.report.forecast.distribution import Distribution
from agentmeter.report.forecast.drift import Drift, changed_at

Size = int | Decimal
"""What rows are binned by: input tokens, or an amount spent."""

_MOST = 10_000
"""The newest that a cell is made of; more would add age rather than precision."""

_BIN, _SMALLEST_BIN, _BINS = 200, 40, 8
_FEWEST, _STEP = 39, 20


@dataclass(frozen=True, slots=True)
class Row:
    """A recorded request in a cell: what it is binned by, and what came of it.

    ``cost`` and ``tokens`` each with whether that is known in full.
    """

    started_ns: int
    by: Size
    cost: tuple[Decimal, bool]
    tokens: tuple[int, bool]
    at_least: bool = False


@dataclass(frozen=True, slots=True)
class Bin:
    """Requests of alike size, from ``low`` to ``high``.

    ``in_part`` of them are known in part only, ``at_least`` had a stream cut.
    """

    low: Size
    high: Size
    first_ns: int
    last_ns: int
    in_part: int
    at_least: int
    rows: tuple[Row, ...]
    cost: Distribution[Decimal]
    tokens: Distribution[int]


@dataclass(frozen=True, slots=True)
class Cell:
    """Bins by size, and the change before which rows were left out."""

    bins: tuple[Bin, ...] = ()
    drift: Drift | None = None

    def __len__(self) -> int:
        return sum(len(one.rows) for one in self.bins)

    def bin_of(self, size: Size) -> Bin:
        """The bin of a request of that size: the first or last one for what lies outside of all."""
        return self.bins[max(0, bisect_right(self.bins, size, key=lambda one: one.low) - 1)]


def cell(rows: Sequence[Row]) -> Cell:
    """The cell of ``rows``, which are in the order of their start."""
    rows = rows[-_MOST:]
    bins = _binned(rows)
    at = changed_at(_scores(rows, bins))
    if at is None:
        return Cell(bins)
    before, after = rows[:at], rows[at:]
    drift = Drift(after[0].started_ns, len(before), len(after), _median(before), _median(after))
    return Cell(_binned(after), drift)


def _binned(rows: Sequence[Row]) -> tuple[Bin, ...]:
    """Bins of about equal count; rows of one size are never parted."""
    ordered = sorted(rows, key=lambda row: row.by)
    wanted = min(_BIN, max(_SMALLEST_BIN, len(rows) // _BINS))
    even = len(rows) // max(1, len(rows) // wanted)
    least = max(_FEWEST, even - (even + 1) % _STEP)
    cuts = [0]
    for at in range(1, len(ordered)):
        if at - cuts[-1] >= least and ordered[at].by != ordered[at - 1].by:
            cuts.append(at)
    if len(cuts) > 1 and len(ordered) - cuts[-1] < least:
        cuts.pop()
    ends = [*cuts[1:], len(ordered)]
    return tuple(_bin(ordered[a:b]) for a, b in zip(cuts, ends, strict=True)) if ordered else ()


def _bin(rows: Sequence[Row]) -> Bin:
    cost = Distribution.of(row.cost for row in rows)
    tokens = Distribution.of(row.tokens for row in rows)
    return Bin(
        rows[0].by,
        rows[-1].by,
        min(row.started_ns for row in rows),
        max(row.started_ns for row in rows),
        sum(not (row.cost[1] and row.tokens[1]) for row in rows),
        sum(row.at_least for row in rows),
        tuple(rows),
        cost,
        tokens,
    )


def _scores(rows: Sequence[Row], bins: Sequence[Bin]) -> list[float]:
    """For each row the rank of its cost among those of its bin, from 0 to 1; ties share theirs."""
    ranks: dict[int, float] = {}
    for one in bins:
        values, n = one.cost.values, len(one.rows)
        for row in one.rows:
            below, up_to = bisect_left(values, row.cost[0]), bisect_right(values, row.cost[0])
            ranks[id(row)] = (below + up_to) / (2 * n)
    return [ranks[id(row)] for row in rows]


def _median(rows: Sequence[Row]) -> Decimal:
    return sorted(row.cost[0] for row in rows)[len(rows) // 2]
