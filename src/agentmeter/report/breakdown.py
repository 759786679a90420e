"""A report broken down: every leaf counted once, under the nearest scope of a kind."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from agentmeter.exceptions import ConfigurationError
from agentmeter.model import Extent, Kind, Usage
from agentmeter.model.evidence import weakest
from agentmeter.model.money import total
from agentmeter.report.amounts import day
from agentmeter.report.report import Amounts, Report, RequestReport, ScopeReport, added

NONE = "-"
"""The key of what no such scope, model or owner belongs to."""


@dataclass(frozen=True, slots=True)
class Row:
    """One key with what falls to it; rows sum to the report's total."""

    key: str
    requests: int
    calls: int
    usage: Usage
    amounts: Amounts
    waste: Amounts
    is_lower_bound: bool
    """Whether something of it has no price, or more may have been used than is known."""


Leaf = tuple[RequestReport, tuple[ScopeReport, ...], ScopeReport]
"""A request, the scopes above a leaf from the root down, and the leaf."""


def breakdown(report: Report, by: str) -> tuple[Row, ...]:
    """Rows by what ``KEYS`` lists, or by ``tag:NAME``; the dearest first.

    Raises ``ConfigurationError`` for anything else to break down by.
    """
    key = leaf_key(by)
    found: dict[str, list[Leaf]] = {}
    for leaf in leaves(report):
        found.setdefault(key(leaf) or NONE, []).append(leaf)
    rows = [_row(name, leaves, sampled=bool(report.sampled)) for name, leaves in found.items()]
    return tuple(sorted(rows, key=lambda row: (total(row.amounts).copy_negate(), row.key)))


def _row(name: str, leaves: list[Leaf], *, sampled: bool) -> Row:
    usage = Usage()
    for _, _, scope in leaves:
        usage = usage + scope.node.usage if scope.node.usage else usage
    return Row(
        name,
        len({id(request) for request, _, _ in leaves}),
        sum(scope.record.call.calls for _, _, scope in leaves if scope.record.call),
        usage,
        added(scope.direct for _, _, scope in leaves),
        added(scope.direct for _, _, scope in leaves if scope.node.waste),
        sampled or any(leaves_some_out(request, scope) for request, _, scope in leaves),
    )


def leaves_some_out(request: RequestReport, scope: ScopeReport) -> bool:
    """Whether a leaf's figures, or those of its request, may be less than what was used."""
    return request.view.may_lack_calls or is_lower_bound(scope)


def is_lower_bound(scope: ScopeReport) -> bool:
    """Whether a leaf may have used or cost more than is known."""
    call = scope.record.call
    known = () if call is None else call.evidence.values()
    cut = any(one.extent is Extent.AT_LEAST for one in known)
    return bool(scope.cost.gaps) or scope.node.only_observed or cut


def _evidence(scope: ScopeReport) -> str:
    """The weakest evidence of a leaf, as one word."""
    call = scope.record.call
    return weakest(call.evidence.values() if call is not None else ())


def leaves(report: Report) -> Iterator[Leaf]:
    """Every leaf of a report, unattributed work included."""
    parts = [*report.requests, *([report.unattributed] if report.unattributed else [])]
    for request in parts:
        stack: list[tuple[ScopeReport, tuple[ScopeReport, ...]]] = [(request.tree, ())]
        while stack:
            scope, above = stack.pop()
            if scope.node.is_call:
                yield request, above, scope
            if scope.children:
                inside = (*above, scope)
                stack.extend((child, inside) for child in scope.children)


def leaf_key(by: str) -> Callable[[Leaf], str | None]:
    """What a leaf is sorted by. Raises ``ConfigurationError`` for what nothing is sorted by."""
    if by.startswith("tag:"):
        return lambda leaf: leaf[0].view.owner.tags.get(by.removeprefix("tag:"))
    if by not in KEYS:
        known = ", ".join((*KEYS, "origin"))
        raise ConfigurationError(f"cannot break down by {by!r}; there are {known} and tag:NAME")
    return KEYS[by]


def _nearest(kind: Kind) -> Callable[[Leaf], str | None]:
    def key(leaf: Leaf) -> str | None:
        above = reversed(leaf[1])
        return next((scope.record.name for scope in above if scope.record.kind is kind), None)

    return key


def _iteration(leaf: Leaf) -> str:
    """The turn in the loop that the leaf belongs to: ``planner #3``."""
    _, above, scope = leaf
    loops = (Kind.REQUEST, Kind.AGENT, Kind.BRANCH, Kind.TOOL)
    owner = next((one.record.name for one in reversed(above) if one.record.kind in loops), NONE)
    return f"{owner} #{scope.node.iteration}"


def _of_call(name: str) -> Callable[[Leaf], str | None]:
    def key(leaf: Leaf) -> str | None:
        call = leaf[2].record.call
        if call is not None and call.is_charge:
            return leaf[2].record.name
        value: Any = getattr(call, name, None)
        return value if isinstance(value, str) else None

    return key


def _of_owner(name: str) -> Callable[[Leaf], str | None]:
    def key(leaf: Leaf) -> str | None:
        value: Any = getattr(leaf[0].view.owner, name)
        return value if isinstance(value, str) else None

    return key


KEYS: dict[str, Callable[[Leaf], str | None]] = {
    "agent": _nearest(Kind.AGENT),
    "step": _nearest(Kind.STEP),
    "tool": _nearest(Kind.TOOL),
    "branch": _nearest(Kind.BRANCH),
    "iteration": _iteration,
    "model": _of_call("priced_model"),
    "provider": _of_call("provider"),
    "user": _of_owner("user"),
    "tenant": _of_owner("tenant"),
    "feature": _of_owner("feature"),
    "plan": _of_owner("plan"),
    "request": lambda leaf: leaf[0].request_id,
    "day": lambda leaf: day(leaf[2].record.started_ns),
    "waste": lambda leaf: leaf[2].node.waste,
    "evidence": lambda leaf: _evidence(leaf[2]),
}
"""What a leaf can be sorted by; ``day`` is that of the call's start, in UTC."""
