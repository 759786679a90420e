"""The history of a journal folder, kept up with what is appended to it.

Only new lines are read. A request counts once it is over, or given up: one that still runs tells
nothing of its end. Of what is over nothing is kept but the observation; what comes in later for it
no longer changes that.
"""

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from agentmeter.model import Amendment, Entry, Opened, Record
from agentmeter.pricing.tariff import Tariff
from agentmeter.report.forecast import History, Observation, observed
from agentmeter.report.report import build
from agentmeter.store.reader import read_on

_SECOND = 1_000_000_000
_SETTLED_NS = 60 * _SECOND
"""For so long after its last entry a request that has closed is still looked at again."""
_GIVEN_UP_NS = 86_400 * _SECOND
"""After so long without an entry one that has not closed is taken to be lost."""
_FRESH = 1.0
"""Seconds for which a history is given out again without a look at the files."""


class JournalHistory:
    """What a folder's requests came to; safe to use from any thread."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder = folder
        self._clock = clock
        self._lock = threading.Lock()
        self._looked: float | None = None
        self._read_so_far: dict[Path, int] = {}
        self._tariffs: dict[str, Tariff] = {}
        self._pending: dict[str, list[Entry]] = {}
        self._observations: dict[str, Observation] = {}
        self._history = History()

    def history(self) -> History:
        """The history as it was a second ago at most. The first look reads the whole folder."""
        with self._lock:
            now = self._clock()
            if self._looked is None or now - self._looked >= _FRESH:
                self._look()
                self._looked = now
            return self._history

    def _look(self) -> None:
        contents = read_on(self._folder, self._read_so_far)
        self._tariffs.update(contents.tariffs)
        if not contents.entries:
            return
        for entry in contents.entries:
            if entry.request_id in self._pending or entry.request_id not in self._observations:
                self._pending.setdefault(entry.request_id, []).append(entry)
        self._observe()
        self._history = History(self._observations.values())

    def _observe(self) -> None:
        """Observe what is over; what has been over for a while is let go of."""
        last = {key: max(map(_instant, entries)) for key, entries in self._pending.items()}
        newest = max(last.values(), default=0)
        over = {
            key: newest - at > _SETTLED_NS
            for key, at in last.items()
            if newest - at > _GIVEN_UP_NS or _is_closed(self._pending[key])
        }
        known = [entry for entries in self._pending.values() for entry in entries]
        for report in build(known, self._tariffs).requests:
            key = report.request_id
            is_new = key not in self._pending and key not in self._observations
            if key in over or is_new:
                self._observations[key] = observed(report)
        for key, settled in over.items():
            if settled:
                del self._pending[key]


def _instant(entry: Entry) -> int:
    if isinstance(entry, Record):
        return entry.ended_ns
    return entry.at_ns if isinstance(entry, Amendment) else entry.started_ns


def _is_closed(entries: Sequence[Entry]) -> bool:
    """Whether nothing is still open; of work that is shared nobody can tell."""
    if any(isinstance(one, Record) and one.shares for one in entries):
        return False
    begun = {one.scope_id for one in entries if isinstance(one, Opened)}
    return begun <= {one.scope_id for one in entries if isinstance(one, Record)}
