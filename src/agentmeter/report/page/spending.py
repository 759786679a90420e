"""What each leaf spent, with the keys that it is grouped by: one pass over a report."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from agentmeter.model import Extent
from agentmeter.report.breakdown import NONE, leaf_key, leaves
from agentmeter.report.report import Report, ScopeReport

BY = ("feature", "tenant", "model", "agent", "tool", "user")
"""What cost is grouped by, in the order in which the page offers it."""


@dataclass(frozen=True, slots=True)
class Spending:
    """One leaf: the request and the instant it belongs to, its keys by ``BY``, and its figures.

    ``amount`` is in the currency that was asked for; ``partial`` where there may be more of it.
    """

    request: int
    started_ns: int
    keys: tuple[str, ...]
    calls: int
    tokens: int
    amount: Decimal
    wasted: bool
    partial: bool


def spendings(report: Report, currency: str) -> Iterator[Spending]:
    """Every leaf of a report, unattributed work included."""
    keys = [leaf_key(by) for by in BY]
    for leaf in leaves(report):
        request, _, scope = leaf
        call = scope.record.call
        yield Spending(
            id(request),
            scope.record.started_ns,
            tuple(key(leaf) or NONE for key in keys),
            call.calls if call else 0,
            scope.node.usage.total_tokens,
            scope.direct.get(currency, Decimal(0)),
            bool(scope.node.waste),
            request.view.may_lack_calls or is_partial(scope),
        )


def is_partial(scope: ScopeReport) -> bool:
    """Whether a scope itself may have cost more than is known."""
    call = scope.record.call
    known = call.evidence.values() if call else ()
    short = any(one.extent is not Extent.WHOLE for one in known)
    return bool(scope.cost.gaps) or short or scope.node.only_observed
