"""The ledger: what is known of one request while the process runs.

Memory is bounded. Past ``max_entries`` the closed parts of the tree are folded: calls that are
alike become one that stands for all of them, with their exact usage and cost. The full tree is
read back from the journal when a report is asked for.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar
from weakref import WeakSet

from agentmeter.exceptions import MoneyError
from agentmeter.model import NOBODY, Entry, Kind, Money, Opened, Owner, Record, Usage
from agentmeter.model.money import CONTEXT, plain
from agentmeter.runtime.counting import COUNTER
from agentmeter.runtime.faults import FAULTS, after_fork, guarded
from agentmeter.runtime.state import STATE

# What only a report or a look at the totals needs is loaded when one is asked for.
if TYPE_CHECKING:
    from opentelemetry import trace

    from agentmeter.attribution.node import Node, RequestView
    from agentmeter.pricing.tariff import Tariff
    from agentmeter.report.report import Report
    from agentmeter.runtime.budget.account import Account

Listener = Callable[["Ledger", Entry | None], None]
"""Called with a ledger and what was added to it, or ``None`` when its request is over."""
StrayWatcher = Callable[[Entry, "Tariff | None"], None]
"""Called with what was recorded outside of any request, and the tariff that it names."""
ToolWatcher = Callable[["Ledger", str, Callable[[], Mapping[str, Any]]], None]
"""Called with a ledger, a tool's name and what gives the tool's arguments."""
BudgetWatcher = Callable[["Ledger | None", "Iterable[Account]"], None]
"""Called with a call's ledger and the accounts that it has been charged to."""

_PATIENCE = 4
_ledgers: "WeakSet[Ledger]" = WeakSet()
_SETTLING = 10
"""Of that part of the entries, the latest, amendments and other observers' spans may yet come."""


class Ledger:
    """One request: identity, owner, entries and live totals. Safe to use from any thread."""

    watchers: "ClassVar[tuple[Listener, ...]]" = ()
    """Who listens to the ledgers of all requests."""
    stray_watchers: "ClassVar[tuple[StrayWatcher, ...]]" = ()
    """Who wants to know of work that is outside of any request, and so in no ledger."""
    tool_watcher: "ClassVar[ToolWatcher | None]" = None
    """Who wants to know of every tool that is run, by name and arguments."""
    budget_watcher: "ClassVar[BudgetWatcher | None]" = None
    """Who wants to know of budgets that calls were charged to."""

    def __init__(self, request_id: str, owner: Owner) -> None:
        self.request_id = request_id
        self.owner = self._stated = owner
        self._default = NOBODY
        self.replaced: dict[str, str] = {}
        """What earlier entries have in the owner's place, as attributes of the request."""
        self.closed = self.began_here = False
        self.takes_requests = True
        """Whether a request that is opened inside joins this one; not where it is a process's."""
        self.was_carried = False
        """Whether it was put into a carrier, so that more of it may come from elsewhere."""
        self.shares: Mapping[str, int] = {}
        self.accounts: tuple[Account, ...] = ()
        """The budgets of the request itself."""
        self.unlocked()
        _ledgers.add(self)
        self._entries: list[Entry] = []
        self._open: dict[str, Callable[[], Opened]] = {}
        self._tariffs: dict[str, Tariff] = {}
        self._fold_at = STATE.max_entries
        self._folded = False
        self._listeners: tuple[Listener, ...] = ()
        self.span: trace.Span | None = None
        """The span of the request's root, where there is one in this process."""

    def unlocked(self) -> None:
        """Begin with locks of its own, and no fold under way: here, and in a forked child."""
        self._lock = threading.RLock()
        self._folding = threading.RLock()
        self._folds = self._is_folding = False
        self._uncounted = 0

    def count(self, job: Callable[[], None]) -> None:
        """Have ``job``, which tells more of a call, run off this thread; see ``settled``."""
        with self._lock:
            self._uncounted += 1
        COUNTER.submit(lambda: self._counted(job))

    def _counted(self, job: Callable[[], None]) -> None:
        try:
            job()
        finally:
            with self._lock:
                self._uncounted -= 1

    def settled(self) -> "Ledger":
        """The ledger itself, once what is being counted of it is in: ten seconds at most."""
        if self._uncounted:
            COUNTER.settle()
        return self

    def join(self, owner: Owner) -> None:
        """Fill the blank owner fields from a request that was opened inside this one."""
        with self._lock:
            before = self.owner
            self._stated = self._stated.filled_from(owner)
            self.owner = self._stated.filled_from(self._default)
            if self._entries:
                self.replaced |= before.replaced_by(self.owner)

    def owner_is_default(self) -> None:
        """The owner holds where the application says nothing; what it says goes over it."""
        self._stated, self._default = NOBODY, self.owner

    @property
    def holds_something(self) -> bool:
        """Whether anything was metered in the request, or is being metered now."""
        return bool(self._entries or self._open)

    def begun(self, scope_id: str, opened: Callable[[], Opened]) -> None:
        """A call has begun; ``opened`` makes its marker."""
        self._open[scope_id] = opened

    def over(self, scope_id: str) -> None:
        """A call is over."""
        self._open.pop(scope_id, None)

    def still_open(self) -> list[Opened]:
        """The markers of the calls that are open now."""
        return [opened() for opened in list(self._open.values())]

    def add(self, entry: Entry, tariff: "Tariff | None" = None) -> None:
        """Take an entry of this request, and the tariff that it names."""
        with self._lock:
            if tariff is not None:
                self._tariffs[tariff.digest] = tariff
            self._entries.append(entry)
            size = len(self._entries)
            begins = size > self._fold_at and not self._folds
            self._folds = self._folds or begins
        if self._listeners or Ledger.watchers:
            self._tell(entry)
        if begins:
            COUNTER.submit(self._fold)
        elif size > _PATIENCE * self._fold_at:
            self._fold()  # the counter's thread does not keep up: whoever fills, folds

    def listen(self, listener: "Listener") -> Callable[[], None]:
        """Have ``listener`` called with every entry from now on; returns what ends that.

        It is called on whatever thread adds the entry, and has to be quick and never to wait.
        """
        with self._lock:
            self._listeners = (*self._listeners, listener)

        def unlisten() -> None:
            with self._lock:
                self._listeners = tuple(one for one in self._listeners if one is not listener)

        return unlisten

    def ended(self) -> None:
        """The request is over: listeners are told with ``None`` in the place of an entry."""
        self.closed = True
        if self._listeners or Ledger.watchers:
            self._tell(None)

    def _tell(self, entry: Entry | None) -> None:
        for listener in (*Ledger.watchers, *self._listeners):
            with guarded("ledger.listener"):
                listener(self, entry)

    def last_call(self) -> str | None:
        """The scope id of the call that closed last, unless it was folded away."""
        with self._lock:
            closed = (one for one in reversed(self._entries) if isinstance(one, Record))
            return next((one.scope_id for one in closed if one.kind is Kind.CALL), None)

    @property
    def usage(self) -> Usage:
        """Quantities so far, by meter."""
        usage = Usage()
        for node in _nodes(self._view()):
            usage = usage + node.usage if node.usage else usage
        return usage

    @property
    def amounts(self) -> dict[str, Decimal]:
        """What is priced so far, by currency; what is not stands in the report."""
        from agentmeter.report.pricing import price_node

        sums: dict[str, Decimal] = {}
        for node in _nodes(self._view()):
            cost = price_node(node, self._tariffs, self.request_id)
            if cost.lines:
                before = sums.get(cost.currency, Decimal(0))
                sums[cost.currency] = CONTEXT.add(before, cost.amount)
        return sums

    @property
    def cost(self) -> Money:
        """What is priced so far, in the tariffs' currency.

        Raises ``MoneyError`` where the request's calls were priced in several currencies.
        """
        found = self.amounts
        amounts = {code: amount for code, amount in found.items() if amount}
        if len(amounts) > 1:
            parts = " and ".join(f"{plain(one)} {code}" for code, one in sorted(amounts.items()))
            raise MoneyError(
                f"the request cost {parts}, which are no one amount without a rate; "
                "read its amounts, by currency"
            )
        currency, amount = next(iter((amounts or found).items()), ("USD", Decimal(0)))
        return Money(amount, currency)

    def report(self) -> "Report":
        """The request's report, read back from the journal if parts of it were folded away."""
        from agentmeter.report.report import build

        with self._lock:
            entries, tariffs, folded = list(self._entries), dict(self._tariffs), self._folded
        if folded and STATE.reader is not None:
            if STATE.sink is not None:
                STATE.sink.flush()
            entries = list(STATE.reader.entries_of(self.request_id))
        known = [*entries, *self.still_open()]
        made = build(known, tariffs, faults=FAULTS.counts(), running=running())
        return made.only(self.request_id)

    def known(self) -> "Report":
        """The report of what is in memory: every sum, of what was folded no more than that."""
        from agentmeter.report.report import build

        with self._lock:
            entries, tariffs = list(self._entries), dict(self._tariffs)
        made = build([*entries, *self.still_open()], tariffs, running=running())
        return made.only(self.request_id)

    def _view(self) -> "RequestView | None":
        from agentmeter.attribution.view import view

        with self._lock:
            entries = list(self._entries)
        return next((one for one in view(entries) if one.request_id == self.request_id), None)

    def priced_view(self) -> "tuple[RequestView | None, Mapping[str, Tariff]]":
        """The request as a tree so far, and the tariffs that its calls name."""
        with self._lock:
            tariffs = dict(self._tariffs)
        return self._view(), tariffs

    def priced_views(self) -> "tuple[list[RequestView], Mapping[str, Tariff]]":
        """The request, or all that share this work with their parts of it, and the tariffs."""
        from agentmeter.attribution.view import view

        with self._lock:
            entries, tariffs = list(self._entries), dict(self._tariffs)
        return [one for one in view(entries) if self._is_mine(one.request_id)], tariffs

    def _is_mine(self, request_id: str) -> bool:
        return request_id in self.shares if self.shares else request_id == self.request_id

    def _fold(self) -> None:
        """Fold what was known when this began, as a rule on the counter's thread."""
        from agentmeter.runtime.fold import folded

        with self._folding:
            if self._is_folding:
                return  # what was collected meanwhile has ended a scope: in the middle of a fold
            self._is_folding = True
            unsettled = set(self._open)
            with self._lock:
                known = list(self._entries)
            latest = known[-max(1, STATE.max_entries // _SETTLING) :]
            unsettled.update(self._open, (entry.scope_id for entry in latest))
            kept = known
            try:
                kept = folded(known, self.request_id, unsettled, self._tariffs)
            finally:
                with self._lock:
                    self._entries[: len(known)] = kept
                    self._folded = self._folded or len(kept) < len(known)
                    self._fold_at = max(STATE.max_entries, 2 * len(kept))
                    self._folds = self._is_folding = False


def ledgers() -> list[Ledger]:
    """The ledgers of the requests that somebody still holds."""
    return list(_ledgers)


def running() -> set[str]:
    """The ids of the requests that were begun in this process and have not ended."""
    return {one.request_id for one in ledgers() if one.began_here and not one.closed}


def _unlocked() -> None:
    for ledger in ledgers():
        ledger.unlocked()
        ledger.began_here = False


after_fork(_unlocked)


def _nodes(one: "RequestView | None") -> Iterable["Node"]:
    from agentmeter.attribution.node import nodes

    return nodes(one.root) if one is not None else ()
