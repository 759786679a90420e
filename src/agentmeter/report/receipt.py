"""Receipts: what a request came to, told to the user who made it.

Nothing internal is on one unless it is switched on: no name that was not made public, no model, no
true cost, no price of a provider, no margin, no tag. Texts are never on one; none are kept.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from agentmeter.attribution.standing_for import is_folded
from agentmeter.model import Kind, Owner, Record, Status
from agentmeter.model.money import CONTEXT
from agentmeter.report.receipt_charge import PlanCharge
from agentmeter.report.report import Amounts, RequestReport, ScopeReport, walk

_NO_NAMES: Mapping[str, str] = MappingProxyType({})
A_STEP, A_TOOL = "a step", "a tool"
"""What a scope is called whose name is not public."""


class Outcome(StrEnum):
    """How a request ended, as its user would say."""

    DONE = "done"
    RUNNING = "running"
    """Not finished when the receipt was written, or never heard of again."""
    FAILED = "failed"
    CANCELLED = "cancelled"


_OUTCOMES = {
    Status.OK: Outcome.DONE,
    Status.CLOSED: Outcome.DONE,
    Status.ERROR: Outcome.FAILED,
    Status.CUT: Outcome.FAILED,
    Status.CANCELLED: Outcome.CANCELLED,
    Status.NEVER_CLOSED: Outcome.RUNNING,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Disclosure:
    """What a receipt may tell, each by its own switch.

    ``public_names`` are what users may see of requests, features, agents, steps, branches, tools
    and charges, by their name in the code. ``show_names`` shows the others by that name, ``a step``
    or ``a tool`` else. ``show_cost`` is the true cost, ``show_models`` the models that worked,
    ``show_prices`` the providers' prices line by line, ``show_margin`` what the plan's charge
    leaves, ``show_owner`` tenant, plan and tags.
    """

    public_names: Mapping[str, str] = field(default_factory=lambda: _NO_NAMES)
    show_names: bool = False
    show_cost: bool = False
    show_models: bool = False
    show_prices: bool = False
    show_margin: bool = False
    show_owner: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "public_names", MappingProxyType(dict(self.public_names)))

    def named(self, name: str, otherwise: str) -> str:
        """What users see of something called ``name``."""
        return self.public_names.get(name, name if self.show_names else otherwise)


@dataclass(frozen=True, slots=True)
class Action:
    """Something that was done, ``times`` over; ``kind`` is ``step`` or ``tool``."""

    what: str
    kind: str
    times: int


@dataclass(frozen=True, slots=True)
class Work:
    """How much was done: calls of models, tokens read and generated, nanoseconds."""

    calls: int
    input_tokens: int
    output_tokens: int
    duration_ns: int


@dataclass(frozen=True, slots=True)
class Priced:
    """A line of what a provider charges: a meter of a model at a unit price."""

    model: str | None
    meter: str
    quantity: int
    unit_price: Decimal
    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a request came to, for its user; ``str`` is its plain text.

    ``actions`` are in the order in which they began; with ``abridged`` there were more, of which
    only sums were kept. With ``at_least`` more may have been done than is known. ``charge`` is what
    the user's plan makes of it, ``None`` where there is no plan. What follows is ``None`` unless
    it was switched on.
    """

    request_id: str
    asked: str
    started_ns: int
    outcome: Outcome
    actions: tuple[Action, ...]
    work: Work
    abridged: bool = False
    at_least: bool = False
    charge: PlanCharge | None = None
    cost: Amounts | None = None
    margin: Decimal | None = None
    models: tuple[str, ...] | None = None
    prices: tuple[Priced, ...] | None = None
    owner: Owner | None = None

    def to_json(self) -> dict[str, Any]:
        """The receipt as JSON values; amounts are decimal strings."""
        from agentmeter.report.receipt_document import document

        return document(self)

    def __str__(self) -> str:
        from agentmeter.report.receipt_text import text

        return text(self)


def receipt(
    report: RequestReport, show: Disclosure | None = None, charge: PlanCharge | None = None
) -> Receipt:
    """The receipt of a reported request, with what its plan charges for it."""
    show = show or Disclosure()
    scopes = list(walk(report.tree))
    outcome = _OUTCOMES[report.tree.record.status]
    return Receipt(
        report.request_id,
        _asked(report, show),
        report.tree.record.started_ns,
        outcome,
        tuple(_actions(scopes, show)),
        _work(report, scopes),
        any(is_folded(scope.record) for scope in scopes),
        report.is_lower_bound or outcome is Outcome.RUNNING,
        charge,
        dict(report.total) if show.show_cost else None,
        charge.margin if charge is not None and show.show_margin else None,
        _models(scopes) if show.show_models else None,
        tuple(_prices(scopes)) if show.show_prices else None,
        report.view.owner if show.show_owner else None,
    )


def _asked(report: RequestReport, show: Disclosure) -> str:
    """The request's public name, else its feature's, else what the application calls them."""
    name, feature = report.tree.record.name, report.view.owner.feature
    told = [name, feature] if feature is not None else [name]
    public = [show.public_names[one] for one in told if one in show.public_names]
    return public[0] if public else (feature if feature is not None else name)


def _actions(scopes: Iterable[ScopeReport], show: Disclosure) -> Iterator[Action]:
    times: dict[tuple[str, str], int] = {}
    for record in sorted(_done(scopes), key=lambda one: (one.started_ns, one.scope_id)):
        is_tool = record.kind in (Kind.TOOL, Kind.CALL)
        what = show.named(record.name, A_TOOL if is_tool else A_STEP)
        key = (what, "tool" if is_tool else "step")
        times[key] = times.get(key, 0) + 1
    for (what, kind), count in times.items():
        yield Action(what, kind, count)


def _done(scopes: Iterable[ScopeReport]) -> Iterator[Record]:
    """The steps and tools; what a tool itself is charged for is no further one."""
    of_tools = set()
    for scope in scopes:  # parents come first
        record = scope.record
        if is_folded(record):
            continue
        if record.kind is Kind.TOOL:
            of_tools.add(record.scope_id)
        is_scope = record.kind in _ACTIONS and record.parent_id is not None
        is_charge = record.call is not None and record.call.is_charge
        if is_scope or (is_charge and record.parent_id not in of_tools):
            yield record


_ACTIONS = (Kind.AGENT, Kind.STEP, Kind.BRANCH, Kind.TOOL, Kind.REQUEST)
"""A request that was opened inside another is a step of it."""


def _work(report: RequestReport, scopes: Iterable[ScopeReport]) -> Work:
    calls, ended_ns = 0, report.tree.record.ended_ns
    for scope in scopes:
        call = scope.record.call
        ended_ns = max(ended_ns, scope.record.ended_ns)
        if call is not None and scope.node.is_call and not call.is_charge:
            calls += call.calls
    usage, started_ns = report.usage, report.tree.record.started_ns
    return Work(calls, usage.total_input, usage.total_output, max(0, ended_ns - started_ns))


def _models(scopes: Iterable[ScopeReport]) -> tuple[str, ...]:
    used = (scope.record.call for scope in scopes if scope.node.is_call)
    return tuple(sorted({call.priced_model for call in used if call and call.priced_model}))


def _prices(scopes: Iterable[ScopeReport]) -> Iterator[Priced]:
    sums: dict[tuple[str | None, str, Decimal, str], tuple[int, Decimal]] = {}
    for scope in scopes:
        call = scope.record.call
        model = call.priced_model if call is not None else None
        for line in scope.cost.lines:
            key = (model, line.meter, line.unit_price, scope.cost.currency)
            quantity, amount = sums.get(key, (0, Decimal(0)))
            sums[key] = quantity + line.quantity, CONTEXT.add(amount, line.amount)
    for key, (quantity, amount) in sorted(sums.items(), key=lambda one: tuple(map(str, one[0]))):
        model, meter, unit_price, currency = key
        yield Priced(model, meter, quantity, unit_price, amount, currency)
