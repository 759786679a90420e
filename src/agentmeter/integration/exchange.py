"""One metered exchange with a model's API: its call, its attempts, and how it ends, exactly once.

    begin(endpoint, body, provider=…) ─▶ Exchange ─┬─▶ answered(answer)     a whole answer
                                                   ├─▶ stream_ended(…)      however a stream ends
                                                   └─▶ failed(error)        no answer

What a library has of its own stands in its ``Endpoint``s: how to read an answer, how to follow a
stream, how to count a body. The rest is here and in ``streams``, for every library alike.
"""

import threading
from collections.abc import Callable
from contextvars import ContextVar
from types import TracebackType
from typing import TYPE_CHECKING, Any

from agentmeter.integration.beside import leave_beside
from agentmeter.integration.endpoint import Attempts, Body, Endpoint
from agentmeter.integration.lost import http_status_in
from agentmeter.integration.sides import unknown_sides
from agentmeter.model import ESTIMATED, REPORTED, Call, Evidence, Extent, Source, Status, Usage
from agentmeter.runtime import tokenizer
from agentmeter.runtime.call import CallScope
from agentmeter.runtime.context import attached, current_scope
from agentmeter.runtime.counting import COUNTER
from agentmeter.runtime.faults import FAULTS, guarded
from agentmeter.runtime.provenance.describe import describe_input
from agentmeter.runtime.state import STATE
from agentmeter.runtime.unfinished import until_exit

# What only budgets need is loaded with the first of them.
if TYPE_CHECKING:
    from agentmeter.runtime.budget.demand import Demand

_AT_LEAST = Evidence(Source.ESTIMATED, Extent.AT_LEAST)
_STATED = (
    *("provider", "response_model", "response_id", "service_tier", "batch", "speed"),
    *("region", "deployment", "search_context", "finish_reasons"),
)
"""The fields of a ``Call`` that an answer may state beside what was used."""


class Exchange:
    """What is known of one exchange until it ends."""

    def __init__(
        self, scope: CallScope, endpoint: Endpoint, body: Body, provider: str | None
    ) -> None:
        self.scope = scope
        self.endpoint = endpoint
        self.provider = provider
        self.body: Body | None = body
        """The caller's body, held until the end, to be counted where nobody says."""
        self.attempts = Attempts()
        self._lock = threading.RLock()
        self._over = False
        self._answer: Any = None
        self._stream_ends: Callable[[], None] | None = None
        self._inner: list[Exchange] = []
        until_exit(self)

    def read(self, answer: Any) -> Call:
        """What an answer, or what carries the usage of one, says."""
        self._answer = answer
        return self.endpoint.read(answer, self.provider, self.body)

    def sending(self) -> "Sending":
        """Around what sends the request: inside, the call is current; an error ends it."""
        return Sending(self)

    def demand(self) -> "Demand":
        """What the request may take at most."""
        from agentmeter.integration.bounds import demand

        endpoint = self.endpoint
        return demand(endpoint.bounds, endpoint.count_input, self.body or {}, self.scope.facts)

    def body_to_send(self, body: Body) -> Body | None:
        """The body to send in the place of the caller's; ``None``: theirs.

        Asks for the usage where it would not be told, and for no more output than a budget allows.
        """
        endpoint, reservation = self.endpoint, self.scope.reservation
        lowered: Body | None = None
        if reservation is not None and reservation.output_limit is not None and endpoint.bounds:
            lowered = endpoint.bounds.lowered(body, reservation.output_limit)
        asked = endpoint.ask(lowered or body) if endpoint.ask is not None else None
        return asked or lowered

    def streams(self, give_up: Callable[[], None]) -> None:
        """The answer is a stream; ``give_up`` ends it with what has arrived."""
        self._stream_ends = give_up

    def contains(self, inner: "Exchange") -> None:
        """Another exchange has begun inside: its stream is read by this one, and ends with it."""
        self._inner.append(inner)

    def give_up(self) -> None:
        """End now, with what is known."""
        if self._stream_ends is not None:
            self._stream_ends()
        self.ended(Status.CLOSED)

    def failed(self, error: BaseException) -> None:
        """The request raised."""
        if self._over:
            return
        with guarded("failed request"):
            find = self.endpoint.answer_in
            answer = find(error) if find is not None else None
            if answer is None:
                self.attempts.failed(error)
            else:
                self.attempts.end(http_status_in(error), type(error).__name__, billed=True)
                self._take(self.read(answer))
        self.ended(status_of(error), error)

    def answered(self, answer: Any) -> None:
        """A whole answer has arrived; what it does not report is counted off-thread."""
        sides: tuple[str, ...] = ()
        text: str | None = None
        with guarded("answer"):
            facts = self.read(answer)
            self._take(facts)
            sides = unknown_sides(facts) if facts.evidence else ()
            text = self.endpoint.text_in(answer) if "output" in sides else None
        self._count(Status.OK, text, sides)

    def _take(self, facts: Call) -> None:
        said = {name: value for name in _STATED if (value := getattr(facts, name))}
        if self.scope.contains_calls and not facts.usage:
            self.scope.update(**said)  # those inside tell what was used
            return
        evidence = facts.evidence or dict.fromkeys(facts.usage, REPORTED) or {"request": REPORTED}
        self.scope.update(usage=facts.usage, evidence=evidence, **said)

    def stream_ended(
        self, facts: Call, text: str | None, status: Status, error: BaseException | None = None
    ) -> None:
        """A stream is over; what it did not report is counted off-thread and amended."""
        with guarded("stream's usage"):
            self._take(facts)
        self._count(status, text, unknown_sides(facts), error)

    def _count(
        self,
        status: Status,
        text: str | None,
        sides: tuple[str, ...],
        error: BaseException | None = None,
    ) -> None:
        """End, and have ``sides`` of the call counted."""
        body, self.body = self.body, None
        if not self.ended(status, error) or not sides or body is None or self.scope.contains_calls:
            return
        given = body if "input" in sides else None
        made = text if "output" in sides else None
        extent = ESTIMATED if status is Status.OK else _AT_LEAST
        scope, count_input = self.scope, self.endpoint.count_input
        submit = COUNTER.submit if scope.ledger is None else scope.ledger.count
        submit(lambda: _estimate(scope, count_input, given, made, extent))

    def ended(self, status: Status, error: BaseException | None = None) -> bool:
        """Close the call; whether this was the first end."""
        with self._lock:
            if self._over:
                return False
            self._over = True
        self._stream_ends = None
        while self._inner:
            self._inner.pop().give_up()
        self.attempts.end(200)
        self.scope.update(attempts=tuple(self.attempts.done))
        self.scope.close(error, status)
        leave_beside(self.scope, self.endpoint, self._answer)
        self._answer = None
        if self.endpoint.later is not None and unknown_sides(self.scope.facts):
            with guarded("usage that comes later"):
                self.endpoint.later(self.scope)
        return True


class Sending:
    """While a request is on its way. A class, since a generator costs three times as much."""

    __slots__ = ("_exchange", "_scope", "_token")

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._scope = attached(exchange.scope)

    def __enter__(self) -> None:
        self._token = _CURRENT.set(self._exchange)
        self._scope.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._scope.__exit__(kind, error, at)
        _CURRENT.reset(self._token)
        if error is not None:
            self._exchange.failed(error)


def _estimate(
    scope: CallScope,
    count_input: Callable[[Body, str], int] | None,
    body: Body | None,
    text: str | None,
    output: Evidence,
) -> None:
    model = scope.facts.model or ""
    counted: dict[str, int] = {}
    if body is not None and count_input is not None:
        counted["input"] = count_input(body, model)
    if text is not None:
        counted["output"] = tokenizer.count(text, model).tokens
    known = {"input": ESTIMATED, "output": output}
    if counted:
        scope.amend(Usage(counted), {side: known[side] for side in counted})


def status_of(error: BaseException) -> Status:
    """How a call ends that ``error`` ends."""
    return Status.CANCELLED if type(error).__name__ == "CancelledError" else Status.ERROR


_CURRENT: ContextVar[Exchange | None] = ContextVar("agentmeter_exchange", default=None)


def current_exchange() -> Exchange | None:
    """The exchange whose request is being sent here: what an attempt belongs to."""
    return _CURRENT.get()


def begin(
    endpoint: Endpoint,
    body: Body,
    *,
    provider: str | None,
    model: str | None = None,
    stream: bool = False,
    **facts: Any,
) -> Exchange | None:
    """Open the call that a request makes; ``None`` where metering fails, and the request goes on.

    ``facts`` are other fields of a ``Call`` that the request states: ``region``, ``batch`` …
    Raises ``BudgetExceeded``, which is for the application, where a budget refuses the call. Send
    what ``body_to_send`` gives.
    """
    exchange = _opened(endpoint, body, provider, model=model, stream=stream, **facts)
    if exchange is not None and STATE.gate is not None:
        from agentmeter.runtime.budget.gate import admit

        admit(exchange.scope, exchange.demand, stream=stream)
    return exchange


async def begin_async(
    endpoint: Endpoint,
    body: Body,
    *,
    provider: str | None,
    model: str | None = None,
    stream: bool = False,
    **facts: Any,
) -> Exchange | None:
    """As ``begin``, for an asynchronous client: a budget that asks is answered with ``await``."""
    exchange = _opened(endpoint, body, provider, model=model, stream=stream, **facts)
    if exchange is not None and STATE.gate is not None:
        from agentmeter.runtime.budget.gate import admit_async

        await admit_async(exchange.scope, exchange.demand, stream=stream)
    return exchange


def _opened(
    endpoint: Endpoint, body: Body, provider: str | None, *, model: str | None, **facts: Any
) -> Exchange | None:
    try:
        scope = CallScope(provider=provider, model=model, operation=endpoint.operation, **facts)
        exchange = Exchange(scope, endpoint, body, provider)
        outer = _CURRENT.get()
        if outer is not None:
            outer.contains(exchange)
        scope.open(current_scope())
        if endpoint.shape is not None:
            describe_input(scope, endpoint.shape, body)
        return exchange
    except Exception as error:
        FAULTS.count("request", error)
        return None
