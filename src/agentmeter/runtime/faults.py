"""The one boundary at which a fault in metering is caught, counted and logged once."""

import logging
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

logger = logging.getLogger("agentmeter")


class Faults:
    """Counts faults by place, ``"journal.write: OSError"``; each place is logged once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def count(self, where: str, error: BaseException | None = None, times: int = 1) -> None:
        """Count a fault at ``where``; the first of a kind is logged with its traceback."""
        kind = f"{where}: {type(error).__name__}" if error is not None else where
        with self._lock:
            first = kind not in self._counts
            self._counts[kind] += times
        if first:
            logger.warning("metering fault at %s; the application goes on", kind, exc_info=error)

    def counts(self) -> dict[str, int]:
        """Faults so far, by place."""
        with self._lock:
            return dict(sorted(self._counts.items()))

    def clear(self) -> None:
        """Forget everything; for tests."""
        with self._lock:
            self._counts.clear()


FAULTS = Faults()


@contextmanager
def guarded(where: str) -> Iterator[None]:
    """A fault inside is counted at ``where`` and goes no further."""
    try:
        yield
    except Exception as error:
        FAULTS.count(where, error)
