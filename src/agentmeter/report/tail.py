"""The tail of cost per request: quantiles by nearest rank, and the share of the dearest."""

from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate

from agentmeter.model.money import CONTEXT
from agentmeter.pricing.plans import Traffic
from agentmeter.pricing.plans.units import from_units
from agentmeter.report.rank import nearest_rank, rank

QUANTILES = ("50", "90", "95", "99", "99.9")
"""Percentiles that are told, beside the largest of all."""
DEAREST = ("0.1", "1", "5", "10", "20", "50")
"""Percent of the requests, the dearest first, whose share of cost is told."""
_CURVE = 100


@dataclass(frozen=True, slots=True)
class Tail:
    """The distribution of true cost per request.

    ``quantiles`` by percentile, the cost that so many percent of the requests do not exceed;
    ``dearest`` the percent of the cost that so many percent of the requests, the dearest, make.
    ``curve`` is the Lorenz curve: the parts of all cost that the cheapest 0 %, 1 % … 100 % make;
    ``sample`` the costs at as many ranks, ascending, for a picture of the distribution.
    """

    quantiles: dict[str, Decimal]
    largest: Decimal
    mean: Decimal
    dearest: dict[str, Decimal]
    curve: tuple[Decimal, ...]
    sample: tuple[Decimal, ...]


def tail(traffic: Traffic) -> Tail | None:
    """The tail of some traffic; ``None`` where there are no requests."""
    costs = sorted(traffic.costs)
    if not costs:
        return None
    sums = [0, *accumulate(costs)]
    places, ranks = traffic.places, range(_CURVE + 1)
    quantiles = {name: from_units(nearest_rank(costs, name), places) for name in QUANTILES}
    return Tail(
        quantiles,
        from_units(costs[-1], places),
        ratio(from_units(sums[-1], places), Decimal(len(costs))),
        {name: _dearest(sums, name) for name in DEAREST},
        tuple(_part(sums[len(costs) * at // _CURVE], sums[-1]) for at in ranks),
        tuple(
            from_units(costs[(len(costs) - 1) * at // _CURVE], places) for at in range(_CURVE + 1)
        ),
    )


def ratio(part: Decimal, whole: Decimal) -> Decimal:
    """``part / whole`` to twelve places; zero where the whole is."""
    if not whole:
        return Decimal(0)
    return CONTEXT.quantize(CONTEXT.divide(part, whole), Decimal("1e-12"))


def _part(part: int, whole: int) -> Decimal:
    return ratio(Decimal(part), Decimal(whole))


def _dearest(sums: list[int], percent: str) -> Decimal:
    """The part of the cost that so many percent of the requests, one at least, make."""
    count = len(sums) - 1
    dearest = rank(count, percent)
    return _part(100 * (sums[-1] - sums[count - dearest]), sums[-1])
