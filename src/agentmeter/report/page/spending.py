"""What each leaf spent, with the keys that it is grouped by: one pass over a report."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from agentmeter.report.breakdown import NONE, leaf_key, leaves
from agentmeter.report.report import Report

BY = ("feature", "tenant", "model", "agent", "tool", "user")
"""What cost is grouped by, in the order in which the page offers it."""


@dataclass(frozen=True, slots=True)
class Spending:
    """One leaf: the request and the instant it belongs to, its keys by ``BY``, and its figures.

    ``amount`` and ``wasted`` are in the currency that was asked for.
    """

    request: int
    started_ns: int
    keys: tuple[str, ...]
    calls: int
    tokens: int
    amount: Decimal
    wasted: bool


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
        )
