"""Requests watched for metrics: counted when they end, and again when more comes in afterwards.

A request that runs for long is counted on the way as well, once a minute. All of it happens on a
thread of its own; an application that has not switched metrics on has no listener, and no cost.
"""

import atexit
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from weakref import WeakKeyDictionary

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation

from agentmeter.attribution.view import view
from agentmeter.model import Entry, Opened
from agentmeter.model.money import CONTEXT
from agentmeter.pricing.tariff import Tariff
from agentmeter.runtime.budget.account import Account
from agentmeter.runtime.budget.value import MEASURES
from agentmeter.runtime.counting import Counter
from agentmeter.runtime.faults import after_fork, guarded
from agentmeter.runtime.ledger import Ledger
from agentmeter.runtime.metrics.figures import (
    BUDGET_CALLS,
    BUDGET_USE,
    Series,
    figures,
    labels,
)
from agentmeter.runtime.metrics.totals import Totals
from agentmeter.runtime.state import STATE

WORKER = Counter("agentmeter-metrics", "metrics")
_AT_EXIT = 1.0
_EVERY_NS = 60_000_000_000


@dataclass(slots=True)
class _Watched:
    counted_ns: int
    waiting: bool = False
    known: dict[Series, Decimal] = field(default_factory=dict)


class Watch:
    """The one watch of this process; off until it is switched on."""

    def __init__(self) -> None:
        self.totals = Totals()
        self._gauge = False
        self._anew()
        after_fork(self._anew)

    def _anew(self) -> None:
        self._lock = threading.RLock()
        self._watched: WeakKeyDictionary[Ledger, _Watched] = WeakKeyDictionary()

    def switch(self, *, on: bool) -> None:
        """Watch from now on, or no more; what was counted so far stays."""
        others = tuple(one for one in Ledger.watchers if one != self.heard)
        Ledger.watchers = (*others, self.heard) if on else others
        strays = tuple(one for one in Ledger.stray_watchers if one != self.stray)
        Ledger.stray_watchers = (*strays, self.stray) if on else strays
        Account.watcher = self.budget if on else None
        if on:
            self._make_gauge()
            atexit.register(WORKER.settle, _AT_EXIT)

    def heard(self, ledger: Ledger, entry: Entry | None) -> None:
        """A request has come to know something, or is over; see to it that it is counted."""
        if isinstance(entry, Opened):
            return
        now = STATE.now_ns()
        with self._lock:
            known = self._watched.setdefault(ledger, _Watched(now))
            over = entry is None or ledger.closed or bool(ledger.shares)
            due = not known.waiting and (over or now - known.counted_ns > _EVERY_NS)
            known.waiting = known.waiting or due
        if due:
            WORKER.submit(lambda: self._count(ledger, known))

    def stray(self, entry: Entry, tariff: Tariff | None) -> None:
        """Count a call that was made outside of any request."""
        if not isinstance(entry, Opened):
            tariffs = {tariff.digest: tariff} if tariff is not None else {}
            WORKER.submit(lambda: self._add_stray(entry, tariffs))

    def _add_stray(self, entry: Entry, tariffs: dict[str, Tariff]) -> None:
        self.totals.rise({}, figures(view([entry]), tariffs, shared=False))

    def _count(self, ledger: Ledger, known: _Watched) -> None:
        with self._lock:
            known.waiting, known.counted_ns = False, STATE.now_ns()
        views, tariffs = ledger.priced_views()
        self.totals.rise(known.known, figures(views, tariffs, shared=bool(ledger.shares)))

    def budget(self, account: Account, what: str) -> None:
        """A budget has judged a call."""
        about = labels(budget=account.name, outcome=what)
        with guarded("metrics"):
            self.totals.add((BUDGET_CALLS, "{call}", about), Decimal(1))

    def _make_gauge(self) -> None:
        with self._lock:
            made, self._gauge = self._gauge, True
        if not made:
            meter = metrics.get_meter_provider().get_meter("agentmeter")
            said = "The share of its limit that is spent, of the fullest account of a budget."
            meter.create_observable_gauge(BUDGET_USE, [_used], "1", said)


def _used(_: CallbackOptions) -> Iterable[Observation]:
    """How full budgets are, the fullest account of each name; a store elsewhere is not asked."""
    gate, fullest = STATE.gate, dict[tuple[str, str], float]()
    with guarded("metrics"):
        for account in gate.accounts(STATE.now_ns()) if gate is not None else ():
            spent = account.most if account.store.remote else account.spent()
            for measure in MEASURES:
                limit = account.budget.limit(measure)
                if limit:
                    share = float(CONTEXT.divide(Decimal(getattr(spent, measure)), Decimal(limit)))
                    key = (account.name, measure)
                    fullest[key] = max(share, fullest.get(key, 0.0))
    return [
        Observation(share, dict(labels(budget=name, meter=measure)))
        for (name, measure), share in fullest.items()
    ]


WATCH = Watch()


def switch(*, on: bool) -> None:
    """Have this process's requests counted as OpenTelemetry metrics, or no more."""
    WATCH.switch(on=on)
