"""The ledger: what is known of one request while the process runs.

Memory is bounded. Past ``max_entries`` the closed leaves are folded into totals, which stay
exact; the full tree is then read back from the journal when a report is asked for.
"""

import threading
from collections.abc import Iterable

from agentmeter.attribution.view import Node, view
from agentmeter.model import Entry, Kind, Money, Opened, Owner, Record, Usage
from agentmeter.model.money import CONTEXT
from agentmeter.pricing.cost import Cost
from agentmeter.pricing.tariff import Tariff
from agentmeter.report.pricing import price_call
from agentmeter.report.report import Report, build
from agentmeter.runtime.faults import FAULTS
from agentmeter.runtime.state import STATE


class Ledger:
    """One request: identity, owner, entries and live totals. Safe to use from any thread."""

    def __init__(self, request_id: str, owner: Owner) -> None:
        self.request_id = request_id
        self.owner = owner
        self.closed = False
        self._lock = threading.Lock()
        self._entries: list[Entry] = []
        self._tariffs: dict[str, Tariff] = {}
        self._folded_usage = Usage()
        self._folded_cost: dict[str, Money] = {}
        self._folded = 0

    def join(self, owner: Owner) -> None:
        """Fill the blank owner fields from a request that was opened inside this one."""
        with self._lock:
            self.owner = self.owner.filled_from(owner)

    def add(self, entry: Entry, tariff: Tariff | None = None) -> None:
        """Take an entry of this request, and the tariff that it names."""
        with self._lock:
            if tariff is not None:
                self._tariffs[tariff.digest] = tariff
            self._entries.append(entry)
            if len(self._entries) > STATE.max_entries:
                self._fold()

    @property
    def usage(self) -> Usage:
        """Quantities so far, by meter."""
        with self._lock:
            entries, usage = list(self._entries), self._folded_usage
        for node in _nodes(entries):
            usage = usage + node.usage if node.usage else usage
        return usage

    @property
    def cost(self) -> Money:
        """What is priced so far, in the tariffs' currency; what is not stands in the report.

        Raises ``MoneyError`` where the request's calls were priced in several currencies.
        """
        with self._lock:
            entries, sums = list(self._entries), dict(self._folded_cost)
        for node in _nodes(entries):
            for part in self._priced(node):
                sums[part.currency] = sums[part.currency] + part if part.currency in sums else part
        parts = [money for money in sums.values() if money.amount] or list(sums.values())
        total = parts[0] if parts else Money(CONTEXT.create_decimal(0))
        for part in parts[1:]:
            total = total + part
        return total

    def report(self) -> Report:
        """The request's report, read back from the journal if parts of it were folded away."""
        with self._lock:
            entries, tariffs, folded = list(self._entries), dict(self._tariffs), self._folded
        if folded and STATE.reader is not None:
            if STATE.sink is not None:
                STATE.sink.flush()
            entries = [*STATE.reader.entries_of(self.request_id), *entries]
        elif folded:
            FAULTS.count("ledger: entries folded and no journal to read them back from", times=1)
        return build(entries, tariffs, faults=FAULTS.counts())

    def _priced(self, node: Node) -> Iterable[Money]:
        cost = self._cost_of(node)
        yield Money(cost.amount, cost.currency)

    def _cost_of(self, node: Node) -> Cost:
        return price_call(node.record, node.usage, self._tariffs)

    def _fold(self) -> None:
        """Move leaf calls that nothing else refers to into the totals."""
        referred = {e.parent_id for e in self._entries if isinstance(e, Record)}
        amended = {e.scope_id for e in self._entries if not isinstance(e, (Record, Opened))}
        calls = {e.scope_id for e in self._entries if isinstance(e, Record) and e.call is not None}
        keep: list[Entry] = []
        for entry in self._entries:
            if not _foldable(entry, referred | amended, calls):
                keep.append(entry)
                continue
            assert isinstance(entry, Record) and entry.call is not None  # noqa: PT018
            node = Node(entry, (), entry.call.usage)
            self._folded_usage = self._folded_usage + node.usage
            for part in self._priced(node):
                known = self._folded_cost.get(part.currency)
                self._folded_cost[part.currency] = known + part if known else part
            self._folded += 1
        self._entries = keep


def _foldable(entry: Entry, referred: set[str | None], calls: set[str]) -> bool:
    return (
        isinstance(entry, Record)
        and entry.kind is Kind.CALL
        and entry.call is not None
        and entry.scope_id not in referred
        and entry.parent_id not in calls
    )


def _nodes(entries: list[Entry]) -> Iterable[Node]:
    stack = [one.root for one in view(entries)]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(node.children)
