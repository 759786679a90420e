"""The figures of requests by series: one instrument and one set of attributes."""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from agentmeter.attribution.node import Node, RequestView, nodes
from agentmeter.model import METERS, Call, Record, Status
from agentmeter.model.money import CONTEXT
from agentmeter.pricing.tariff import Tariff
from agentmeter.report.pricing import price_node
from agentmeter.semconv import names

COST, WASTE = "agentmeter.cost", "agentmeter.waste"
TOKENS, REQUESTS = "agentmeter.tokens", "agentmeter.requests"
CALLS, UNPRICED = "agentmeter.calls", "agentmeter.calls.unpriced"
BUDGET_CALLS, BUDGET_USE = "agentmeter.budget.calls", "agentmeter.budget.utilization"

METER, OUTCOME, BUDGET = "agentmeter.meter", "agentmeter.outcome", "agentmeter.budget"

Labels = tuple[tuple[str, str], ...]
Series = tuple[str, str, Labels]
"""An instrument's name, its unit, and its attributes."""

_NO_SCOPE = "0" * 16
_TOKENS = frozenset(name for name, meter in METERS.items() if meter.unit == "token")


def labels(**given: str | None) -> Labels:
    """Attributes by what they say; blank ones are left out. There are no others than these."""
    return tuple((_NAMES[name], value) for name, value in given.items() if value)


_NAMES = {
    "provider": names.PROVIDER,
    "model": names.RESPONSE_MODEL,
    "feature": names.FEATURE,
    "plan": names.PLAN,
    "meter": METER,
    "outcome": OUTCOME,
    "budget": BUDGET,
}


def figures(
    views: Iterable[RequestView], tariffs: Mapping[str, Tariff], *, shared: bool
) -> dict[Series, Decimal]:
    """What requests have come to, by series.

    Work that several requests share is counted once, whole, where it was done: with ``shared``
    nothing but that is counted, without it all else.
    """
    found: dict[Series, Decimal] = {}
    for one in views:
        for series, value in _of_view(one, tariffs, shared=shared):
            found[series] = CONTEXT.add(found.get(series, Decimal(0)), value)
    return found


def _of_view(
    one: RequestView, tariffs: Mapping[str, Tariff], *, shared: bool
) -> Iterable[tuple[Series, Decimal]]:
    owner = {} if shared else {"feature": one.owner.feature, "plan": one.owner.plan}
    root = one.root.record
    if not shared and root.scope_id != _NO_SCOPE and root.status is not Status.NEVER_CLOSED:
        outcome = labels(**owner, outcome=root.status)
        yield (REQUESTS, "{request}", outcome), Decimal(1)
    for node in nodes(one.root):
        call = node.record.call
        if call is not None and node.is_call and bool(node.record.shares) == shared:
            yield from _of_leaf(node, call, tariffs, one.request_id, owner)


def _of_leaf(
    node: Node,
    call: Call,
    tariffs: Mapping[str, Tariff],
    request_id: str,
    owner: Mapping[str, str | None],
) -> Iterable[tuple[Series, Decimal]]:
    about = {"provider": call.provider, "model": call.priced_model, **owner}
    cost = price_node(node, tariffs, request_id)
    if cost.lines:
        yield money(COST, cost.currency, labels(**about)), cost.amount
        if node.waste:
            yield money(WASTE, cost.currency, labels(**about)), cost.amount
    for meter, quantity in node.usage.items():
        if meter in _TOKENS:
            yield (TOKENS, "{token}", labels(**about, meter=meter)), Decimal(quantity)
    if not call.is_charge and _counts_here(node.record, request_id):
        yield (CALLS, "{call}", labels(**about, outcome=node.record.status)), Decimal(call.calls)
    if cost.gaps and _counts_here(node.record, request_id):
        yield (UNPRICED, "{call}", labels(**about)), Decimal(max(1, call.calls))


def _counts_here(record: Record, request_id: str) -> bool:
    """Calls are whole: of shared work they are counted with the first of those that share it."""
    return not record.shares or request_id == min(record.shares)


def money(name: str, currency: str, about: Labels) -> Series:
    """The series of an amount; each currency has an instrument, since a unit cannot differ."""
    full = name if currency == "USD" else f"{name}.{currency.lower()}"
    return full, f"{{{currency}}}", about
