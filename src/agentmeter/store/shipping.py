"""Our own records to a collector over OTLP/HTTP, unsampled, beside the journal or instead of it.

Entries are batched off the caller's thread. What the collector does not take now is tried again,
when it says so or after longer and longer pauses; what it refuses, and what found no room or could
not be brought within a minute, is counted, never raised and never silently gone.
"""

import atexit
import gzip
import os
import queue
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from agentmeter.exceptions import ConfigurationError
from agentmeter.latch import Latch
from agentmeter.model import Entry
from agentmeter.pricing.tariff import Tariff
from agentmeter.semconv.fields import Attributes, SpanFields
from agentmeter.semconv.writing import fields_of
from agentmeter.store.delivery import Answer, Collector
from agentmeter.store.lines import tariff_fields
from agentmeter.store.protobuf import export_request, messages

_Item = tuple[Entry, Tariff | None, Attributes | None]
_Fault = Callable[[str, BaseException | None, int], None]

FULL = "otlp: queue full, entries dropped"
UNDELIVERED = "otlp: entries dropped, the collector could not be reached"
REFUSED = "otlp: entries refused by the collector"
ENCODE = "otlp: entries that could not be encoded"
_BATCH = 512
_PAUSE = 0.5
"""Seconds in which entries come together."""
_MOST = 100_000
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 15.0
_PATIENCE = 60.0
"""Seconds for which a batch is tried again."""
_TOLD_AGAIN = 86_400.0
"""Seconds after which a tariff is told once more: a table forgets what is old."""


@dataclass(slots=True)
class _Told:
    """When each tariff was last told of, in seconds of a clock that only goes forward."""

    at: dict[str, float]

    def needs(self, tariff: Tariff, now: float) -> bool:
        """Whether the collector has to be told of a tariff now."""
        last = self.at.get(tariff.digest)
        if last is not None and now - last < _TOLD_AGAIN:
            return False
        self.at[tariff.digest] = now
        return True


class Shipping:
    """A sink that sends to a collector. ``on_fault(where, error, entries)`` counts what is lost."""

    def __init__(
        self,
        collector: Collector,
        on_fault: _Fault,
        *,
        now_ns: Callable[[], int] = time.time_ns,
        most: int = _MOST,
        patience: float = _PATIENCE,
    ) -> None:
        self.collector = collector
        self._on_fault = on_fault
        self._now_ns = now_ns
        self._most = most
        self._patience = patience
        self._begin()
        atexit.register(self.close)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        """A queue and a thread of one's own: here, and in a forked child."""
        self._queue: queue.SimpleQueue[_Item | Latch] = queue.SimpleQueue()
        self._lock = threading.RLock()
        self._sending = threading.Lock()
        self._wake = Latch()
        self._thread: threading.Thread | None = None
        self._told = _Told({})
        self._lost = False
        self._closing = False
        self.collector.anew()

    # -- the caller's side -----------------------------------------------------------------------

    def put(
        self,
        entry: Entry,
        tariff: Tariff | None = None,
        attributes: Attributes | None = None,
    ) -> None:
        """Queue an entry and the tariff it names; never waits for the collector."""
        if self._queue.qsize() >= self._most:
            self._lose(FULL, None, 1)
            return
        self._queue.put((entry, tariff, attributes))
        if self._thread is None:
            self._start()

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._closing = False
                thread = threading.Thread(target=self._work, name="agentmeter-otlp", daemon=True)
                self._thread = thread
                thread.start()

    def flush(self, timeout: float = 5.0) -> bool:
        """Send all that was put so far; whether the collector took it within ``timeout`` seconds.

        False as well where entries were refused or dropped since the last flush.
        """
        if self._thread is not None:
            done = Latch()
            self._queue.put(done)
            self._wake.set()
            if not done.wait(timeout):
                return False
        lost, self._lost = self._lost, False
        return not lost

    def close(self) -> None:
        """Flush, once more and without long waits, and let go of the thread."""
        self._closing = True
        self.flush()
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            self._queue.put(Latch())
            thread.join(1)
        self.collector.close()

    # -- the sender's side -----------------------------------------------------------------------

    def _work(self) -> None:
        while self._thread is threading.current_thread():
            first = self._queue.get()
            if not isinstance(first, Latch):
                self._wake.wait(_PAUSE)
            self._send_all(first)

    def _send_all(self, first: _Item | Latch | None) -> None:
        item = first
        while item is not None:
            batch: list[_Item] = []
            while item is not None and not isinstance(item, Latch):
                batch.append(item)
                item = self._next() if len(batch) < _BATCH else None
            if batch:
                self._ship(batch)
            if isinstance(item, Latch):
                item.set()
            item = self._next()

    def _next(self) -> _Item | Latch | None:
        try:
            return self._queue.get_nowait()
        except queue.Empty:
            return None

    def _ship(self, batch: list[_Item]) -> None:
        with self._sending:
            try:
                self._deliver(self._spans(batch))
            except Exception as error:
                self._lose(ENCODE, error, len(batch))

    def _spans(self, batch: list[_Item]) -> list[SpanFields]:
        spans: list[SpanFields] = []
        for entry, tariff, attributes in batch:
            try:
                if tariff is not None and self._told.needs(tariff, time.monotonic()):
                    spans.append(_dated(tariff_fields(tariff), self._now_ns()))
                spans.append(fields_of(entry, attributes))
            except Exception as error:
                self._lose(ENCODE, error, 1)
        return spans

    def _deliver(self, spans: list[SpanFields]) -> None:
        """Send spans until the collector has taken or refused them, or patience is at its end."""
        body = gzip.compress(export_request(spans), 1)
        began, wait = time.monotonic(), _FIRST_WAIT
        while True:
            answer = self.collector.send(body)
            if answer.too_large and len(spans) > 1:
                middle = len(spans) // 2
                self._deliver(spans[:middle])
                self._deliver(spans[middle:])
                return
            if not answer.again:
                self._settle(answer, len(spans))
                return
            pause = max(answer.after or 0.0, wait)
            if self._closing or time.monotonic() - began + pause > self._patience:
                self._told.at.clear()  # the tariffs may have been among them
                self._lose(UNDELIVERED, answer.error, len(spans))
                return
            self._pause(pause)
            wait = min(2 * wait, _LONGEST_WAIT)

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self._closing and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, 0.1))

    def _settle(self, answer: Answer, sent: int) -> None:
        refused = sent if answer.refused is None else min(answer.refused, sent)
        if refused:
            said = f" ({answer.said:.120})" if answer.said else ""
            self._lose(REFUSED + said, None, refused)

    def _lose(self, where: str, error: BaseException | None, entries: int) -> None:
        self._lost = True
        self._on_fault(where, error, entries)


def _dated(fields: SpanFields, at_ns: int) -> SpanFields:
    """A tariff's span, of now: a table drops what is older than it keeps."""
    return replace(fields, started_ns=at_ns, ended_ns=at_ns)


def collector_at(
    endpoint: str, headers: Mapping[str, str] | str | None, token: str | None
) -> Collector:
    """The collector at an address. Raises ``ConfigurationError`` for what cannot be used."""
    messages()
    try:
        return Collector(endpoint, headers_of(headers, token))
    except ValueError as error:
        raise ConfigurationError(f"otlp (AGENTMETER_OTLP): {error}") from error


def headers_of(given: Mapping[str, str] | str | None, token: str | None) -> dict[str, str]:
    """Headers from a mapping or from ``name=value,name=value``, and a bearer token.

    Raises ``ValueError`` for a part that is no pair.
    """
    if isinstance(given, str):
        pairs = [one.partition("=") for one in given.split(",") if one.strip()]
        if any(not middle for _, middle, _ in pairs):
            raise ValueError("headers: expected name=value, with a comma between several")
        headers = {name.strip(): value.strip() for name, _, value in pairs}
    else:
        headers = dict(given or {})
    return {**headers, "Authorization": f"Bearer {token}"} if token else headers
