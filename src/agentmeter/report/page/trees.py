"""The trees of the dearest requests, flat: a scope names its parent by its place in the list.

Trees may be deeper than a JSON parser's stack, and what is absent in a scope is left out.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from agentmeter.model import Attempt
from agentmeter.report.document import figure_values, provenance_values, scope_values
from agentmeter.report.page.spending import is_partial
from agentmeter.report.report import RequestReport, ScopeReport, walk

MOST_SCOPES = 8_000
"""Scopes that a page which stands alone carries over all trees."""
_USUAL: dict[str, Any] = {"status": "ok", "iteration": 1, "seen_by": ["agentmeter"]}
_NOT_SHOWN = frozenset(
    {"scope_id", "started_at", "duration_ms", "stream", "tariff", "direct_usage"}
)


def tree_values(ordered: Sequence[RequestReport], most: int) -> dict[str, Any]:
    """Trees by request id, the dearest first, and how many requests have none here.

    There are ``most`` scopes in them all, or more where the first has; none where that is zero.
    """
    kept: dict[str, Any] = {}
    room = most
    for one in ordered if most else ():
        room -= sum(1 for _ in walk(one.tree))
        if room < 0 and kept:
            break
        kept[one.request_id] = detail(one)
    return {"by_id": kept, "left_out": len(ordered) - len(kept)}


def detail(one: RequestReport) -> dict[str, Any]:
    """One request with all of its scopes."""
    root = one.tree.record
    return {
        **_present(figure_values(one)),
        "tags": dict(one.view.owner.tags),
        "parent_request_id": root.parent_request_id,
        "missing_parents": one.view.missing_parents,
        "missing": list(one.view.missing),
        "provenance": provenance_values(one),
        "scopes": _scopes(one),
    }


def _scopes(one: RequestReport) -> list[dict[str, Any]]:
    order = list(walk(one.tree))
    place = {id(scope): index for index, scope in enumerate(order)}
    parents = {place[id(child)]: place[id(scope)] for scope in order for child in scope.children}
    start = min(scope.record.started_ns for scope in order)
    partial = [is_partial(scope) for scope in order]
    for index in range(len(order) - 1, 0, -1):
        partial[parents[index]] |= partial[index]
    partial[0] |= one.view.may_lack_calls
    return [
        {**_scope(scope, parents.get(index), start), "partial": partial[index]}
        for index, scope in enumerate(order)
    ]


def _scope(scope: ScopeReport, parent: int | None, start: int) -> dict[str, Any]:
    record, values = scope.record, scope_values(scope)
    call = values.pop("call", None)
    made = {
        "parent": parent,
        "at_us": (record.started_ns - start) // 1000,
        "for_us": (record.ended_ns - record.started_ns) // 1000,
        "tokens": scope.usage.total_tokens,
        **_present(values),
        "is_leaf": scope.node.is_call,
        "priced": bool(scope.cost.lines),
    }
    if call is None or record.call is None:
        return made
    tries = _attempts(record.call.attempts, start)
    gaps = [
        {"meter": gap.meter, "quantity": gap.quantity, "reason": gap.reason}
        for gap in scope.cost.gaps
    ]
    return {**made, "call": {**_present(call), "attempts": tries, "gaps": gaps}}


def _attempts(attempts: Iterable[Attempt], start: int) -> list[dict[str, Any]]:
    return [
        {
            "at_us": (one.started_ns - start) // 1000,
            "for_us": (one.ended_ns - one.started_ns) // 1000,
            "http_status": one.http_status,
            "error_type": one.error_type,
            "failed": one.failed,
        }
        for one in attempts
    ]


def _present(values: dict[str, Any]) -> dict[str, Any]:
    """What says something: not absent, not empty, and not as it usually is."""
    return {
        name: value
        for name, value in values.items()
        if name not in _NOT_SHOWN
        and value not in (None, False, "", [], {})
        and _USUAL.get(name) != value
    }
