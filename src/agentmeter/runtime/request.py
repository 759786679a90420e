"""Requests: the scope that is billed and reported, and the handle that running code gets of it."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from agentmeter.exceptions import ScopeError
from agentmeter.model import Kind, Owner, Status, Usage
from agentmeter.model.money import Money
from agentmeter.runtime.context import current_scope
from agentmeter.runtime.counting import COUNTER
from agentmeter.runtime.faults import guarded
from agentmeter.runtime.ledger import Ledger
from agentmeter.runtime.owner import as_owner, resolved
from agentmeter.runtime.scope import Scope, emit, throw_away
from agentmeter.runtime.state import STATE
from agentmeter.runtime.unmetered import note_unmetered

if TYPE_CHECKING:
    from typing import Unpack

    from agentmeter.report.forecast import Forecast
    from agentmeter.report.receipt import Receipt
    from agentmeter.report.report import Report
    from agentmeter.runtime.budget.account import Remaining
    from agentmeter.runtime.receipting import Asked


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
        self._asked_id = request_id if request_id is None else str(request_id)
        self._above: Scope | None = None

    def fresh(self, name: str, arguments: Callable[[], Mapping[str, Any]]) -> "RequestScope":
        """A new activation whose owner fields are worked out from the call's arguments."""
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

    @property
    def around(self) -> Scope | None:
        """The scope that this request was opened in, also where it is billed by itself."""
        return self.parent or self._above

    def _belong(self, parent: Scope | None) -> None:
        owner = as_owner(self._owner_given)
        outer = parent.ledger if parent is not None else None
        takes = outer is not None and outer.takes_requests
        if outer is not None and takes and not self._new:
            outer.join(owner)
            self.ledger = outer
            return
        self._above, self.parent = parent if takes or outer is None else None, None
        self.ledger = Ledger(self._asked_id or STATE.new_id(16), owner)

    def open(self, parent: Scope | None) -> None:
        """Begin; the root of a request leaves an *opened* marker."""
        super().open(parent)
        if self.parent is None and self.ledger is not None:
            self.ledger.span, self.ledger.began_here = self.span, True
            with guarded("request.opened"):
                self._leave_marker()

    def _leave_marker(self) -> None:
        emit(self.opened(), self.ledger, None)

    def _parent_request_id(self) -> str | None:
        above = self._above
        return above.request_id if above is not None and above.ledger is not None else None

    def close(self, error: BaseException | None = None, status: Status | None = None) -> None:
        """End; with ``flush_on_close`` the journal is written before this returns.

        A call that is still open then leaves a marker, so that no report passes it over.
        """
        super().close(error, status)
        if self.parent is None and self.ledger is not None and not self.ledger.closed:
            self.ledger.closed = True
            with guarded("request.open_calls"):
                for opened in self.ledger.still_open():
                    emit(opened, self.ledger, None)
            with guarded("request.unmetered"):
                note_unmetered(self.ledger, self.status)
            self.ledger.ended()
            if STATE.flush_on_close and STATE.sink is not None:
                with guarded("request.flush"):
                    STATE.sink.flush()

    @property
    def id(self) -> str:
        """The request's id: 32 hex digits, or the id that it was given."""
        return self.request_id

    @property
    def usage(self) -> Usage:
        """Quantities so far, by meter; live. Waits for what is just being counted."""
        return self._live().settled().usage

    @property
    def cost(self) -> Money:
        """What is priced so far; live. What could not be priced stands in ``report()``.

        Raises ``MoneyError`` where that is in several currencies: ``amounts`` has them.
        """
        return self._live().settled().cost

    @property
    def amounts(self) -> dict[str, Decimal]:
        """What is priced so far, by currency; live. Waits for what is just being counted."""
        return self._live().settled().amounts

    def remaining(self) -> "Remaining":
        """What is left of the budgets that the request is held to, the tightest of each measure."""
        self._live()
        return remaining_in(self)

    def report(self) -> "Report":
        """The request's report so far; ``print`` it for text."""
        COUNTER.settle()
        return self._live().report()

    def forecast(self) -> "Forecast":
        """What remains of this request, as requests like it went on from here.

        Before its first model call it is of the whole request.
        """
        from agentmeter.runtime.forecasting import forecast_of

        COUNTER.settle()
        return forecast_of(self._live())

    def receipt(self, **asked: "Unpack[Asked]") -> "Receipt":
        """The request's receipt so far, for its user: nothing internal unless it is switched on.

        ``plans`` (a book, or a TOML file), ``plan`` and ``public_names`` go over what is
        configured; ``show_names``, ``show_cost``, ``show_models``, ``show_prices``, ``show_margin``
        and ``show_owner`` are the switches of ``report.receipt.Disclosure``.
        """
        from agentmeter.runtime.receipting import receipt_of

        COUNTER.settle()
        return receipt_of(self._live(), **asked)

    def discard(self, reason: str | None = None) -> None:
        """Mark all that was spent on this request as waste."""
        throw_away(self.scope_id, self.request_id, self.ledger, reason=reason)

    def reject(self, reason: str = "rejected output") -> bool:
        """Mark the call that ended last as waste, as ``current().reject`` does."""
        return _rejected(self._live(), reason)

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
        """Quantities so far, by meter; live. Waits for what is just being counted."""
        return self.ledger.settled().usage

    @property
    def cost(self) -> Money:
        """What is priced so far; live. Raises ``MoneyError`` for several currencies."""
        return self.ledger.settled().cost

    @property
    def amounts(self) -> dict[str, Decimal]:
        """What is priced so far, by currency; live. Waits for what is just being counted."""
        return self.ledger.settled().amounts

    def remaining(self) -> "Remaining":
        """What is left of the budgets above this code, the tightest of each measure.

        ``None`` for what nothing limits; for agents that plan with what they may yet spend.
        """
        return remaining_in(self._scope)

    def report(self) -> "Report":
        """The request's report so far."""
        COUNTER.settle()
        return self.ledger.report()

    def forecast(self) -> "Forecast":
        """What remains of the request, as requests like it went on from here."""
        from agentmeter.runtime.forecasting import forecast_of

        COUNTER.settle()
        return forecast_of(self.ledger)

    def receipt(self, **asked: "Unpack[Asked]") -> "Receipt":
        """The request's receipt so far, for its user; as ``request.receipt()``."""
        from agentmeter.runtime.receipting import receipt_of

        COUNTER.settle()
        return receipt_of(self.ledger, **asked)

    def discard(self, reason: str | None = None) -> None:
        """Mark the innermost open branch, or else the whole request, as thrown away."""
        scope = self._scope
        while scope.kind is not Kind.BRANCH and scope.parent is not None:
            scope = scope.parent
        throw_away(scope.scope_id, self.id, self.ledger, reason=reason)

    def reject(self, reason: str = "rejected output") -> bool:
        """Mark the call that ended last as waste: its output was thrown away, and asked for again.

        For validation that fails. Returns whether there was such a call.
        """
        return _rejected(self.ledger, reason)


def _rejected(ledger: Ledger, reason: str) -> bool:
    last = ledger.last_call()
    if last is not None:
        throw_away(last, ledger.request_id, ledger, reason=reason)
    return last is not None


def remaining_in(scope: Scope) -> "Remaining":
    """What the budgets above a scope leave; nothing is limited where there are none."""
    from agentmeter.runtime.budget.account import Remaining

    with guarded("budget"):
        return STATE.gate.remaining(scope) if STATE.gate is not None else Remaining()
    return Remaining()


def current() -> RequestHandle | None:
    """The request that this code runs for, or ``None``."""
    scope = current_scope()
    if scope is None or scope.ledger is None:
        return None
    return RequestHandle(scope, scope.ledger)
