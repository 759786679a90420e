"""What threads need at odd moments: in the handler of a signal, and when the interpreter ends."""

import contextlib
import sys
import threading


def starts(thread: threading.Thread) -> bool:
    """Start a thread; whether that can still be done.

    An ending interpreter, in which generators that were left in the middle are closed, starts none:
    it raises or, before 3.12, waits for ever.
    """
    if sys.is_finalizing():
        return False
    try:
        thread.start()
    except RuntimeError:
        return False
    return True


class Latch:
    """What one thread waits for and another sets; a wait that sees it set takes it back.

    ``threading.Event`` holds a lock while it is set: the handler of a signal that came in between
    would wait for that for ever. Here every step is one of the interpreter's own.
    """

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def set(self) -> None:
        """Let the one who waits go on, now or when it comes to wait; twice is once."""
        with contextlib.suppress(RuntimeError):
            self._lock.release()

    def wait(self, timeout: float) -> bool:
        """Wait until it is set, at most ``timeout`` seconds; whether it was."""
        return self._lock.acquire(timeout=timeout)
