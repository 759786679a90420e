"""The gate: every budget above a call is asked before it is sent, and all let it in or none."""

import asyncio
import inspect
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from agentmeter.exceptions import BudgetExceeded
from agentmeter.runtime.budget.account import Account, Remaining, Rules
from agentmeter.runtime.budget.admission import Admission, Decision, Question
from agentmeter.runtime.budget.demand import Demand, Worst
from agentmeter.runtime.budget.reservation import Part, Reservation
from agentmeter.runtime.budget.store import BudgetStore, Draw, MemoryBudgets
from agentmeter.runtime.budget.value import Budget, BudgetRule
from agentmeter.runtime.faults import FAULTS, guarded
from agentmeter.runtime.state import STATE

if TYPE_CHECKING:
    from agentmeter.runtime.call import CallScope
    from agentmeter.runtime.ledger import Ledger
    from agentmeter.runtime.scope import Scope

Asked = Callable[[], Demand]
"""Works out what a call may take; only where a budget wants to know."""


class Gate:
    """The budgets in force, and the store that keeps their figures."""

    def __init__(self, store: BudgetStore, rules: tuple[BudgetRule, ...] = ()) -> None:
        self.store = store
        self._rules = Rules(rules, store)
        self._requests: WeakValueDictionary[str, Account] = WeakValueDictionary()

    def opened(self, scope: "Scope", budget: Budget) -> Account:
        """The account of a scope that begins with a budget of its own."""
        root = scope.parent is None and scope.ledger is not None
        who = scope.request_id if root else scope.scope_id
        known = self._requests.get(who) if root else None
        if known is not None and known.budget == budget:
            return known  # the same request, begun twice
        key = f"{scope.kind}/{who}" if known is None else f"{scope.kind}/{who}/{scope.scope_id}"
        place = f"{scope.kind} {scope.request_id if root else scope.name}"
        account = Account(key, budget, place, self.store, scope.started_ns)
        if root:
            self._requests[scope.request_id] = account
            with guarded("budget"):
                self.store.announce(scope.request_id, _told(account))
        return account

    def of_request(self, request_id: str) -> tuple[Account, ...]:
        """The account of a request that was begun before, for whoever continues it.

        One of another process is known where the store is shared; it cannot ask here.
        """
        account = self._requests.get(request_id)
        if account is None:
            told = self.store.announced(request_id)
            if told is None:
                return ()
            budget = Budget(**told["budget"])
            key, place, begun = told["key"], told["place"], told["started_ns"]
            account = self._requests[request_id] = Account(key, budget, place, self.store, begun)
        return (account,)

    def renewed(self, store: BudgetStore | None, rules: tuple[BudgetRule, ...]) -> "Gate":
        """The gate with other rules; figures that this process keeps are kept."""
        made = Gate(store or (MemoryBudgets() if self.store.remote else self.store), rules)
        made._requests = self._requests
        return made

    def parts(self, scope: "Scope") -> tuple[Part, ...]:
        """The accounts that a call in ``scope`` is held to, innermost last."""
        ledger, now = scope.ledger, STATE.now_ns()
        own = [Part(account) for account in scope.accounts]
        if ledger is None:
            return tuple(own)
        if not ledger.shares:
            return (*map(Part, self._rules.accounts(ledger.owner, now)), *own)
        return (*self._shared(ledger, now), *own)

    def _shared(self, ledger: "Ledger", now: int) -> list[Part]:
        """Of shared work each request's accounts bear its part."""
        of = sum(ledger.shares.values())
        return [
            Part(account, ledger.shares[one.request_id], of)
            for one in getattr(ledger, "ledgers", ())
            for account in (*self._rules.accounts(one.owner, now), *one.accounts)
        ]

    def accounts(self, now_ns: int) -> list[Account]:
        """The accounts that this process knows: of rules in force, and of requests."""
        return [*self._rules.in_force(now_ns), *self._requests.values()]

    def remaining(self, scope: "Scope") -> Remaining:
        """What is left of the budgets above ``scope``, the tightest of each measure.

        While the store is lost it is what a call would find: no limit, or nothing left.
        """
        accounts = [part.account for part in self.parts(scope)]
        try:
            standings = self.store.standing([account.key for account in accounts])
        except OSError as error:
            FAULTS.count("budget: the store cannot be reached, what is left is not known", error)
            return Remaining() if self.store.lost == "allow" else Remaining(Decimal(0), 0, 0)
        now, left = STATE.now_ns(), Remaining()
        for account, standing in zip(accounts, standings, strict=True):
            left = left.tightest(account.remaining(standing, now))
        return left

    def decision(self, scope: "Scope", demand: Asked, *, stream: bool) -> Decision:
        """Whether a call may be made: its reservation, or ``BudgetExceeded`` raised."""
        parts = self.parts(scope)
        if not parts:
            return None
        return (yield from Admission(self.store, parts, _outer(scope), demand, stream).decide())

    def charge(self, scope: "CallScope") -> Reservation | None:
        """Charge a call that was not asked about before it was made: a batch's result …"""
        parts, outer = self.parts(scope), _outer(scope)
        if not parts:
            return None
        held = {
            part.account.key for level in (outer.levels() if outer else ()) for part in level.parts
        }
        own = tuple(part for part in parts if part.account.key not in held)
        made = Reservation(self.store, STATE.new_id(8), own, Worst(Draw(), Draw(), Decimal(0)))
        made.outer, made.total = outer, Draw()
        return made


def _outer(scope: "Scope") -> Reservation | None:
    """The reservation of the call that this one is made in."""
    above = scope.parent
    while above is not None:
        reservation: Reservation | None = getattr(above, "reservation", None)
        if reservation is not None:
            return reservation
        above = above.parent
    return None


def _told(account: Account) -> dict[str, Any]:
    budget = {name: getattr(account.budget, name) for name in Budget.__dataclass_fields__}
    if budget.pop("ask") is not None:
        budget["action"] = "raise"
    started_ns = account.started_ns
    return {"key": account.key, "place": account.place, "started_ns": started_ns, "budget": budget}


def gate() -> Gate:
    """The gate in force; made at the first budget where none was configured."""
    with STATE.lock:
        if STATE.gate is None:
            STATE.gate = Gate(MemoryBudgets())
        return STATE.gate


def admit(scope: "CallScope", demand: Asked, *, stream: bool = False) -> None:
    """Let a call in, or close it as refused and raise ``BudgetExceeded``."""
    at = gate()
    steps = at.decision(scope, demand, stream=stream)
    with _Judged(at, scope):
        done, given = _advance(steps, None)
        while not done:
            done, given = _advance(steps, _approved(given))
        scope.reservation = given


async def admit_async(scope: "CallScope", demand: Asked, *, stream: bool = False) -> None:
    """As ``admit``; awaits the application's answer, and a store beyond a network elsewhere."""
    at = gate()
    steps = at.decision(scope, demand, stream=stream)
    step = _elsewhere if at.store.remote else _here
    with _Judged(at, scope):
        done, given = await step(steps, None)
        while not done:
            done, given = await step(steps, await _approved_async(given))
        scope.reservation = given


class _Judged:
    """Around a decision: a refusal closes the call, a fault lets it go on unless told not to."""

    def __init__(self, at: Gate, scope: "CallScope") -> None:
        self._gate = at
        self._scope = scope

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: Any, error: BaseException | None, _: Any) -> bool:
        if error is None:
            return False
        if isinstance(error, OSError) and self._gate.store.lost == "refuse":
            self._refuse_lost(error)
        if isinstance(error, Exception) and not isinstance(error, BudgetExceeded):
            lost = "budget: the store cannot be reached, calls go on without it"
            FAULTS.count(lost if isinstance(error, OSError) else "budget", error)
            return True
        self._scope.refuse(error)
        return False

    def _refuse_lost(self, error: OSError) -> None:
        account = self._gate.parts(self._scope)[0].account
        over = BudgetExceeded(
            budget=account.name,
            scope=account.place,
            measure="usd" if account.budget.usd is not None else "tokens",
            reason=f"the store of budgets cannot be reached ({type(error).__name__})",
        )
        FAULTS.count("budget: the store cannot be reached, calls are refused", error)
        account.counted("refused")
        self._scope.refuse(over)
        raise over from error


def _advance(steps: Decision, answer: bool | None) -> tuple[bool, Any]:
    """One step of a decision: whether it is done, and its result or its question."""
    try:
        return False, steps.send(answer)  # type: ignore[arg-type]  # None begins it
    except StopIteration as done:
        return True, done.value


async def _here(steps: Decision, answer: bool | None) -> tuple[bool, Any]:
    return _advance(steps, answer)


async def _elsewhere(steps: Decision, answer: bool | None) -> tuple[bool, Any]:
    """In a thread; should the task be cancelled meanwhile, what was reserved is let go of."""
    work = asyncio.ensure_future(asyncio.to_thread(_advance, steps, answer))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        work.add_done_callback(_let_go)
        raise


def _let_go(work: "asyncio.Future[tuple[bool, Any]]") -> None:
    if work.cancelled() or work.exception() is not None:
        return
    _, given = work.result()
    if isinstance(given, Reservation):
        given.settle(None, None, 0)


def _approved(question: Question) -> bool:
    answer = _answer(question)
    if inspect.isawaitable(answer):
        if inspect.iscoroutine(answer):
            answer.close()
        raise question.over.because("ask= is asynchronous, and the client is not")
    return bool(answer)


async def _approved_async(question: Question) -> bool:
    answer = _answer(question)
    if not inspect.isawaitable(answer):
        return bool(answer)
    try:
        return bool(await answer)
    except Exception as error:
        raise question.over from error


def _answer(question: Question) -> Any:
    """What the application says; if it raises, it has not approved."""
    if question.ask is None:
        return False
    try:
        return question.ask(question.over)
    except Exception as error:
        raise question.over from error
