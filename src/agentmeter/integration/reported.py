"""A model call as the framework around the client reports it.

Where an integration of ours meters the client underneath, the client's call is the leaf: it knows
the attempts, how a stream ended and what it took. The framework's report speaks where no client
was seen, as for a provider that nothing of ours knows; else it adds only what the calls of the
clients do not know, or what exceeds their sum.
"""

import threading
from contextvars import Token
from dataclasses import fields, replace
from typing import Any

from agentmeter.integration.lost import http_status_in
from agentmeter.model import REPORTED, UNKNOWN, Attempt, Call, Status, Usage
from agentmeter.runtime.call import CallScope
from agentmeter.runtime.context import ASKING, Asking
from agentmeter.runtime.faults import guarded
from agentmeter.runtime.scope import Scope
from agentmeter.runtime.state import STATE
from agentmeter.runtime.unfinished import until_exit

_NAMES = tuple(field.name for field in fields(Call))


def reported_call() -> "ReportedCall | None":
    """The framework's call that this code runs for."""
    asking = ASKING.get()
    return asking if isinstance(asking, ReportedCall) else None


class ReportedCall:
    """One model call of a framework, below ``parent``, from its beginning to its one end.

    ``facts`` are fields of a ``Call`` that are known from the beginning. While it is asking in a
    context (``with``, or ``asks``), the calls that clients begin there are taken for its own.
    """

    def __init__(self, observer: str, parent: Scope | None, **facts: Any) -> None:
        self._observer = observer
        self._parent = parent
        self._facts = facts
        self._started = STATE.now_ns()
        self._made: list[CallScope] = []
        self._over = False
        self._lock = threading.RLock()
        self._outer = ASKING.get()
        self._told: Call | None = None
        self._tokens: list[Token[Asking | None]] = []
        until_exit(self)

    def made(self, call: CallScope) -> None:
        """A client has begun a call; one for another request is none of ours."""
        mine = self._parent.ledger if self._parent is not None else None
        if not self._over and call.ledger is mine and call not in self._made:
            self._made.append(call)
            if self._outer is not None:  # one framework on top of another
                self._outer.made(call)

    def tell(self, told: Call) -> None:
        """What the framework says before it is over, where it says it apart from the answer."""
        self._told = told

    def asks(self) -> None:
        """Take the calls that begin in this context from now on, until this one has ended."""
        ASKING.set(self)

    def __enter__(self) -> "ReportedCall":
        self._tokens.append(ASKING.set(self))
        return self

    def __exit__(self, *_: object) -> None:
        ASKING.reset(self._tokens.pop())

    def give_up(self) -> None:
        """End now, with what is known."""
        self.ended(status=Status.CLOSED)

    def never_made(self) -> None:
        """No call was made: the framework had the answer already."""
        with self._lock:
            self._over = True
        self._asks_no_more()

    def ended(
        self,
        told: Call | None = None,
        error: BaseException | None = None,
        status: Status | None = None,
    ) -> None:
        """It is over; ``told`` is what the framework says of it. A second end does nothing."""
        with self._lock:
            if self._over:
                return
            self._over = True
        self._asks_no_more()
        with guarded("reported call"):
            facts = self._known(told or self._told or Call())
            seen = [call for call in self._made if _may_be(call.facts, facts)]
            if not seen:
                self._record(facts, error, status)
            elif facts.usage:
                self._beside(seen, facts)

    def _asks_no_more(self) -> None:
        if ASKING.get() is self:
            ASKING.set(None)

    def _known(self, told: Call) -> Call:
        """What is told, with what was known from the beginning where nothing is."""
        blank = Call()
        said = {n: v for n in _NAMES if (v := getattr(told, n)) != getattr(blank, n)}
        return Call(**{**self._facts, **said})

    def _beside(self, seen: list[CallScope], facts: Call) -> None:
        """What is told beside the calls that were seen: what they do not know, or the excess."""
        named = [call for call in seen if call.facts.response_id] if facts.response_id else []
        if blank := [call for call in named or seen if not _knows(call.facts)]:
            blank[-1].amend(facts.usage, dict.fromkeys(facts.usage, REPORTED))
        elif not named:
            excess = facts.usage.excess_over(_sum(seen))
            if excess:
                self._record(replace(facts, usage=excess, calls=0), None, None)

    def _record(self, facts: Call, error: BaseException | None, status: Status | None) -> None:
        said = {name: getattr(facts, name) for name in _NAMES}
        scope = CallScope(facts.model or facts.response_model, **said)
        scope.observer = self._observer
        scope.started_ns = self._started
        if facts.usage and not facts.evidence:
            scope.update(evidence=dict.fromkeys(facts.usage, REPORTED))
        http_status = http_status_in(error) if error is not None else None
        if http_status is not None:
            kind = type(error).__name__
            scope.attempt(Attempt(self._started, STATE.now_ns(), http_status, kind))
        scope.open(self._parent)
        if self._outer is not None:
            self._outer.made(scope)
        scope.close(error, status)


def _may_be(client: Call, framework: Call) -> bool:
    """Whether a client's call may be (a try of) the call that a framework tells of."""
    if client.response_id and framework.response_id:
        return client.response_id == framework.response_id
    models = {client.model, client.response_model} - {None}
    others = {framework.model, framework.response_model} - {None}
    return not models or not others or bool(models & others)


def _knows(client: Call) -> bool:
    if UNKNOWN in client.evidence.values():
        return False
    return bool(client.usage or client.evidence)


def _sum(calls: list[CallScope]) -> Usage:
    total = Usage()
    for call in calls:
        total = total + call.facts.usage
    return total
