"""The value of the page: every figure that it shows, computed here in ``Decimal``.

Amounts are decimal strings, instants ISO 8601 in UTC; shares are percent with one decimal place.
Lists are in the order in which they are shown, and say how much they leave out.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from agentmeter.model.money import plain
from agentmeter.report.amounts import iso
from agentmeter.report.document import figure_values, money
from agentmeter.report.page.days import today
from agentmeter.report.page.gaps import gap_values
from agentmeter.report.page.groups import group_values
from agentmeter.report.page.histogram import histogram
from agentmeter.report.page.percent import percent
from agentmeter.report.page.spending import spendings
from agentmeter.report.page.trees import MOST_SCOPES, tree_values
from agentmeter.report.report import Amounts, Report, RequestReport, added
from agentmeter.report.sampled import SAMPLED
from agentmeter.report.totals import by_rule, exchange_values, stated_values

COLUMNS = (
    "id",
    "name",
    "started_at",
    "duration_ms",
    "user",
    "tenant",
    "feature",
    "plan",
    "status",
    "calls",
    "attempts",
    "tokens",
    "cost",
    "other",
    "waste",
    "lower_bound",
    "gaps",
)
"""What a row of the list of requests holds; ``other`` is cost in further currencies."""


def page_value(
    report: Report,
    now_ns: int,
    *,
    margin: Mapping[str, Any] | None = None,
    most_scopes: int = MOST_SCOPES,
) -> dict[str, Any]:
    """The value of the page over ``report``, as of the instant ``now_ns``.

    ``margin`` is the JSON values of a comparison of plans, where one was made; ``most_scopes`` is
    how much of trees is in it, the others being asked for one by one.
    """
    currency = money(report.amounts)["currency"]
    ordered = sorted(report.requests, key=lambda one: _dearest_first(one, currency))
    spent = list(spendings(report, currency))
    value = {
        "made_at": iso(now_ns),
        "currency": currency,
        "total": _total(report, currency),
        "today": today(report, spent, now_ns),
        "distribution": histogram([amount(one.amounts, currency) for one in ordered], currency),
        "requests": {"columns": list(COLUMNS), "rows": [_row(one, currency) for one in ordered]},
        "trees": tree_values(ordered, most_scopes),
        **group_values(spent),
        "gaps": gap_values(report),
        "unattributed": figure_values(report.unattributed) if report.unattributed else None,
        "exchange": exchange_values(report),
        "faults": {**report.faults, **_sampled(report)},
        "margin": margin,
    }
    return {"report": value}


def amount(amounts: Amounts, currency: str) -> Decimal:
    """The amount in one currency."""
    return amounts.get(currency, Decimal(0))


def _dearest_first(one: RequestReport, currency: str) -> tuple[Decimal, int, str]:
    return amount(one.amounts, currency).copy_negate(), one.tree.record.started_ns, one.request_id


def _total(report: Report, currency: str) -> dict[str, Any]:
    parts = list(_parts(report))
    waste = added(part.waste for part in parts)
    reasons = sorted({reason for part in parts for reason in part.waste_by})
    by_reason = {
        reason: money(added(part.waste_by.get(reason, {}) for part in parts)) for reason in reasons
    }
    started = [one.tree.record.started_ns for one in report.requests]
    ended = [one.tree.record.ended_ns for one in report.requests]
    return {
        "cost": money(report.amounts),
        "allocated": money(report.allocated),
        "total": money(report.total),
        "stated": stated_values(report.stated),
        "allocations": by_rule(report),
        "requests": len(report.requests),
        "calls": sum(part.calls for part in parts),
        "attempts": sum(part.attempts for part in parts),
        "tokens": report.usage.total_tokens,
        "usage": dict(report.usage),
        "waste": money(waste),
        "waste_percent": percent(amount(waste, currency), amount(report.amounts, currency)),
        "waste_by": by_reason,
        "lower_bound": any(part.is_lower_bound for part in parts),
        "first_at": iso(min(started)) if started else None,
        "last_at": iso(max(ended)) if ended else None,
    }


def _parts(report: Report) -> Iterator[RequestReport]:
    yield from report.requests
    if report.unattributed:
        yield report.unattributed


def _row(one: RequestReport, currency: str) -> list[Any]:
    root, owner = one.tree.record, one.view.owner
    others = {code: part for code, part in one.amounts.items() if code != currency}
    return [
        one.request_id,
        root.name,
        iso(root.started_ns),
        (root.ended_ns - root.started_ns) // 1_000_000,
        owner.user,
        owner.tenant,
        owner.feature,
        owner.plan,
        root.status.value,
        one.calls,
        one.attempts,
        one.usage.total_tokens,
        plain(amount(one.amounts, currency)),
        money(others) if others else None,
        plain(amount(one.waste, currency)),
        int(one.is_lower_bound),
        len(one.missing),
    ]


def _sampled(report: Report) -> dict[str, int]:
    """What the page says beside the faults where requests come from a pipeline that samples."""
    return {SAMPLED: report.sampled} if report.sampled else {}
