"""Exchanges that are still open when the process ends are ended then, so that they are recorded."""

import atexit

# The tokenizer's library needs this module, and it can no longer be imported when a process ends.
import concurrent.futures.thread  # noqa: F401
from typing import Protocol
from weakref import WeakSet

from agentmeter.runtime.counting import COUNTER
from agentmeter.runtime.faults import guarded
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


@atexit.register
def _end_all() -> None:
    for exchange in list(_open):
        with guarded("ending at exit"):
            exchange.give_up()
    flush()
