"""The requests of a journal folder, kept up with what is appended to it: history and traffic.

Only new lines are read. A request counts once it is over, or given up: one that still runs tells
nothing of its end. Of what is over nothing is kept but what is made of it; what comes in later for
it no longer changes that.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from agentmeter.model import Amendment, Entry, Opened, Record
from agentmeter.pricing.plans import PlanBook, PricedRequest
from agentmeter.pricing.tariff import Tariff
from agentmeter.report.forecast import History, Observation, observed
from agentmeter.report.report import RequestReport, build
from agentmeter.report.traffic import row_in
from agentmeter.store.reader import read_on

_SECOND = 1_000_000_000
_SETTLED_NS = 60 * _SECOND
"""For so long after its last entry a request that has closed is still looked at again."""
_GIVEN_UP_NS = 86_400 * _SECOND
"""After so long without an entry one that has not closed is taken to be lost."""
_FRESH = 5.0
"""Seconds for which a history is given out again without a look at the files: with 100,000 requests
a new one takes some tenths of a second to be made and asked."""


V = TypeVar("V")


class JournalRequests(Generic[V]):
    """The requests of a folder that are over, each as what ``make`` makes of its report.

    Not safe to use from several threads at once.
    """

    def __init__(self, folder: Path, make: Callable[[RequestReport], V]) -> None:
        self.made: dict[str, V] = {}
        self._folder = folder
        self._make = make
        self._read_so_far: dict[Path, int] = {}
        self._tariffs: dict[str, Tariff] = {}
        self._pending: dict[str, list[Entry]] = {}

    def look(self) -> bool:
        """Read what was appended since; whether there was anything."""
        contents = read_on(self._folder, self._read_so_far)
        self._tariffs.update(contents.tariffs)
        touched: set[str] = set()
        for entry in contents.entries:
            key = entry.request_id
            if key in self._pending or key not in self.made:
                self._pending.setdefault(key, []).append(entry)
                touched.add(key)
                touched.update(_sharing(entry))
        if contents.entries:
            self._observe(touched)
        return bool(contents.entries)

    def _observe(self, touched: set[str]) -> None:
        """Observe what is over among the touched; what has been over for a while is let go of."""
        last = {key: max(map(_instant, entries)) for key, entries in self._pending.items()}
        newest = max(last.values(), default=0)
        given_up = {key for key, at in last.items() if newest - at > _GIVEN_UP_NS}
        touched |= given_up
        for report in build(self._entries_of(touched), self._tariffs).requests:
            key = report.request_id
            is_over = key in given_up or _is_closed(self._pending.get(key, ()))
            is_new = key not in self._pending and key not in self.made
            if is_new or (is_over and key in touched):
                self.made[key] = self._make(report)
        for key, at in last.items():
            if newest - at > _SETTLED_NS and (key in given_up or _is_closed(self._pending[key])):
                del self._pending[key]

    def _entries_of(self, touched: set[str]) -> list[Entry]:
        """What is known of these requests, with all work that is shared."""
        return [
            entry
            for key, entries in self._pending.items()
            if key in touched or any(map(_sharing, entries))
            for entry in entries
        ]


class JournalHistory:
    """What a folder's requests came to; safe to use from any thread."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._looked: float | None = None
        self._requests: JournalRequests[Observation] = JournalRequests(folder, observed)
        self._history = History()

    def history(self) -> History:
        """The history as it was five seconds ago at most. The first look reads the whole folder."""
        with self._lock:
            now = self._clock()
            if self._looked is None or now - self._looked >= _FRESH:
                if self._requests.look():
                    self._history = History(self._requests.made.values())
                self._looked = now
            return self._history


class JournalTraffic:
    """A folder's requests as rows for one book of plans; safe to use from any thread."""

    def __init__(self, folder: Path, book: PlanBook) -> None:
        self.book = book
        self._lock = threading.RLock()
        self._requests: JournalRequests[PricedRequest] = JournalRequests(
            folder, lambda report: row_in(report, book)
        )

    def rows(self) -> list[PricedRequest]:
        """The rows as of now. The first look reads the whole folder."""
        with self._lock:
            self._requests.look()
            return list(self._requests.made.values())


def _sharing(entry: Entry) -> Mapping[str, int]:
    """The requests that share the entry's work."""
    return entry.shares if isinstance(entry, Record) else {}


def _instant(entry: Entry) -> int:
    if isinstance(entry, Record):
        return entry.ended_ns
    return entry.at_ns if isinstance(entry, Amendment) else entry.started_ns


def _is_closed(entries: Sequence[Entry]) -> bool:
    """Whether nothing is still open; of work that is shared nobody can tell."""
    if any(map(_sharing, entries)):
        return False
    begun = {one.scope_id for one in entries if isinstance(one, Opened)}
    return begun <= {one.scope_id for one in entries if isinstance(one, Record)}
