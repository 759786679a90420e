"""What requests cost, as a distribution by nearest rank."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from agentmeter.model.money import plain, total
from agentmeter.report.breakdown import leaves, leaves_some_out
from agentmeter.report.rank import nearest_rank
from agentmeter.report.report import Report

PERCENTS = (50, 90, 95, 99)


@dataclass(frozen=True, slots=True)
class Distribution:
    """Costs of requests in one currency; what is not priced in it counts as nothing.

    ``percentiles`` are costs that occurred: the smallest that at least so many percent of the
    requests do not exceed (nearest rank). ``total`` and ``dearest`` are exact as well.
    ``partial`` counts the requests of which a call may have cost more than is known.
    """

    currency: str
    requests: int
    total: Decimal
    percentiles: Mapping[int, Decimal]
    dearest: Decimal
    partial: int = 0

    def to_json(self) -> dict[str, object]:
        """The distribution as JSON values; amounts are decimal strings."""
        return {
            "currency": self.currency,
            "requests": self.requests,
            "total": plain(self.total),
            **{f"p{percent}": plain(cost) for percent, cost in self.percentiles.items()},
            "max": plain(self.dearest),
            "partial_requests": self.partial,
        }


def distribution(report: Report, currency: str = "USD") -> Distribution:
    """The distribution over the requests of a report; unattributed work is in none of them."""
    costs = sorted(one.amounts.get(currency, Decimal(0)) for one in report.requests)
    ranked = {
        percent: nearest_rank(costs, percent) if costs else Decimal(0) for percent in PERCENTS
    }
    dearest = costs[-1] if costs else Decimal(0)
    partial = sum(
        one.view.may_lack_calls
        or any(leaves_some_out(one, scope) for _, _, scope in leaves(Report((one,))))
        for one in report.requests
    )
    return Distribution(currency, len(costs), total(costs), ranked, dearest, partial)
