"""Entries that wait to be written or sent: a queue, and a thread that takes them in batches."""

import queue
import threading
from collections.abc import Callable

from agentmeter.latch import Latch, starts
from agentmeter.model import Entry
from agentmeter.pricing.tariff import Tariff
from agentmeter.semconv.fields import Attributes

Item = tuple[Entry, Tariff | None, Attributes | None]

_BATCH = 512


class Queue:
    """For one process: a forked child has to make its own.

    ``take`` is given up to 512 entries, on a thread called ``name``, ``pause`` seconds after the
    first of them came. Where no thread can be started any more, it is given them at once.
    """

    def __init__(self, name: str, pause: float, take: Callable[[list[Item]], None]) -> None:
        self._name = name
        self._pause = pause
        self._take = take
        self._items: queue.SimpleQueue[Item | Latch] = queue.SimpleQueue()
        self._lock = threading.RLock()
        self._wake = Latch()
        self._thread: threading.Thread | None = None

    def __len__(self) -> int:
        return self._items.qsize()

    @property
    def is_attended(self) -> bool:
        """Whether a thread takes what is put."""
        return self._thread is not None and self._thread.is_alive()

    def put(self, item: Item) -> None:
        """Have an entry taken soon; never waits."""
        self._items.put(item)
        if self._thread is None:
            self.start()

    def start(self) -> None:
        """Begin to take what waits."""
        with self._lock:
            if self._thread is None:
                thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                self._thread = thread
                if not starts(thread):
                    self._thread = None
                    self.run_out()

    def settle(self, timeout: float) -> bool:
        """Wait until all that was put so far is taken; whether it was within ``timeout`` seconds.

        There has to be a thread that takes it.
        """
        done = Latch()
        self._items.put(done)
        self._wake.set()
        return done.wait(timeout)

    def stop(self) -> bool:
        """Let go of the thread; whether it has ended. What is put later starts another."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is None:
            return True
        self._items.put(Latch())
        thread.join(1)
        return not thread.is_alive()

    def drop(self) -> int:
        """Let go of all that waits; how many entries that was."""
        dropped = 0
        while (item := self._next()) is not None:
            dropped += not isinstance(item, Latch)
        return dropped

    def run_out(self, first: Item | Latch | None = None) -> None:
        """Take ``first`` and all that waits, on this thread."""
        item = first if first is not None else self._next()
        while item is not None:
            batch: list[Item] = []
            while item is not None and not isinstance(item, Latch):
                batch.append(item)
                item = self._next() if len(batch) < _BATCH else None
            if batch:
                self._take(batch)
            if isinstance(item, Latch):
                item.set()
            item = self._next()

    def _work(self) -> None:
        while self._thread is threading.current_thread():
            first = self._items.get()
            if not isinstance(first, Latch):
                self._wake.wait(self._pause)
            self.run_out(first)

    def _next(self) -> Item | Latch | None:
        try:
            return self._items.get_nowait()
        except queue.Empty:
            return None
