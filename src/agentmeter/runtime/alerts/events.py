"""Who is told of what: subscriptions, and how an alert reaches them.

Callbacks run on a thread of their own; a fault in one is counted and goes no further. Where the
span of the request's root is still open in this process, it gets the alert as an event.
"""

import atexit
import inspect
import threading
from collections.abc import Callable, Mapping
from typing import Any

from agentmeter.model import NOBODY, UNATTRIBUTED
from agentmeter.runtime.alerts.alert import Alert, Fact
from agentmeter.runtime.alerts.conditions import conditions
from agentmeter.runtime.counting import Counter
from agentmeter.runtime.faults import FAULTS, after_fork, guarded
from agentmeter.runtime.ledger import Ledger
from agentmeter.runtime.state import STATE

WORKER = Counter("agentmeter-alerts", "alert")
"""Works out what takes time, and runs the callbacks."""
_MOST_WAITING = 10_000
_AT_EXIT = 1.0


class Subscription:
    """Who is told of an event under which conditions; calling it ends it."""

    def __init__(
        self, event: str, callback: Callable[[Alert], Any] | None, given: Mapping[str, Any]
    ) -> None:
        self.event = event
        self.callback = callback
        self.conditions = conditions(event, given)

    def __call__(self) -> None:
        """Be told no more; a second time does nothing."""
        _BOARD.remove(self)

    def tell(self, ledger: Ledger | None, facts: Mapping[str, Fact]) -> None:
        """Put the alert on the request's span, and have the callback run."""
        alert = Alert(
            self.event,
            ledger.request_id if ledger is not None else UNATTRIBUTED,
            ledger.owner if ledger is not None else NOBODY,
            STATE.now_ns(),
            facts,
        )
        span = ledger.span if ledger is not None else None
        if span is not None and span.is_recording():
            span.add_event(f"agentmeter.{self.event}", alert.attributes(), alert.at_ns)
        if self.callback is not None:
            _BOARD.submit(self.callback, alert)


class _Board:
    """The subscriptions by event; reading them takes no lock."""

    def __init__(self) -> None:
        self.by_event: dict[str, tuple[Subscription, ...]] = {}
        self._anew()
        after_fork(self._anew)

    def _anew(self) -> None:
        self._lock = threading.RLock()
        self._waiting = 0

    def add(self, one: Subscription) -> None:
        with self._lock:
            self.by_event[one.event] = (*self.by_event.get(one.event, ()), one)
            self._watch()

    def remove(self, one: Subscription) -> None:
        with self._lock:
            kept = tuple(other for other in self.by_event.get(one.event, ()) if other is not one)
            self.by_event[one.event] = kept
            self._watch()

    def _watch(self) -> None:
        """Listen to ledgers exactly as far as somebody wants to know."""
        from agentmeter.runtime.alerts import repeats, spending, thresholds

        repeating = bool(self.by_event.get("loop.repeats"))
        costing = any(self.by_event.get(name) for name in ("forecast.exceeded", "cost.jump"))
        wanted = ((repeats.watch, repeating), (spending.watch, costing))
        ours = tuple(watch for watch, _ in wanted)
        others = tuple(one for one in Ledger.watchers if one not in ours)
        Ledger.watchers = (*others, *(watch for watch, on in wanted if on))
        Ledger.tool_watcher = repeats.tool_ran if repeating else None
        limited = bool(self.by_event.get("budget.threshold"))
        Ledger.budget_watcher = thresholds.watch if limited else None

    def submit(self, callback: Callable[[Alert], Any], alert: Alert) -> None:
        with self._lock:
            full = self._waiting >= _MOST_WAITING
            self._waiting += not full
        if full:
            FAULTS.count("alerts dropped: callbacks do not keep up")
            return
        WORKER.submit(lambda: self._run(callback, alert))

    def _run(self, callback: Callable[[Alert], Any], alert: Alert) -> None:
        with self._lock:
            self._waiting -= 1
        with guarded(f"alert callback for {alert.event}"):
            callback(alert)


_BOARD = _Board()


def on(event: str, callback: Callable[[Alert], Any] | None = None, /, **given: Any) -> Subscription:
    """Have ``callback`` called with an ``Alert``; the result ends that when it is called.

    ``budget.threshold``: ``share`` (0.8) of a budget's dollars, tokens or calls is spent, of the
    one called ``budget`` if that is given; once for each account and measure in this process.
    ``forecast.exceeded``: a request costs more than ``percent`` (95) of recorded requests like it;
    once for a request, never where too few are on record.
    ``loop.repeats``: the same call, or the same tool with the same arguments, was made ``times``
    (3) in one request; once for each. Calls are told apart where provenance is on.
    ``cost.jump``: what a ``user`` (``by``: or tenant, feature, plan) costs in a ``window`` of 3600
    seconds exceeds ``factor`` (3) times the usual: the median of the latest 24 windows in which
    there was any cost. Once a window, never before ``windows`` (8) of them.

    Without a callback the alert is an event on the request's span alone. Callbacks run on a thread
    of agentmeter's, one after another; faults in them are counted. Raises ``ConfigurationError``
    for an unknown event or condition, ``TypeError`` for a callback that cannot be called there.
    """
    if callback is not None and (not callable(callback) or inspect.iscoroutinefunction(callback)):
        raise TypeError(f"on: the callback is a plain callable, got {callback!r}")
    one = Subscription(event, callback, given)
    _BOARD.add(one)
    return one


def subscribers(event: str) -> tuple[Subscription, ...]:
    """Who wants to know of an event."""
    return _BOARD.by_event.get(event, ())


@atexit.register
def _run_out() -> None:
    WORKER.settle(_AT_EXIT)
