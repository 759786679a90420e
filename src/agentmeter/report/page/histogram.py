"""Cost per request as a histogram over a logarithmic scale, with the figures of its tail."""

from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any

from agentmeter.model.money import CONTEXT, plain, total
from agentmeter.report.page.percent import percent
from agentmeter.report.rank import nearest_rank, rank

PERCENTS = (50, 90, 95, 99)
DEAREST = (1, 5, 10)
"""Percent of the requests, the dearest first, whose part of the cost is told."""
_STEPS = ("1", "1.25", "1.6", "2", "2.5", "3.2", "4", "5", "6.3", "8")
"""A decade in ten steps that look alike on a logarithmic scale (the R10 series of ISO 3)."""
_MOST_BINS = 40


def histogram(costs: Sequence[Decimal], currency: str) -> dict[str, Any]:
    """The distribution of ``costs``, one for each request, the dearest first.

    ``percentiles`` are costs that occurred (nearest rank); ``bins`` hold costs from their lower
    edge up to, and without, their upper one. What cost nothing has no place on the scale.
    """
    ascending = sorted(costs)
    count, whole = len(ascending), total(ascending)
    mean = CONTEXT.divide(whole, Decimal(count)) if count else Decimal(0)
    return {
        "currency": currency,
        "requests": count,
        "mean": plain(CONTEXT.quantize(mean, Decimal("1e-12"))),
        "percentiles": {
            f"p{percent_}": plain(nearest_rank(ascending, percent_) if count else mean)
            for percent_ in PERCENTS
        },
        "max": plain(ascending[-1]) if count else "0",
        "dearest": [_dearest(ascending, whole, part) for part in DEAREST if count],
        "free": sum(not cost for cost in ascending),
        "bins": _bins([cost for cost in ascending if cost > 0]),
    }


def _dearest(ascending: list[Decimal], whole: Decimal, part: int) -> dict[str, Any]:
    """What the dearest ``part`` percent of the requests, one at least, cost together."""
    count = rank(len(ascending), part)
    cost = total(ascending[-count:])
    return {
        "percent": part,
        "requests": count,
        "cost": plain(cost),
        "cost_percent": percent(cost, whole),
    }


def _bins(costs: list[Decimal]) -> list[dict[str, Any]]:
    if not costs:
        return []
    edges = _edges(costs[0], costs[-1])
    bins = []
    at = 0
    for lower, upper in pairwise(edges):
        first = at
        while at < len(costs) and costs[at] < upper:
            at += 1
        bins.append(
            {
                "from": plain(lower),
                "until": plain(upper),
                "requests": at - first,
                "cost": plain(total(costs[first:at])),
            }
        )
    return bins


def _edges(lowest: Decimal, highest: Decimal) -> list[Decimal]:
    """Edges around all costs, by every, every second … step of a decade, or by whole decades."""
    for every in (1, 2, 5, 10):
        edges = _by_steps(lowest, highest, every)
        if len(edges) <= _MOST_BINS:
            break
    return edges


def _by_steps(lowest: Decimal, highest: Decimal, every: int) -> list[Decimal]:
    scale = [
        CONTEXT.scaleb(Decimal(step), decade)
        for decade in range(lowest.adjusted(), highest.adjusted() + 2)
        for step in _STEPS[::every]
    ]
    first = max(index for index, edge in enumerate(scale) if edge <= lowest)
    last = min(index for index, edge in enumerate(scale) if edge > highest)
    return scale[first : last + 1]
