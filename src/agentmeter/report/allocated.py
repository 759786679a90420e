"""A report with what whole periods cost shared out to its requests, on lines of their own."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from decimal import Decimal

from agentmeter.model.money import CONTEXT
from agentmeter.pricing.allocation.rule import Rule, Used
from agentmeter.pricing.allocation.sharing import UNSHARED, allocate
from agentmeter.report.report import Report, RequestReport, ScopeReport, walk


def allocated(report: Report, rules: Iterable[Rule]) -> Report:
    """``report`` with the allocations of ``rules``; no call's own cost is changed.

    Work that belongs to no request takes its part as well. The report must be over everything
    that a rule's periods are about: what is not in it has no part in the whole.
    """
    parts = (*report.requests, *([report.unattributed] if report.unattributed else []))
    lines = allocate(rules, (used for part in parts for used in _consumption(part)))

    def with_lines(part: RequestReport) -> RequestReport:
        return replace(part, allocations=lines.get(part.request_id, ()))

    return replace(
        report,
        requests=tuple(map(with_lines, report.requests)),
        unattributed=with_lines(report.unattributed) if report.unattributed else None,
        unshared=lines.get(UNSHARED, ()),
    )


def _consumption(part: RequestReport) -> Iterator[Used]:
    """What the leaves of a request used; of shared work the request's own part."""
    for scope in walk(part.tree):
        call = scope.record.call
        if call is None or not scope.node.is_call:
            continue
        yield Used(
            request_id=part.request_id,
            provider=call.provider,
            model=scope.record.name if call.is_charge else call.priced_model,
            started_ns=scope.record.started_ns,
            ended_ns=scope.record.ended_ns,
            usage=scope.node.usage,
            currency=scope.cost.currency,
            amounts=_by_meter(scope),
            calls=call.calls,
        )


def _by_meter(scope: ScopeReport) -> dict[str, Decimal]:
    amounts: dict[str, Decimal] = {}
    for line in scope.cost.lines:
        before = amounts.get(line.billed, Decimal(0))
        amounts[line.billed] = CONTEXT.add(before, line.amount)
    return amounts
