"""The end of a process: what is open then is ended, so that it is recorded, and all is written.

A child of ``multiprocessing`` leaves by ``os._exit``: it runs that module's finalizers and no
``atexit``, and it forgets every finalizer that was made before its own work began. So ours is made
when that begins, or at once where this module is loaded later still.
"""

import _thread
import atexit

# The tokenizer's library needs this module, and it can no longer be imported when a process ends.
import concurrent.futures.thread  # noqa: F401
import os
import signal
import sys
import threading
from typing import Protocol
from weakref import WeakSet

from agentmeter.latch import Latch
from agentmeter.runtime.counting import COUNTER
from agentmeter.runtime.faults import after_fork, guarded
from agentmeter.runtime.ledger import ledgers
from agentmeter.runtime.state import STATE


class Unfinished(Protocol):
    """Something open that can be ended with what is known of it so far."""

    def give_up(self) -> None:
        """End now; does nothing where the end has come already."""


_open: "WeakSet[Unfinished]" = WeakSet()


def until_exit(exchange: Unfinished) -> None:
    """End ``exchange`` at the latest when the process ends; forgotten once nobody else holds it."""
    _open.add(exchange)


def flush(timeout: float = 5.0) -> bool:
    """Write everything that is metered so far; whether it was done within ``timeout`` seconds."""
    settled = COUNTER.settle(timeout)
    return settled and (STATE.sink is None or STATE.sink.flush(timeout))


def end_on_sigterm() -> None:
    """End and write everything before a SIGTERM ends the process, where the application left its
    default action.

    That is done on a thread of its own, since the interrupted code may hold a lock that it needs,
    and on a bare one, since ``threading`` has such locks as well; two seconds are all it gets.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _terminated)


def _terminated(number: int, _: object) -> None:
    ended = Latch()

    def end() -> None:
        end_all()
        ended.set()

    with guarded("ending on SIGTERM"):
        _thread.start_new_thread(end, ())
        ended.wait(2)
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def end_all() -> None:
    """End what is open, leave a marker of the calls that nobody can end, and write everything."""
    for exchange in list(_open):
        with guarded("ending at exit"):
            exchange.give_up()
    with guarded("ending the process's request"):
        if STATE.process is not None:
            from agentmeter.runtime import process

            process.end()
    with guarded("open calls at exit"):
        if STATE.sink is not None:
            for opened in (one for ledger in ledgers() for one in ledger.still_open()):
                STATE.sink.put(opened)
    flush()


_waits = False


def _child_begins(_: object = None) -> None:
    from multiprocessing import util

    util.Finalize(None, end_all, exitpriority=0)


def _wait_for_children() -> None:
    """Have ``multiprocessing``, once it is there, tell every child of it when its work begins."""
    global _waits
    util = sys.modules.get("multiprocessing.util")
    if util is not None and not _waits:
        _waits = True
        util.register_after_fork(COUNTER, _child_begins)


def end_before_closing() -> None:
    """At the process's end, end what is open before whatever is registered by now is closed."""
    atexit.unregister(end_all)
    atexit.register(end_all)


end_before_closing()
after_fork(_wait_for_children)
_process = sys.modules.get("multiprocessing.process")
if _process is not None and _process.parent_process() is not None:
    _child_begins()
else:
    _wait_for_children()
