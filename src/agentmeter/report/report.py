"""The report: requests as trees with direct and inclusive usage and cost, and what is missing."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from agentmeter.attribution.node import Node, RequestView
from agentmeter.attribution.standing_for import leaves
from agentmeter.attribution.view import view
from agentmeter.model import UNATTRIBUTED, Entry, Extent, Record, Usage
from agentmeter.model.evidence import weakest
from agentmeter.model.money import CONTEXT
from agentmeter.pricing.allocation.rule import Allocation
from agentmeter.pricing.cost import Cost
from agentmeter.pricing.currency import CurrencyRate
from agentmeter.pricing.tariff import Tariff
from agentmeter.report.pricing import price_node

Amounts = dict[str, Decimal]
"""Exact amounts by currency."""


@dataclass(frozen=True, slots=True)
class Missing:
    """What could not be priced: a model's meter, how much of it, and why."""

    model: str | None
    meter: str
    quantity: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class ScopeReport:
    """One scope. Direct figures are its own, inclusive ones have its descendants' in them."""

    node: Node
    children: tuple["ScopeReport", ...]
    cost: Cost
    usage: Usage
    amounts: Amounts
    waste: Amounts

    @property
    def direct(self) -> Amounts:
        """The scope's own cost, by currency."""
        return {self.cost.currency: self.cost.amount} if self.cost.lines else {}

    @property
    def record(self) -> Record:
        """The scope's record, with every amendment laid over it."""
        return self.node.record


@dataclass(frozen=True, slots=True)
class Stated:
    """A total as it is stated at the edge: rounded to ``places``, with ``percent`` of tax."""

    currency: str
    net: Decimal
    tax: Decimal
    gross: Decimal
    places: int
    rounding: str
    percent: Decimal


@dataclass(frozen=True, slots=True)
class RequestReport:
    """One request: its tree and the figures over all of it.

    ``waste_by`` is the waste by reason; ``only_observed`` counts the calls that are known from
    other instrumentations alone, whose sampling makes every total a lower bound. ``allocations``
    are its parts of what whole periods cost, beside the direct cost and in no scope's.
    """

    view: RequestView
    tree: ScopeReport
    calls: int
    attempts: int
    evidence: Mapping[str, int]
    missing: tuple[Missing, ...]
    waste_by: Mapping[str, Amounts] = field(default_factory=dict)
    only_observed: int = 0
    allocations: tuple[Allocation, ...] = ()
    stated: Stated | None = None

    @property
    def is_lower_bound(self) -> bool:
        """Whether more may have been used or charged than the figures say."""
        return (
            bool(self.missing or self.only_observed or self.view.may_lack_calls)
            or Extent.AT_LEAST.value in self.evidence
        )

    @property
    def state(self) -> str:
        """How it ended, as its status has it, or that it is ``running`` in this process."""
        return "running" if self.view.running else self.tree.record.status.value

    @property
    def request_id(self) -> str:
        """The request's id."""
        return self.view.request_id

    @property
    def usage(self) -> Usage:
        """All quantities, by meter."""
        return self.tree.usage

    @property
    def amounts(self) -> Amounts:
        """All that is priced, by currency."""
        return self.tree.amounts

    @property
    def allocated(self) -> Amounts:
        """The sum of the allocations, by currency."""
        return allocated_amounts(self.allocations)

    @property
    def total(self) -> Amounts:
        """Direct and allocated cost, by currency."""
        return added((self.amounts, self.allocated))

    @property
    def waste(self) -> Amounts:
        """The part of it that bought nothing."""
        return self.tree.waste

    def _repr_html_(self) -> str:
        from agentmeter.report.notebook import request_html

        return request_html(self)


@dataclass(frozen=True, slots=True)
class Report:
    """Requests, what belongs to none, and what went wrong on the way; ``str`` is its text.

    ``unshared`` are the wholes of periods that no request could be given a part of; ``exchange``
    the rates that amounts were converted at, ``stated`` the total rounded and taxed.
    """

    requests: tuple[RequestReport, ...]
    unattributed: RequestReport | None = None
    faults: Mapping[str, int] = field(default_factory=dict)
    unshared: tuple[Allocation, ...] = ()
    stated: Stated | None = None
    unshared_stated: Stated | None = None
    exchange: tuple[CurrencyRate, ...] = ()
    sampled: int = 0
    """Requests that are known from a pipeline that drops others like them: of those, nothing is in
    any total."""

    @property
    def amounts(self) -> Amounts:
        """All that is priced, unattributed work included, by currency."""
        return added(part.amounts for part in self._parts())

    @property
    def is_lower_bound(self) -> bool:
        """Whether the total leaves something out that one of its parts does."""
        return bool(self.sampled) or any(part.is_lower_bound for part in self._parts())

    @property
    def allocated(self) -> Amounts:
        """What whole periods cost, unshared wholes included, by currency."""
        shared = (part.allocated for part in self._parts())
        return added([*shared, allocated_amounts(self.unshared)])

    @property
    def total(self) -> Amounts:
        """Direct and allocated cost, by currency."""
        return added((self.amounts, self.allocated))

    @property
    def usage(self) -> Usage:
        """All quantities, unattributed work included."""
        usage = Usage()
        for part in self._parts():
            usage = usage + part.usage
        return usage

    def only(self, request_id: str) -> "Report":
        """The report of one request alone."""
        kept = tuple(one for one in self.requests if one.request_id == request_id)
        return Report(kept, None, self.faults)

    def _parts(self) -> tuple[RequestReport, ...]:
        return (*self.requests, self.unattributed) if self.unattributed else self.requests

    def to_json(self) -> dict[str, Any]:
        """The report as JSON values; amounts are decimal strings."""
        from agentmeter.report.document import document

        return document(self)

    def __str__(self) -> str:
        from agentmeter.report.text import text

        return text(self)

    def _repr_html_(self) -> str:
        from agentmeter.report.notebook import report_html

        return report_html(self)


def build(
    entries: Iterable[Entry],
    tariffs: Mapping[str, Tariff],
    *,
    faults: Mapping[str, int] | None = None,
    sampled: int = 0,
    running: Collection[str] = (),
) -> Report:
    """The report over ``entries``, priced by the tariffs that they name (by digest).

    ``running`` are the ids of the requests that this process has open.
    """
    views = view(entries)
    if running:
        views = [replace(one, running=one.request_id in running) for one in views]
    return of_views(views, tariffs, faults=faults, sampled=sampled)


def of_views(
    views: Iterable[RequestView],
    tariffs: Mapping[str, Tariff],
    *,
    faults: Mapping[str, int] | None = None,
    sampled: int = 0,
) -> Report:
    """The report over requests that are put together already."""
    reports = [_request(one, tariffs) for one in views]
    return Report(
        tuple(one for one in reports if one.request_id != UNATTRIBUTED),
        next((one for one in reports if one.request_id == UNATTRIBUTED), None),
        dict(faults or {}),
        sampled=sampled,
    )


def _request(one: RequestView, tariffs: Mapping[str, Tariff]) -> RequestReport:
    tree = _tree(one, tariffs)
    calls = attempts = only_observed = 0
    waste_by: dict[str, list[Amounts]] = {}
    evidence: Counter[str] = Counter()
    missing: Counter[tuple[str | None, str, bool, str]] = Counter()
    for scope in walk(tree):
        call = scope.record.call
        only_observed += leaves(scope.record) if scope.node.only_observed else 0
        if scope.node.waste and scope.cost.lines:
            waste_by.setdefault(scope.node.waste, []).append(scope.direct)
        for gap in scope.cost.gaps:
            model = call.priced_model if call else None
            missing[model, gap.meter, gap.quantity is not None, gap.reason] += gap.quantity or 0
        if call is not None and scope.node.is_call:
            calls += call.calls
            attempts += max(call.calls, len(call.attempts))
            evidence[weakest(call.evidence.values())] += call.calls
    return RequestReport(
        one,
        tree,
        calls,
        attempts,
        dict(sorted((+evidence).items())),
        _listed(missing),
        {reason: added(parts) for reason, parts in sorted(waste_by.items())},
        only_observed,
    )


def _listed(missing: Counter[tuple[str | None, str, bool, str]]) -> tuple[Missing, ...]:
    ordered = sorted(missing.items(), key=lambda item: tuple(map(str, item[0])))
    return tuple(
        Missing(model, meter, quantity if known else None, reason)
        for (model, meter, known, reason), quantity in ordered
    )


def walk(scope: ScopeReport) -> Iterable[ScopeReport]:
    """Every scope of a tree, parents first."""
    stack = [scope]
    while stack:
        one = stack.pop()
        yield one
        stack.extend(reversed(one.children))


def _tree(one: RequestView, tariffs: Mapping[str, Tariff]) -> ScopeReport:
    order = [one.root]
    for node in order:
        order.extend(node.children)
    built: dict[int, ScopeReport] = {}
    for node in reversed(order):
        children = tuple(built[id(child)] for child in node.children)
        built[id(node)] = assembled(node, children, price_node(node, tariffs, one.request_id))
    return built[id(one.root)]


def assembled(node: Node, children: tuple[ScopeReport, ...], cost: Cost) -> ScopeReport:
    """A scope with the sums over what is below it."""
    own: Amounts = {cost.currency: cost.amount} if cost.lines else {}
    usage = node.usage
    for child in children:
        usage = usage + child.usage if child.usage else usage
    return ScopeReport(
        node,
        children,
        cost,
        usage,
        added([own, *(child.amounts for child in children)]),
        added([own if node.waste else {}, *(child.waste for child in children)]),
    )


def allocated_amounts(lines: Iterable[Allocation]) -> Amounts:
    """The sum of allocation lines, by currency."""
    return added({line.currency: line.amount} for line in lines)


def added(parts: Iterable[Amounts]) -> Amounts:
    """The exact sums, by currency."""
    sums: Amounts = {}
    for part in parts:
        for currency, amount in part.items():
            sums[currency] = CONTEXT.add(sums.get(currency, Decimal(0)), amount)
    return sums
