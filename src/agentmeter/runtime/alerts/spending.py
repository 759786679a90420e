"""What requests cost while they run, against what was forecast and what is usual.

A look at a request takes longer the more it has done, so that looks become rarer as it grows: all
of them together take a time that grows with the request and no faster. They happen on the alerts'
thread, and at the request's end.
"""

import threading
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from agentmeter.model import Entry, Opened
from agentmeter.model.money import CONTEXT
from agentmeter.runtime.alerts.alert import Fact
from agentmeter.runtime.alerts.events import WORKER, Subscription, subscribers
from agentmeter.runtime.alerts.jump import Jumps
from agentmeter.runtime.faults import after_fork
from agentmeter.runtime.ledger import Ledger
from agentmeter.runtime.state import STATE

if TYPE_CHECKING:
    from agentmeter.report.forecast import Forecast
    from agentmeter.report.report import Amounts

_RARER = 8
_SECOND = 1_000_000_000
_Key = tuple[str, str]
"""Who, and in which currency."""


@dataclass(slots=True)
class _Watched:
    entries: int = 0
    looked_at: int = 0
    waiting: bool = False
    amounts: "Amounts" = field(default_factory=dict)
    forecast: "Forecast | None" = None
    told: set[int] = field(default_factory=set)
    """The subscriptions that were told that the forecast is exceeded, by identity."""

    def due(self, *, over: bool) -> bool:
        """Whether to look now."""
        if self.waiting:
            return False
        return over or self.entries - self.looked_at > self.looked_at // _RARER


_watched: "WeakKeyDictionary[Ledger, _Watched]" = WeakKeyDictionary()
_jumps: "WeakKeyDictionary[Subscription, Jumps[_Key]]" = WeakKeyDictionary()
_lock = threading.RLock()


def _unlocked() -> None:
    global _lock
    _lock = threading.RLock()


after_fork(_unlocked)


def watch(ledger: Ledger, entry: Entry | None) -> None:
    """See to it that the request is looked at, if it is due."""
    if isinstance(entry, Opened) or ledger.shares:
        return  # shared work is added to those that share it
    with _lock:
        known = _watched.setdefault(ledger, _Watched())
        known.entries += entry is not None
        due = known.due(over=entry is None)
        known.waiting = known.waiting or due
    if due:
        WORKER.submit(lambda: _look(ledger, known))


def _look(ledger: Ledger, known: _Watched) -> None:
    """On the alerts' thread alone, so that what follows takes turns."""
    from agentmeter.runtime.standing import standing

    with _lock:
        known.waiting, known.looked_at = False, known.entries
    now = standing(ledger)
    grown = {
        currency: CONTEXT.subtract(amount, known.amounts.get(currency, Decimal(0)))
        for currency, amount in now.amounts.items()
    }
    known.amounts = now.amounts
    for one in subscribers("cost.jump"):
        _held_to_the_usual(one, ledger, grown)
    waiting = [one for one in subscribers("forecast.exceeded") if id(one) not in known.told]
    if waiting and now.amounts:
        _held_to_the_forecast(waiting, ledger, known)


def _held_to_the_usual(one: Subscription, ledger: Ledger, grown: "Amounts") -> None:
    asked = one.conditions
    who = getattr(ledger.owner, asked["by"])
    if who is None:
        return
    jumps = _jumps.get(one)
    if jumps is None:
        window_ns = asked["window"] * _SECOND
        jumps = _jumps[one] = Jumps(window_ns, asked["factor"], asked["windows"])
    for currency, amount in grown.items():
        found = jumps.spent((who, currency), amount, STATE.now_ns()) if amount else None
        if found is not None:
            facts: dict[str, Fact] = {
                "spent": found.spent,
                "usual": found.usual,
                "windows": found.windows,
            }
            one.tell(ledger, {asked["by"]: who, **facts, "currency": currency})


def _held_to_the_forecast(waiting: list[Subscription], ledger: Ledger, known: _Watched) -> None:
    if known.forecast is None:
        known.forecast = _forecast(ledger)
    found = known.forecast
    if found is None:
        return
    cost = known.amounts.get(found.currency, Decimal(0))
    for one in waiting:
        percent = one.conditions["percent"]
        most = found.cost.quantile(percent)
        if most is not None and cost > most:
            known.told.add(id(one))
            facts: dict[str, Fact] = {"cost": cost, "forecast": most, "percent": percent}
            one.tell(ledger, {**facts, "requests": found.n, "currency": found.currency})


def _forecast(ledger: Ledger) -> "Forecast | None":
    """The forecast of the whole request, by whose it is and how it began; it is no part of it."""
    from agentmeter.report.forecast import Asked, History, observed

    reader = STATE.reader
    reports = ledger.report().requests
    if reader is None or not reports:
        return None
    begun, owner = observed(reports[0]), ledger.owner
    asked = Asked(
        owner.feature, begun.model, begun.input_tokens, owner.user, owner.tenant, owner.plan
    )
    history = reader.history()
    if ledger.closed:
        others = (one for one in history.observations if one.request_id != ledger.request_id)
        history = History(others)
    return history.forecast(asked)
