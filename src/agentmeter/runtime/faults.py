"""The one boundary at which a fault in metering is caught, counted and logged once."""

import logging
import os
import threading
from collections import Counter
from collections.abc import Callable
from types import TracebackType

from agentmeter.exceptions import BudgetExceeded

logger = logging.getLogger("agentmeter")

_MOST_KINDS = 500
"""A place may name a value that it was handed; there is no end to those."""
_FURTHER = "further kinds of faults"


def after_fork(renew: Callable[[], None]) -> None:
    """Run ``renew`` in every forked child: a lock may be held by a thread that is not there."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=renew)


class Faults:
    """Counts faults by place, ``"journal.write: OSError"``; each place is logged once."""

    def __init__(self) -> None:
        self._anew()
        after_fork(self._anew)  # a child tells of its own faults, not of its parent's again

    def _anew(self) -> None:
        self._counts: Counter[str] = Counter()
        self._lock = threading.RLock()

    def count(self, where: str, error: BaseException | None = None, times: int = 1) -> None:
        """Count a fault at ``where``; the first of a kind is logged with its traceback.

        Of what the system said no to (a disk, a network) what was said is enough.
        """
        kind = f"{where}: {type(error).__name__}" if error is not None else where
        with self._lock:
            if kind not in self._counts and len(self._counts) >= _MOST_KINDS:
                kind = _FURTHER
            first = kind not in self._counts
            self._counts[kind] += times
        if first:
            is_outside = isinstance(error, OSError)
            told = f"{kind} ({error})" if is_outside else kind
            trace = None if is_outside else error
            logger.warning("metering fault at %s; the application goes on", told, exc_info=trace)

    def once(self, where: str, error: BaseException | None = None) -> None:
        """Count what stays as it is for the life of the process, and is met again and again."""
        kind = f"{where}: {type(error).__name__}" if error is not None else where
        if kind not in self.counts():
            self.count(where, error)

    def notice(self, text: str) -> None:
        """Say something that the application should know, once; it is shown among the faults."""
        with self._lock:
            first = text not in self._counts and len(self._counts) < _MOST_KINDS
            if first:
                self._counts[text] = 1
        if first:
            logger.warning("%s", text)

    def counts(self) -> dict[str, int]:
        """Faults so far, by place."""
        with self._lock:
            return dict(sorted(self._counts.items()))

    def clear(self) -> None:
        """Forget everything; for tests."""
        with self._lock:
            self._counts.clear()


FAULTS = Faults()


class guarded:  # noqa: N801  # it is read as a statement: ``with guarded("scope.open"):``
    """A fault inside is counted at ``where`` and goes no further; a budget's refusal is none.

    A class, since several stand in the way of every call and a generator costs three times as much.
    """

    __slots__ = ("_where",)

    def __init__(self, where: str) -> None:
        self._where = where

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> bool:
        if not isinstance(error, Exception) or isinstance(error, BudgetExceeded):
            return False
        FAULTS.count(self._where, error)
        return True
