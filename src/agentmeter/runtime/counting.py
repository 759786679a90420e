"""Counting off the caller's thread: a worker that runs small jobs in order and forgets them."""

import queue
import threading
import time
from collections.abc import Callable

from agentmeter.latch import Latch, starts
from agentmeter.runtime.faults import after_fork, guarded

_PAUSE = 0.02
"""Seconds for which jobs gather: a thread that wakes for every call takes the caller's turn."""


_workers: "list[Counter]" = []


class Counter:
    """Runs jobs on one daemon thread; ``settle`` waits for those given so far.

    ``name`` is the thread's, ``where`` the place at which faults in jobs are counted.
    """

    def __init__(self, name: str = "agentmeter-counter", where: str = "counting") -> None:
        self._name, self._where = name, where
        self._reset()
        _workers.append(self)
        after_fork(self._reset)

    def _reset(self) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._hurry = Latch()
        self._lock = threading.RLock()
        self._thread: threading.Thread | None = None

    def submit(self, job: Callable[[], None]) -> None:
        """Run ``job`` soon; a fault in it is counted. At the process's end it runs at once."""
        self._jobs.put(job)
        if self._thread is None:
            with self._lock:
                if self._thread is None:
                    self._start()

    def _start(self) -> None:
        thread = threading.Thread(target=self._work, name=self._name, daemon=True)
        if starts(thread):
            self._thread = thread
        else:
            self._run(self._jobs.get())

    def settle(self, timeout: float = 10.0) -> bool:
        """Wait until every job submitted so far has run, at most ``timeout`` seconds."""
        if self._thread is None or threading.current_thread() is self._thread:
            return True
        done = Latch()
        self._jobs.put(done.set)
        self._hurry.set()
        return done.wait(timeout)

    def _work(self) -> None:
        while True:
            job = self._jobs.get()
            self._hurry.wait(_PAUSE)
            self._run(job)
            while not self._jobs.empty():
                self._run(self._jobs.get())

    def _run(self, job: Callable[[], None]) -> None:
        with guarded(self._where):
            job()


def run_out(timeout: float) -> bool:
    """Wait until every worker has run its jobs and what they led to; ``timeout`` is in seconds."""
    until = time.monotonic() + timeout
    return all(one.settle(max(0.0, until - time.monotonic())) for one in _workers * 2)


COUNTER = Counter()
