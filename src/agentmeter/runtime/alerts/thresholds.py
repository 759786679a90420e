"""Budgets of which a share is spent: looked at after a call was settled, on the alerts' thread.

An account that waits to be looked at is not put down twice, so that a thousand calls that end
together ask a store beyond a network once.
"""

import threading
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from agentmeter.model.money import CONTEXT
from agentmeter.runtime.alerts.alert import Fact
from agentmeter.runtime.alerts.events import WORKER, Subscription, subscribers
from agentmeter.runtime.budget.account import Account
from agentmeter.runtime.budget.store import Draw
from agentmeter.runtime.budget.value import MEASURES
from agentmeter.runtime.faults import after_fork
from agentmeter.runtime.ledger import Ledger

_waiting: dict[Account, Ledger | None] = {}
_lock = threading.RLock()


def _anew() -> None:
    global _lock
    _lock = threading.RLock()
    _waiting.clear()


after_fork(_anew)


def watch(ledger: Ledger | None, accounts: Iterable[Account]) -> None:
    """See to it that budgets are looked at which a call of ``ledger``'s was charged to."""
    with _lock:
        due = not _waiting
        for account in accounts:
            _waiting[account] = _bearer(ledger, account)
    if due and _waiting:
        WORKER.submit(_look)


def _bearer(ledger: Ledger | None, account: Account) -> Ledger | None:
    """Whose request it is: of shared work the one that has the budget, if it is a request's."""
    if ledger is None or not ledger.shares:
        return ledger
    return next((one for one in getattr(ledger, "ledgers", ()) if account in one.accounts), None)


def _look() -> None:
    with _lock:
        waiting = dict(_waiting)
        _waiting.clear()
    for account, ledger in waiting.items():
        (standing,) = account.store.standing([account.key])
        before = account.told_of(standing.spent)
        for one in subscribers("budget.threshold"):
            _held_to(one, ledger, account, before, standing.spent)


def _held_to(
    one: Subscription, ledger: Ledger | None, account: Account, before: Draw, spent: Draw
) -> None:
    share = one.conditions["share"]
    if one.conditions["budget"] not in (None, account.name):
        return
    for measure in MEASURES:
        limit, now = account.budget.limit(measure), getattr(spent, measure)
        if limit is not None and _passed(share, limit, getattr(before, measure), now):
            facts: dict[str, Fact] = {"measure": measure, "limit": limit, "spent": now}
            one.tell(
                ledger, {"budget": account.name, "scope": account.place, "share": share, **facts}
            )


def _passed(share: Decimal, limit: Any, before: Any, spent: Any) -> bool:
    at = CONTEXT.multiply(share, Decimal(limit))
    return Decimal(before) < at <= Decimal(spent)
