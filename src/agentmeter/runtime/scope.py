"""Scopes: specifications that decorate, and activations that run.

One object is both. Used as a decorator it is an immutable specification, and every call of the
decorated function opens a fresh activation. Used in a ``with`` statement it *is* the activation;
entering it a second time raises ``ScopeError``.
"""

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

from opentelemetry import trace

from agentmeter.exceptions import ScopeError
from agentmeter.model import (
    UNATTRIBUTED,
    Amendment,
    Call,
    Kind,
    Opened,
    Owner,
    Record,
    Status,
    Usage,
)
from agentmeter.model.money import Money
from agentmeter.pricing.tariff import Tariff
from agentmeter.report.report import Report
from agentmeter.runtime import spans
from agentmeter.runtime.context import attach, current_scope, detach
from agentmeter.runtime.faults import FAULTS, guarded
from agentmeter.runtime.ledger import Ledger
from agentmeter.runtime.state import STATE

F = TypeVar("F", bound=Callable[..., Any])


class Scope:
    """A span of work inside a request; see the module's text. Use the public functions instead."""

    kind = Kind.STEP

    def __init__(
        self, name: str | None = None, attributes: Mapping[str, str] | None = None
    ) -> None:
        self.given_name = name
        self.attributes = dict(attributes or {})
        self.span: trace.Span | None = None
        self.parent: Scope | None = None
        self.ledger: Ledger | None = None
        self.status = Status.OK
        self.error_type: str | None = None
        self.scope_id = self.trace_id = self.span_id = ""
        self.parent_span_id: str | None = None
        self.started_ns = 0
        self._token: Any = None
        self._entered = False
        self._closed = False

    # -- specification ---------------------------------------------------------------------

    def fresh(self, name: str, arguments: Callable[[], Mapping[str, Any]]) -> "Scope":
        """A new activation of this specification for a call of a function called ``name``."""
        return type(self)(self.given_name or name, self.attributes)

    def __call__(self, function: F) -> F:
        """Decorate ``function``: ``def``, ``async def``, generator or async generator."""
        from agentmeter.runtime.decorate import decorated

        return decorated(self, function)

    @property
    def name(self) -> str:
        """The scope's name: the given one, else the decorated function's, else its kind."""
        return self.given_name or self.kind.value

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
            self.started_ns = state.now_ns()
            self.scope_id = state.new_id(8)
            self._belong(parent)
            spans.start(self)

    def _belong(self, parent: "Scope | None") -> None:
        """Take the request from the parent; work outside of any request is unattributed."""
        self.ledger = parent.ledger if parent is not None else None

    @property
    def request_id(self) -> str:
        """The id of the request, or of the bucket of work that has none."""
        return self.ledger.request_id if self.ledger is not None else UNATTRIBUTED

    @property
    def owner(self) -> Owner:
        """Whom the request is billed to."""
        return self.ledger.owner if self.ledger is not None else Owner()

    def close(self, error: BaseException | None = None, status: Status | None = None) -> None:
        """End; a second close does nothing."""
        if self._closed:
            return
        self._closed = True
        with guarded("scope.close"):
            self._settle(error, status)
            call, tariff = self._consumed()
            record = self._record(call)
            spans.end(self, record, tariff)
            emit(record, self.ledger, tariff)

    def _settle(self, error: BaseException | None, status: Status | None) -> None:
        if error is not None:
            self.error_type = type(error).__qualname__
            self.status = _status_of(error)
        if status is not None:
            self.status = status

    def _consumed(self) -> tuple[Call | None, Tariff | None]:
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
            ended_ns=max(self.started_ns, STATE.now_ns()),
            status=self.status,
            error_type=self.error_type,
            call=call,
            trace_id=self.trace_id,
            span_id=self.span_id,
            parent_span_id=self.parent_span_id,
            parent_request_id=self._parent_request_id(),
            late=self.ledger is not None and self.ledger.closed,
            attributes=self.attributes,
        )

    def _parent_id(self) -> str | None:
        return self.parent.scope_id if self.parent is not None else None

    def _parent_request_id(self) -> str | None:
        return None


def _status_of(error: BaseException) -> Status:
    if type(error).__name__ == "CancelledError":
        return Status.CANCELLED
    return Status.CLOSED if isinstance(error, GeneratorExit) else Status.ERROR


def emit(entry: Record | Opened | Amendment, ledger: Ledger | None, tariff: Tariff | None) -> None:
    """Hand an entry to the ledger of its request and to the sink."""
    if ledger is not None:
        ledger.add(entry, tariff)
    if STATE.sink is not None:
        STATE.sink.put(entry, tariff)


class AgentScope(Scope):
    """An agent: ``gen_ai.operation.name`` is ``invoke_agent``."""

    kind = Kind.AGENT


class StepScope(Scope):
    """A step of an agent's work."""

    kind = Kind.STEP


class ToolScope(Scope):
    """A tool that an agent runs: ``gen_ai.operation.name`` is ``execute_tool``."""

    kind = Kind.TOOL


class BranchScope(Scope):
    """A branch of the work that may be thrown away."""

    kind = Kind.BRANCH

    def discard(self) -> None:
        """Mark all of this branch's cost as waste; it may be said late, or taken back."""
        self._say(discarded=True)

    def keep(self) -> None:
        """Mark this branch as one whose result was used."""
        self._say(discarded=False)

    def _say(self, *, discarded: bool) -> None:
        with guarded("branch.say"):
            said = Amendment(
                STATE.new_id(8),
                self.request_id,
                self.scope_id,
                STATE.now_ns(),
                discarded=discarded,
            )
            emit(said, self.ledger, None)


class RequestScope(Scope):
    """What the end user asked once. Inside another request it joins that one, unless ``new``."""

    kind = Kind.REQUEST

    def __init__(
        self,
        name: str | None = None,
        attributes: Mapping[str, str] | None = None,
        *,
        owner: Mapping[str, Any] | None = None,
        new: bool = False,
        request_id: str | None = None,
    ) -> None:
        super().__init__(name, attributes)
        self._owner_given = dict(owner or {})
        self._new = new
        self._asked_id = request_id
        self._above: Scope | None = None

    def fresh(self, name: str, arguments: Callable[[], Mapping[str, Any]]) -> "RequestScope":
        """A new activation whose owner fields are worked out from the call's arguments."""
        from agentmeter.runtime.owner import resolved

        owner = self._owner_given
        with guarded("request.owner"):
            owner = resolved(self._owner_given, arguments)
        return RequestScope(
            self.given_name or name,
            self.attributes,
            owner=owner,
            new=self._new,
            request_id=self._asked_id,
        )

    def _belong(self, parent: Scope | None) -> None:
        from agentmeter.runtime.owner import as_owner

        owner = as_owner(self._owner_given)
        outer = parent.ledger if parent is not None else None
        if outer is not None and not self._new:
            outer.join(owner)
            self.ledger = outer
            return
        self._above, self.parent = parent, None
        self.ledger = Ledger(self._asked_id or STATE.new_id(16), owner)

    def open(self, parent: Scope | None) -> None:
        """Begin; the root of a request leaves an *opened* marker."""
        super().open(parent)
        if self.parent is None and self.ledger is not None:
            with guarded("request.opened"):
                emit(self._opened(self.ledger), self.ledger, None)

    def _opened(self, ledger: Ledger) -> Opened:
        return Opened(
            ledger.request_id,
            self.scope_id,
            self.name,
            ledger.owner,
            self.started_ns,
            self.trace_id,
            self.span_id,
            self._parent_request_id(),
        )

    def _parent_request_id(self) -> str | None:
        above = self._above
        return above.request_id if above is not None and above.ledger is not None else None

    def close(self, error: BaseException | None = None, status: Status | None = None) -> None:
        """End; with ``flush_on_close`` the journal is written before this returns."""
        super().close(error, status)
        if self.parent is None and self.ledger is not None:
            self.ledger.closed = True
            if STATE.flush_on_close and STATE.sink is not None:
                with guarded("request.flush"):
                    STATE.sink.flush()

    @property
    def id(self) -> str:
        """The request's id: 32 hex digits, or the id that it was given."""
        return self.request_id

    @property
    def usage(self) -> Usage:
        """Quantities so far, by meter; live."""
        return self._live().usage

    @property
    def cost(self) -> Money:
        """What is priced so far; live. What could not be priced stands in ``report()``."""
        return self._live().cost

    def report(self) -> Report:
        """The request's report so far; ``print`` it for text."""
        from agentmeter.runtime.counting import COUNTER

        COUNTER.settle()
        return self._live().report()

    def discard(self) -> None:
        """Mark all that was spent on this request as waste."""
        BranchScope._say(self, discarded=True)  # type: ignore[arg-type]

    def _live(self) -> Ledger:
        if self.ledger is None:
            raise ScopeError(
                "this request has not begun: enter it with 'with', or decorate with it"
            )
        return self.ledger


class RequestHandle:
    """The request that some code runs for, as ``am.current()`` gives it."""

    __slots__ = ("_scope", "ledger")

    def __init__(self, scope: Scope, ledger: Ledger) -> None:
        self._scope = scope
        self.ledger = ledger

    @property
    def id(self) -> str:
        """The request's id."""
        return self.ledger.request_id

    @property
    def owner(self) -> Owner:
        """Whom the request is billed to."""
        return self.ledger.owner

    @property
    def usage(self) -> Usage:
        """Quantities so far, by meter; live."""
        return self.ledger.usage

    @property
    def cost(self) -> Money:
        """What is priced so far; live."""
        return self.ledger.cost

    def report(self) -> Report:
        """The request's report so far."""
        from agentmeter.runtime.counting import COUNTER

        COUNTER.settle()
        return self.ledger.report()

    def discard(self) -> None:
        """Mark the innermost open branch, or else the whole request, as thrown away."""
        scope: Scope | None = self._scope
        while scope is not None and scope.kind is not Kind.BRANCH and scope.parent is not None:
            scope = scope.parent
        if scope is not None:
            BranchScope._say(scope, discarded=True)  # type: ignore[arg-type]


def current() -> RequestHandle | None:
    """The request that this code runs for, or ``None``."""
    scope = current_scope()
    if scope is None or scope.ledger is None:
        return None
    return RequestHandle(scope, scope.ledger)


__all__ = ["FAULTS", "UNATTRIBUTED", "RequestHandle", "RequestScope", "Scope", "current", "emit"]
