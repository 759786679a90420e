"""Scopes: specifications that decorate, and activations that run.

One object is both. Used as a decorator it is an immutable specification, and every call of the
decorated function opens a fresh activation. Used in a ``with`` statement it *is* the activation;
entering it a second time raises ``ScopeError``.
"""

import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from opentelemetry import trace

from agentmeter.exceptions import ScopeError
from agentmeter.model import (
    UNATTRIBUTED,
    Amendment,
    Call,
    Entry,
    Kind,
    Opened,
    Owner,
    Record,
    Status,
)
from agentmeter.runtime import spans
from agentmeter.runtime.context import attach, current_scope, detach
from agentmeter.runtime.faults import after_fork, guarded
from agentmeter.runtime.ledger import Ledger
from agentmeter.runtime.state import STATE
from agentmeter.semconv.fields import Attributes
from agentmeter.semconv.writing import span_name

if TYPE_CHECKING:
    from agentmeter.pricing.tariff import Tariff
    from agentmeter.runtime.budget.account import Account
    from agentmeter.runtime.budget.value import Budget

F = TypeVar("F", bound=Callable[..., Any])

_COUNTING = threading.RLock()


def _unlocked() -> None:
    global _COUNTING
    _COUNTING = threading.RLock()


after_fork(_unlocked)


class Scope:
    """A span of work inside a request; see the module's text. Use the public functions instead."""

    kind = Kind.STEP
    budget: "Budget | None" = None
    """What may be spent in the scope; part of the specification."""
    accounts: "tuple[Account, ...]" = ()
    """The budgets that calls in the scope are held to, the request's first."""
    observer = ""
    """Who saw this work, where it was not a scope of the application's or of a client's call."""

    def __init__(
        self, name: str | None = None, attributes: Mapping[str, str] | None = None
    ) -> None:
        self.given_name = name if name is None else str(name)
        self.attributes = dict(attributes or {})
        self.span: trace.Span | None = None
        self.stamped: Attributes = {}
        self.parent: Scope | None = None
        self.ledger: Ledger | None = None
        self.status = Status.OK
        self.error_type: str | None = None
        self.scope_id = self.trace_id = self.span_id = ""
        self.parent_span_id: str | None = None
        self.started_ns = self.ended_ns = 0
        self.position = self.children = 0
        self._token: Any = None
        self._entered = False
        self._closed = False

    # -- specification ---------------------------------------------------------------------

    def fresh(self, name: str, arguments: Callable[[], Mapping[str, Any]]) -> "Scope":
        """A new activation of this specification for a call of a function called ``name``."""
        return type(self)(self.given_name or name, self.attributes)

    def activation(self, name: str, arguments: Callable[[], Mapping[str, Any]]) -> "Scope":
        """A new activation, held to the same budget."""
        made = self.fresh(name, arguments)
        if self.budget is not None:
            made.budget = self.budget
        return made

    def __call__(self, function: F) -> F:
        """Decorate ``function``: ``def``, ``async def``, generator or async generator."""
        from agentmeter.runtime.decorate import decorated

        return decorated(self, function)

    @property
    def name(self) -> str:
        """The scope's name: the given one, else the decorated function's, else its kind."""
        return self.given_name or self.kind.value

    @property
    def span_name(self) -> str:
        """The name of the scope's span; what it is made of is known before the scope opens."""
        return span_name(self.kind, self.name)

    # -- activation ------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self.open(current_scope())
        self._token = attach(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        detach(self._token)
        self.close(error)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace_back: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, trace_back)

    def open(self, parent: "Scope | None") -> None:
        """Begin, below ``parent``. Raises ``ScopeError`` if this activation was entered before."""
        if self._entered:
            raise ScopeError(
                f"this {self.kind} scope was entered before; open a new one for every entry, "
                "or use it as a decorator"
            )
        self._entered = True
        with guarded("scope.open"):
            state = STATE.ready()
            self.parent = parent
            # What was given before is of work that began earlier, or that may be recorded twice.
            self.started_ns = self.started_ns or state.now_ns()
            self.scope_id = self.scope_id or state.new_id(8)
            self._belong(parent)
            if self.parent is not None:
                self.position = self.parent.next_position()
                self.accounts = self.accounts or self.parent.accounts
            if self.budget is not None:
                self._hold_to(self.budget)
            spans.start(self)

    @property
    def around(self) -> "Scope | None":
        """The scope that this one was opened in, also where it is billed by itself."""
        return self.parent

    def links(self) -> list[trace.SpanContext]:
        """Spans that this scope's span points to, beside its parent."""
        return []

    def next_position(self) -> int:
        """Where the scope that is opened in this one now stands, from 1."""
        with _COUNTING:
            self.children += 1
            return self.children

    def _belong(self, parent: "Scope | None") -> None:
        """Take the request from the parent; work outside of any request is unattributed."""
        self.ledger = parent.ledger if parent is not None else None

    def _hold_to(self, budget: "Budget") -> None:
        from agentmeter.runtime.budget.gate import gate

        with guarded("budget"):
            account = gate().opened(self, budget)
            self.accounts = (*self.accounts, account)
            if self.parent is None and self.ledger is not None:
                self.ledger.accounts = (*self.ledger.accounts, account)

    @property
    def request_id(self) -> str:
        """The id of the request, or of the bucket of work that has none."""
        return self.ledger.request_id if self.ledger is not None else UNATTRIBUTED

    @property
    def owner(self) -> Owner:
        """Whom the request is billed to."""
        return self.ledger.owner if self.ledger is not None else Owner()

    def returned(self, result: object) -> None:
        """Take note of what the decorated function gave back."""

    def close(self, error: BaseException | None = None, status: Status | None = None) -> None:
        """End; a second close does nothing."""
        if self._closed:
            return
        self._closed = True
        with guarded("scope.close"):
            self._settle(error, status)
            if self.budget is not None and self.accounts:
                with guarded("budget"):
                    self.attributes.update(self.accounts[-1].told())
            call, tariff = self._consumed()
            record = with_busy_time(self._record(call), tariff)
            attributes = spans.end(self, record, tariff)
            emit(record, self.ledger, tariff, attributes)

    def _settle(self, error: BaseException | None, status: Status | None) -> None:
        if error is not None:
            self.error_type = type(error).__qualname__
            self.status = _status_of(error)
        if status is not None:
            self.status = status

    def _consumed(self) -> "tuple[Call | None, Tariff | None]":
        return None, None

    def _record(self, call: Call | None) -> Record:
        return Record(
            request_id=self.request_id,
            scope_id=self.scope_id,
            parent_id=self._parent_id(),
            kind=self.kind,
            name=self.name,
            owner=self.owner,
            started_ns=self.started_ns,
            ended_ns=max(self.started_ns, self.ended_ns or STATE.now_ns()),
            status=self.status,
            error_type=self.error_type,
            call=call,
            trace_id=self.trace_id,
            span_id=self.span_id,
            parent_span_id=self.parent_span_id,
            parent_request_id=self._parent_request_id(),
            late=self.ledger is not None and self.ledger.closed,
            attributes=self.attributes,
            observer=self.observer,
            position=self.position,
            children=self.children,
            shares=self.ledger.shares if self.ledger is not None else {},
        )

    def opened(self) -> Opened:
        """The marker that says this scope has begun."""
        return Opened(
            request_id=self.request_id,
            scope_id=self.scope_id,
            name=self.name,
            owner=self.owner,
            started_ns=self.started_ns,
            trace_id=self.trace_id,
            span_id=self.span_id,
            parent_request_id=self._parent_request_id(),
            kind=self.kind,
            parent_id=self._parent_id(),
        )

    def _parent_id(self) -> str | None:
        return self.parent.scope_id if self.parent is not None else None

    def _parent_request_id(self) -> str | None:
        return None


def with_busy_time(record: Record, tariff: "Tariff | None") -> Record:
    """``record`` with the time that it was busy, where its tariff is by time."""
    if tariff is None or not tariff.by_time:
        return record
    from agentmeter.pricing.busy import timed

    return timed(record, tariff)


def _status_of(error: BaseException) -> Status:
    if type(error).__name__ == "CancelledError":
        return Status.CANCELLED
    return Status.CLOSED if isinstance(error, GeneratorExit) else Status.ERROR


def emit(
    entry: Entry,
    ledger: Ledger | None,
    tariff: "Tariff | None",
    attributes: Attributes | None = None,
) -> None:
    """Hand an entry to the ledger of its request and to the sink; neither depends on the other."""
    if ledger is not None:
        with guarded("ledger"):
            ledger.add(entry, tariff)
    for watcher in Ledger.stray_watchers if ledger is None else ():
        with guarded("ledger.listener"):
            watcher(entry, tariff)
    if STATE.sink is not None:
        STATE.sink.put(entry, tariff, attributes)


class AgentScope(Scope):
    """An agent: ``gen_ai.operation.name`` is ``invoke_agent``."""

    kind = Kind.AGENT


class StepScope(Scope):
    """A step of an agent's work."""

    kind = Kind.STEP


class ToolScope(Scope):
    """A tool that an agent runs: ``gen_ai.operation.name`` is ``execute_tool``."""

    kind = Kind.TOOL
    _arguments: Callable[[], Mapping[str, Any]] | None = None

    def fresh(self, name: str, arguments: Callable[[], Mapping[str, Any]]) -> Scope:
        """A new activation, which keeps its arguments where somebody watches tools."""
        made = ToolScope(self.given_name or name, self.attributes)
        if Ledger.tool_watcher is not None:
            made._arguments = arguments
        return made

    def open(self, parent: Scope | None) -> None:
        """Begin; whoever watches tools is told by name and arguments, or else attributes."""
        super().open(parent)
        if Ledger.tool_watcher is not None and self.ledger is not None:
            with guarded("tool.watcher"):
                given = self._arguments or (lambda: self.attributes)
                Ledger.tool_watcher(self.ledger, self.name, given)
            self._arguments = None


class BranchScope(Scope):
    """A branch of the work that may be thrown away."""

    kind = Kind.BRANCH

    def discard(self, reason: str | None = None) -> None:
        """Mark all of this branch's cost as waste; it may be said late, or taken back."""
        throw_away(self.scope_id, self.request_id, self.ledger, reason=reason)

    def keep(self) -> None:
        """Mark this branch as one whose result was used, though it failed or was discarded."""
        throw_away(self.scope_id, self.request_id, self.ledger, discarded=False)


def throw_away(
    scope_id: str,
    request_id: str,
    ledger: Ledger | None,
    *,
    discarded: bool = True,
    reason: str | None = None,
) -> None:
    """Say of a scope that what was spent below it bought nothing, or that it did."""
    with guarded("discard"):
        said = Amendment(
            STATE.new_id(8),
            request_id,
            scope_id,
            STATE.now_ns(),
            discarded=discarded,
            reason=reason,
        )
        emit(said, ledger, None)


__all__ = [
    "UNATTRIBUTED",
    "AgentScope",
    "BranchScope",
    "Scope",
    "StepScope",
    "ToolScope",
    "emit",
    "throw_away",
]
