"""A report as JSON values. Amounts are decimal strings; instants ISO 8601 in UTC."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from agentmeter.model import Attempt, Record
from agentmeter.model.money import plain
from agentmeter.report import budgets
from agentmeter.report.amounts import iso
from agentmeter.report.breakdown import Row
from agentmeter.report.provenance import EVIDENCE, Origins, Paid, provenance
from agentmeter.report.report import Amounts, Missing, Report, RequestReport, ScopeReport
from agentmeter.report.totals import (
    allocation_values,
    by_rule,
    exchange_values,
    stated_values,
)

_MOST_SEGMENTS = 20


def document(report: Report) -> dict[str, Any]:
    """The whole report."""
    return {
        "requests": [_request(one) for one in report.requests],
        "total": {
            "cost": money(report.amounts),
            "allocated": money(report.allocated),
            "total": money(report.total),
            "usage": dict(report.usage),
            "allocations": by_rule(report),
            "unshared": allocation_values(report.unshared),
            "unshared_stated": stated_values(report.unshared_stated),
            "stated": stated_values(report.stated),
            "lower_bound": report.is_lower_bound,
            "sampled_requests": report.sampled,
        },
        "exchange": exchange_values(report),
        "unattributed": _unattributed(report.unattributed),
        "faults": dict(report.faults),
    }


def row_values(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """The rows of a breakdown."""
    return [
        {
            "key": row.key,
            "requests": row.requests,
            "calls": row.calls,
            "usage": dict(row.usage),
            "cost": money(row.amounts),
            "waste": money(row.waste),
            "lower_bound": row.is_lower_bound,
        }
        for row in rows
    ]


def origin_values(rows: Iterable[Origins]) -> list[dict[str, Any]]:
    """What input was paid for by origin, over many requests."""
    return [
        {
            "origin": row.origin.value,
            "calls": row.calls,
            "tokens": row.tokens,
            "cost": money(row.amounts),
        }
        for row in rows
    ]


def money(amounts: Amounts) -> dict[str, Any]:
    """Amounts as one amount and currency; further currencies are listed beside it, not added."""
    order = sorted(amounts, key=lambda currency: (currency != "USD", currency))
    first = order[0] if order else "USD"
    value: dict[str, Any] = {"amount": plain(amounts.get(first, Decimal(0))), "currency": first}
    if len(order) > 1:
        value["other"] = [
            {"amount": plain(amounts[currency]), "currency": currency} for currency in order[1:]
        ]
    return value


def _request(one: RequestReport) -> dict[str, Any]:
    root, owner = one.tree.record, one.view.owner
    return {
        "request_id": one.request_id,
        "user": owner.user,
        "tenant": owner.tenant,
        "feature": owner.feature,
        "plan": owner.plan,
        "tags": dict(owner.tags),
        "name": root.name,
        "status": root.status.value,
        "parent_request_id": root.parent_request_id,
        "started_at": iso(root.started_ns),
        "duration_ms": (root.ended_ns - root.started_ns) // 1_000_000,
        **figure_values(one),
        **budgets.values(one),
        "missing_parents": one.view.missing_parents,
        "missing": list(one.view.missing),
        "contested": list(one.view.contested),
        "provenance": provenance_values(one),
        "tree": _scope(one.tree),
    }


def provenance_values(one: RequestReport) -> dict[str, Any]:
    """Where a request's input came from."""
    found = provenance(one)
    return {
        "evidence": EVIDENCE,
        "by_origin": [_paid(row) for row in found.by_origin],
        "segments": [_paid(row) for row in found.segments[:_MOST_SEGMENTS]],
        "untold_calls": found.untold,
    }


def _paid(row: Paid) -> dict[str, Any]:
    piece = {"digest": row.digest, "name": row.name, "tokens": row.tokens} if row.digest else {}
    return {
        "origin": row.origin.value,
        **piece,
        "calls": row.calls,
        "usage": dict(row.usage),
        "total_input": row.usage.total_input,
        "at_cached_rate": row.at_cached_rate,
        "cost": money(row.amounts),
    }


def figure_values(one: RequestReport) -> dict[str, Any]:
    """The figures over all of a request."""
    return {
        "calls": one.calls,
        "attempts": one.attempts,
        "usage": dict(one.usage),
        "evidence": dict(one.evidence),
        "cost": money(one.amounts),
        "allocations": allocation_values(one.allocations),
        "allocated": money(one.allocated),
        "total": money(one.total),
        "stated": stated_values(one.stated),
        "waste": {
            **money(one.waste),
            "by_reason": {reason: money(amounts) for reason, amounts in one.waste_by.items()},
        },
        "only_observed": one.only_observed,
        "lower_bound": one.is_lower_bound,
        "unpriced": [_missing(gap) for gap in one.missing],
    }


def _missing(gap: Missing) -> dict[str, Any]:
    return {
        "model": gap.model,
        "meter": gap.meter,
        "quantity": gap.quantity,
        "reason": gap.reason,
    }


def _unattributed(one: RequestReport | None) -> dict[str, Any]:
    if one is None:
        nothing = {"cost": money({}), "allocations": [], "allocated": money({})}
        return {"calls": 0, "attempts": 0, "usage": {}, **nothing, "unpriced": []}
    return {**figure_values(one), "scopes": [_scope(child) for child in one.tree.children]}


def _scope(root: ScopeReport) -> dict[str, Any]:
    """The tree from the leaves up, without recursion: trees may be deeper than the stack."""
    order = [root]
    for scope in order:
        order.extend(scope.children)
    built: dict[int, dict[str, Any]] = {}
    for scope in reversed(order):
        children = [built[id(child)] for child in scope.children]
        built[id(scope)] = {**scope_values(scope), "children": children}
    return built[id(root)]


def scope_values(scope: ScopeReport) -> dict[str, Any]:
    """One scope without its children."""
    record = scope.record
    facts: dict[str, Any] = {
        "scope_id": record.scope_id,
        "kind": record.kind.value,
        "name": record.name,
        "status": record.status.value,
        "error_type": record.error_type,
        "started_at": iso(record.started_ns),
        "duration_ms": (record.ended_ns - record.started_ns) // 1_000_000,
        "late": record.late,
        "iteration": scope.node.iteration,
        "waste_reason": scope.node.waste,
        "seen_by": list(scope.node.seen_by),
        "usage": dict(scope.usage),
        "direct_usage": dict(scope.node.usage),
        "cost": money(scope.amounts),
        "direct_cost": money(scope.direct),
    }
    return {**facts, "call": _call(scope)} if record.call is not None else facts


def _call(scope: ScopeReport) -> dict[str, Any]:
    record = scope.record
    call = record.call
    assert call is not None
    return {
        "provider": call.provider,
        "model": call.model,
        "response_model": call.response_model,
        "operation": call.operation,
        "response_id": call.response_id,
        "service_tier": call.service_tier,
        "batch": call.batch,
        "speed": call.speed,
        "region": call.region,
        "deployment": call.deployment,
        "search_context": call.search_context,
        "stream": call.stream,
        "finish_reasons": list(call.finish_reasons),
        "attempts": [_attempt(attempt) for attempt in call.attempts],
        "evidence": {
            meter: {"source": known.source.value, "extent": known.extent.value}
            for meter, known in call.evidence.items()
        },
        "tariff": call.tariff,
        "lines": [_line(line) for line in scope.cost.lines],
    }


def _line(line: Any) -> dict[str, Any]:
    return {
        "meter": line.meter,
        "quantity": line.quantity,
        "unit_price": plain(line.unit_price),
        "amount": plain(line.amount),
        "source": line.source,
        "assumed": line.assumed,
        "of": line.of,
    }


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "http_status": attempt.http_status,
        "error_type": attempt.error_type,
        "duration_ms": (attempt.ended_ns - attempt.started_ns) // 1_000_000,
    }


__all__ = [
    "Record",
    "document",
    "figure_values",
    "iso",
    "money",
    "provenance_values",
    "row_values",
    "scope_values",
]
