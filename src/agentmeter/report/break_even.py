"""Break-even: what each request has to bring in so that all of them pay for themselves."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Protocol

from agentmeter.exceptions import ConfigurationError
from agentmeter.model.money import CONTEXT
from agentmeter.pricing.plans import Traffic
from agentmeter.pricing.plans.units import from_units
from agentmeter.report.rank import nearest_rank

_PLACES = Decimal("0.000001")
_GROUPS = 1000
_ENOUGH = 50


class Sampler(Protocol):
    """Draws at random; a seeded ``random.Random`` is one, and draws the same every time."""

    def choices(self, population: Sequence[int], *, k: int) -> list[int]:
        """``k`` of the population, with replacement."""

    def shuffle(self, x: list[tuple[int, int]]) -> None:
        """Put a list into a random order."""


@dataclass(frozen=True, slots=True)
class BreakEven:
    """Fees per request, rounded up to six places.

    ``fee`` covers the cost of the recorded requests; ``with_margin`` leaves that many percent of
    the revenue besides. ``at_confidence`` covers the cost of that many percent of ``resamples``
    re-drawings of the traffic, of whole users where there are enough (``by``), since the requests
    of one user are alike.
    """

    fee: Decimal
    with_margin: dict[str, Decimal]
    at_confidence: dict[str, Decimal]
    resamples: int
    by: str


def break_even(
    traffic: Traffic,
    sampler: Sampler,
    *,
    margins: Sequence[str] = ("20", "50"),
    confidences: Sequence[str] = ("95", "99"),
    resamples: int = 1000,
) -> BreakEven | None:
    """The break-even fees of some traffic; ``None`` where there are no requests."""
    if not len(traffic):
        return None
    each = CONTEXT.divide(traffic.cost, Decimal(len(traffic)))
    groups, by = _groups(traffic)
    means = _resampled(groups, sampler, resamples)
    at = {one: from_units(nearest_rank(means, one), traffic.places) for one in confidences}
    return BreakEven(
        _up(each),
        {percent: _up(_marked_up(each, percent)) for percent in margins},
        {one: _up(mean) for one, mean in at.items()},
        resamples,
        by,
    )


def _marked_up(each: Decimal, percent: str) -> Decimal:
    left = CONTEXT.subtract(Decimal(100), Decimal(percent))
    if left <= 0:
        raise ConfigurationError(f"margin: {percent} % of the revenue would leave nothing for cost")
    return CONTEXT.divide(each.scaleb(2, CONTEXT), left)


def _up(amount: Decimal) -> Decimal:
    return amount.quantize(_PLACES, ROUND_CEILING, CONTEXT)


def _groups(traffic: Traffic) -> tuple[list[tuple[int, int]], str]:
    """Pairs of cost and number of requests that are drawn together."""
    if len(traffic.users) >= _ENOUGH:
        own = [(sum(traffic.costs[at:to]), to - at) for _, at, to in traffic.users]
        return own, "user"
    return [(cost, 1) for cost in traffic.costs], "request"


def _resampled(groups: list[tuple[int, int]], sampler: Sampler, times: int) -> list[int]:
    """The mean cost of a request in each re-drawing, ascending.

    More than a thousand units are first thrown together at random into a thousand groups, whose
    sums vary as theirs do, so that the work does not grow with the traffic.
    """
    if len(groups) > _GROUPS:
        sampler.shuffle(groups)
        groups = [_summed(groups[start::_GROUPS]) for start in range(_GROUPS)]
    costs, counts = [cost for cost, _ in groups], [count for _, count in groups]
    everyone = range(len(groups))
    means = []
    for _ in range(times):
        drawn = sampler.choices(everyone, k=len(groups))
        cost, count = sum(map(costs.__getitem__, drawn)), sum(map(counts.__getitem__, drawn))
        means.append(-(-cost // count))
    return sorted(means)


def _summed(groups: list[tuple[int, int]]) -> tuple[int, int]:
    return sum(cost for cost, _ in groups), sum(count for _, count in groups)
