"""A report as flat rows: one for each request, or one for each leaf."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from agentmeter.model import Kind
from agentmeter.model.money import plain
from agentmeter.report.amounts import iso
from agentmeter.report.breakdown import Leaf, leaf_key, leaves
from agentmeter.report.document import money
from agentmeter.report.report import Amounts, Report, RequestReport

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Columns by name, and rows with a value for each; ``None`` where nothing is known."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def request_table(report: Report) -> Table:
    """One row for each request, and one for the work that belongs to none.

    ``cost`` is in ``currency``, further currencies are in ``other_costs``; it is not known where
    nothing of the request has a price. A column ``usage.METER`` for every meter that was used.
    """
    parts = (*report.requests, *([report.unattributed] if report.unattributed else []))
    meters = _meters(part.usage for part in parts)
    rows = (
        (*_values(part, _OF_REQUEST), *(part.usage.get(meter) for meter in meters))
        for part in parts
    )
    return Table((*_OF_REQUEST, *(f"usage.{meter}" for meter in meters)), tuple(rows))


def leaf_table(report: Report) -> Table:
    """One row for each call and each charge, by start: their cost sums to the report's."""
    found = sorted(leaves(report), key=started)
    meters = _meters(scope.node.usage for _, _, scope in found)
    rows = (
        (*_values(leaf, _OF_LEAF), *(leaf[2].node.usage.get(meter) for meter in meters))
        for leaf in found
    )
    return Table((*_OF_LEAF, *(f"usage.{meter}" for meter in meters)), tuple(rows))


def started(leaf: Leaf) -> tuple[int, str]:
    """Leaves in the order in which they were begun."""
    record = leaf[2].record
    return record.started_ns, record.scope_id


def _values(subject: Any, columns: Mapping[str, Callable[[Any], Any]]) -> Iterator[Any]:
    return (value(subject) for value in columns.values())


def _meters(usages: Iterable[Iterable[str]]) -> list[str]:
    return sorted({meter for usage in usages for meter in usage})


def _cost(one: RequestReport) -> str | None:
    return None if one.missing and not one.amounts else str(money(one.amounts)["amount"])


def _others(amounts: Amounts) -> str | None:
    others = money(amounts).get("other", [])
    return "; ".join(f"{part['amount']} {part['currency']}" for part in others) or None


def _main(amounts: Amounts, one: RequestReport) -> str:
    return plain(amounts.get(money(one.amounts)["currency"], Decimal(0)))


def _listed(values: Mapping[str, Any]) -> str | None:
    return "; ".join(f"{name}={value}" for name, value in values.items()) or None


_OF_REQUEST: dict[str, Callable[[RequestReport], Any]] = {
    "request_id": lambda one: one.request_id,
    "parent_request_id": lambda one: one.tree.record.parent_request_id,
    "name": lambda one: one.tree.record.name,
    "started_at": lambda one: iso(one.tree.record.started_ns),
    "duration_ms": lambda one: _milliseconds(one.tree.record),
    "status": lambda one: one.tree.record.status.value,
    "user": lambda one: one.view.owner.user,
    "tenant": lambda one: one.view.owner.tenant,
    "feature": lambda one: one.view.owner.feature,
    "plan": lambda one: one.view.owner.plan,
    "tags": lambda one: _listed(one.view.owner.tags),
    "calls": lambda one: one.calls,
    "attempts": lambda one: one.attempts,
    "tokens": lambda one: one.usage.total_tokens,
    "cost": _cost,
    "currency": lambda one: money(one.amounts)["currency"],
    "other_costs": lambda one: _others(one.amounts),
    "waste": lambda one: _main(one.waste, one),
    "allocated": lambda one: _main(one.allocated, one),
    "lower_bound": lambda one: one.is_lower_bound,
    "unpriced": lambda one: len(one.missing),
    "evidence": lambda one: _listed(one.evidence),
}


def _milliseconds(record: Any) -> int:
    return int(record.ended_ns - record.started_ns) // 1_000_000


def _record(name: str) -> Callable[[Leaf], Any]:
    return lambda leaf: getattr(leaf[2].record, name)


def _call(name: str) -> Callable[[Leaf], Any]:
    return lambda leaf: getattr(leaf[2].record.call, name)


def _amount(leaf: Leaf) -> str | None:
    cost = leaf[2].cost
    return plain(cost.amount) if cost.lines else None


def _gaps(leaf: Leaf) -> str | None:
    return "; ".join(f"{gap.meter}: {gap.reason}" for gap in leaf[2].cost.gaps) or None


def _evidence(leaf: Leaf) -> str | None:
    call = leaf[2].record.call
    return _listed(call.evidence) if call else None


_OF_LEAF: dict[str, Callable[[Leaf], Any]] = {
    "request_id": lambda leaf: leaf[0].request_id,
    "scope_id": _record("scope_id"),
    "user": lambda leaf: leaf[0].view.owner.user,
    "tenant": lambda leaf: leaf[0].view.owner.tenant,
    "feature": lambda leaf: leaf[0].view.owner.feature,
    "plan": lambda leaf: leaf[0].view.owner.plan,
    **{kind: leaf_key(kind) for kind in (Kind.AGENT, Kind.STEP, Kind.BRANCH, Kind.TOOL)},
    "iteration": lambda leaf: leaf[2].node.iteration,
    "name": _record("name"),
    "started_at": lambda leaf: iso(leaf[2].record.started_ns),
    "duration_ms": lambda leaf: _milliseconds(leaf[2].record),
    "status": lambda leaf: leaf[2].record.status.value,
    "error_type": _record("error_type"),
    "provider": _call("provider"),
    "model": _call("model"),
    "response_model": _call("response_model"),
    "operation": _call("operation"),
    "service_tier": _call("service_tier"),
    "batch": _call("batch"),
    "region": _call("region"),
    "calls": _call("calls"),
    "attempts": lambda leaf: (
        max(leaf[2].record.call.calls, len(leaf[2].record.call.attempts))
        if leaf[2].record.call
        else 0
    ),
    "tokens": lambda leaf: leaf[2].node.usage.total_tokens,
    "cost": _amount,
    "currency": lambda leaf: leaf[2].cost.currency,
    "waste": lambda leaf: leaf[2].node.waste,
    "unpriced": _gaps,
    "evidence": _evidence,
}
