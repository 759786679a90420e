"""Loops that repeat themselves: the same call, or a tool with the same arguments, in a request."""

import hashlib
import os
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any
from weakref import WeakKeyDictionary

from agentmeter.model import Entry, Opened, Record
from agentmeter.runtime.alerts.events import subscribers
from agentmeter.runtime.faults import FAULTS, after_fork
from agentmeter.runtime.ledger import Ledger

_MOST = 4_096
"""Different calls and tools that are counted of a request."""
_KEY = os.urandom(32)
"""Arguments may be short and secret: what is kept of them cannot be guessed at."""

_Seen = Counter[tuple[str, str]]
_seen: "WeakKeyDictionary[Ledger, _Seen]" = WeakKeyDictionary()
_lock = threading.RLock()


def _unlocked() -> None:
    global _lock
    _lock = threading.RLock()


after_fork(_unlocked)


def watch(ledger: Ledger, entry: Entry | None) -> None:
    """Count a call by the digest of what it asked, whenever that becomes known."""
    digest = None if ledger.shares else _digest_of(entry)
    if digest is not None:
        _count(ledger, "call", digest, {})


def tool_ran(ledger: Ledger, name: str, arguments: Callable[[], Mapping[str, Any]]) -> None:
    """Count a tool by its name and arguments."""
    text = repr((name, sorted(arguments().items()))).encode("utf-8", "backslashreplace")
    digest = hashlib.blake2b(text, key=_KEY, digest_size=16).hexdigest()
    _count(ledger, "tool", digest, {"tool": name})


def _digest_of(entry: Entry | None) -> str | None:
    if entry is None or isinstance(entry, Opened):
        return None
    if isinstance(entry, Record):
        return entry.call.input_digest if entry.call is not None else None
    return entry.input_digest


def _count(ledger: Ledger, kind: str, digest: str, facts: Mapping[str, str]) -> None:
    with _lock:
        seen = _seen.setdefault(ledger, Counter())
        key = (kind, digest)
        if key not in seen and len(seen) >= _MOST:
            FAULTS.count("loop.repeats: a request makes too many different calls to count")
            return
        seen[key] += 1
        times = seen[key]
    for one in subscribers("loop.repeats"):
        if times == one.conditions["times"]:
            one.tell(ledger, {"kind": kind, "times": times, **facts})
