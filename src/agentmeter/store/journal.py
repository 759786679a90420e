"""The journal: OTLP JSON lines, one randomly named file per process, written off-thread.

Every line is one complete OTLP trace export with one span, so a torn line costs one entry and any
OTLP tool reads the file. An entry is *acknowledged* once ``flush`` has returned true. A file holds
every tariff that its own records name, so that it can be read without the others.
"""

import atexit
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from agentmeter.model import Entry
from agentmeter.pricing.tariff import Tariff
from agentmeter.semconv.fields import Attributes
from agentmeter.semconv.writing import fields_of
from agentmeter.store.journal_file import JournalFile
from agentmeter.store.lines import faults_fields, line_of, tariff_fields
from agentmeter.store.queued import Item, Queue
from agentmeter.store.reader import read_request

# The history is loaded when the first forecast is asked for.
if TYPE_CHECKING:
    from agentmeter.pricing.plans import PlanBook, PricedRequest
    from agentmeter.report.forecast import History
    from agentmeter.store.history import JournalHistory, JournalTraffic

_PAUSE = 0.05
_MOST = 200_000


class Journal:
    """A sink that appends to a folder; also a reader of what the folder holds.

    Faults (a full disk, an unwritable folder) go to ``on_fault(where, error, entries)`` and are
    never raised. Entries are lost only where the disk refuses them, and then counted. What
    ``faults`` counts in this process is written along, so that ``agentmeter doctor`` can show it.
    """

    def __init__(
        self,
        folder: str | Path,
        on_fault: Callable[[str, BaseException | None, int], None],
        faults: Callable[[], Mapping[str, int]] = dict,
    ) -> None:
        self.folder = Path(folder)
        self._on_fault = on_fault
        self._faults = faults
        self._lock = threading.RLock()
        self._begin()
        atexit.register(self.close)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._after_fork)

    def _begin(self) -> None:
        self._queue = Queue("agentmeter-journal", _PAUSE, self._write)
        self._file = JournalFile(self.folder)
        self._known: set[str] = set()
        self._told: Counter[str] = Counter()
        self._refused = False
        self._writing = threading.Lock()
        self._history: JournalHistory | None = None
        self._traffic: JournalTraffic | None = None

    def _after_fork(self) -> None:
        """The child drops the inherited queue and file and begins its own."""
        self._file.let_go()
        self._lock = threading.RLock()
        self._begin()

    # -- the caller's side -----------------------------------------------------------------

    def put(
        self,
        entry: Entry,
        tariff: Tariff | None = None,
        attributes: Attributes | None = None,
    ) -> None:
        """Queue an entry and the tariff it names; never blocks on the disk."""
        if len(self._queue) >= _MOST:
            self._on_fault("journal queue full, entry dropped", None, 1)
            return
        self._queue.put((entry, tariff, attributes))

    def flush(self, timeout: float = 5.0) -> bool:
        """Write all that was put so far; whether that was done within ``timeout`` seconds.

        False as well where the disk has refused an entry since the last flush.
        """
        done = self._flushed(timeout)
        refused, self._refused = self._refused, False
        return done and not refused

    def _flushed(self, timeout: float) -> bool:
        if self._queue.is_attended:
            return self._queue.settle(timeout)
        self._queue.run_out()
        return True

    def close(self) -> None:
        """Flush, and let go of thread and file. What is put later is still written, to another."""
        self.flush()
        self._queue.stop()
        if Counter(self._faults()) != self._told:
            self._write([])
        with self._writing:
            self._file.let_go()
        if len(self._queue):
            self._queue.start()

    # -- the writer's side -----------------------------------------------------------------

    def _write(self, batch: list[Item]) -> None:
        with self._writing:
            try:
                if self._file.ready():
                    self._known.clear()  # each file has the tariffs that its own records name
                counts = Counter(self._faults())
                self._file.append(b"".join([*self._encoded(batch), *self._untold(counts)]))
                self._told = counts
            except Exception as error:
                self._known.clear()
                self._refused = True
                self._on_fault("journal write", error, len(batch))

    def _untold(self, counts: Counter[str]) -> Iterable[bytes]:
        new = counts - self._told
        return [line_of(faults_fields(new))] if new else []

    def _encoded(self, batch: list[Item]) -> list[bytes]:
        lines = []
        for entry, tariff, attributes in batch:
            try:
                if tariff is not None and tariff.digest not in self._known:
                    lines.append(line_of(tariff_fields(tariff)))
                    self._known.add(tariff.digest)
                lines.append(line_of(fields_of(entry, attributes)))
            except Exception as error:
                self._on_fault("journal encode", error, 1)
        return lines

    # -- reading back ----------------------------------------------------------------------

    def entries_of(self, request_id: str) -> Iterable[Entry]:
        """The entries of one request, from every file of the folder."""
        return read_request(self.folder, request_id)

    def history(self) -> "History":
        """The requests of the folder as rows for forecasts, other processes' included."""
        with self._lock:
            if self._history is None:
                from agentmeter.store.history import JournalHistory

                self._history = JournalHistory(self.folder)
        return self._history.history()

    def priced(self, book: "PlanBook") -> "Iterable[PricedRequest]":
        """The folder's requests that are over, for receipts under a book of plans."""
        with self._lock:
            if self._traffic is None or self._traffic.book is not book:
                from agentmeter.store.history import JournalTraffic

                self._traffic = JournalTraffic(self.folder, book)
            traffic = self._traffic
        return traffic.rows()
