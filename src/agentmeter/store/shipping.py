"""Our own records to a collector over OTLP/HTTP, unsampled, beside the journal or instead of it.

Entries are batched off the caller's thread. What the collector does not take now is tried again,
when it says so or after longer and longer pauses; what it refuses, and what found no room or could
not be brought within a minute, is counted, never raised and never silently gone.
"""

import atexit
import gzip
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from agentmeter.exceptions import ConfigurationError
from agentmeter.model import Entry
from agentmeter.pricing.tariff import Tariff
from agentmeter.semconv.fields import Attributes, SpanFields
from agentmeter.semconv.writing import fields_of
from agentmeter.store.delivery import Answer, Collector
from agentmeter.store.lines import tariff_fields
from agentmeter.store.protobuf import export_request, messages
from agentmeter.store.queued import Item, Queue

_Fault = Callable[[str, BaseException | None, int], None]

FULL = "otlp: queue full, entries dropped"
UNDELIVERED = "otlp: entries dropped, the collector could not be reached"
REFUSED = "otlp: entries refused by the collector"
ENCODE = "otlp: entries that could not be encoded"
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
        self._queue = Queue("agentmeter-otlp", _PAUSE, self._ship)
        self._sending = threading.Lock()
        self._under_way = 0
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
        if len(self._queue) >= self._most:
            self._lose(FULL, None, 1)
            return
        self._queue.put((entry, tariff, attributes))

    def flush(self, timeout: float = 5.0) -> bool:
        """Send all that was put so far; whether the collector took it within ``timeout`` seconds.

        False as well where entries were refused or dropped since the last flush.
        """
        if self._queue.is_attended and not self._queue.settle(timeout):
            return False
        lost, self._lost = self._lost, False
        return not lost

    def close(self, timeout: float = 5.0) -> None:
        """Flush, once more and without long waits, and let go of the thread.

        What a collector that does not answer has kept from being sent by then is counted as lost.
        """
        self._closing = True
        self.flush(timeout)
        if self._queue.stop():
            self._closing = False
        else:
            self._lose(UNDELIVERED, None, self._queue.drop() + self._under_way)
        self.collector.close()

    # -- the sender's side -----------------------------------------------------------------------

    def _ship(self, batch: list[Item]) -> None:
        with self._sending:
            self._under_way = len(batch)
            try:
                self._deliver(self._spans(batch))
            except Exception as error:
                self._lose(ENCODE, error, len(batch))
            self._under_way = 0

    def _spans(self, batch: list[Item]) -> list[SpanFields]:
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
            late = time.monotonic() - began + pause > self._patience
            if late or self._closing or sys.is_finalizing():
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
            self._told.at.clear()  # the tariffs may have been among them
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
        raise ConfigurationError(f"otlp: {error}") from error


def headers_of(given: Mapping[str, str] | str | None, token: str | None) -> dict[str, str]:
    """Headers from a mapping or from ``name=value,name=value``, and a bearer token.

    Raises ``ValueError`` for a part that is no pair.
    """
    if isinstance(given, str):
        pairs = [one.partition("=") for one in given.split(",") if one.strip()]
        if any(not middle for _, middle, _ in pairs):
            raise ValueError("headers: expected name=value, with a comma between several")
        headers = {name.strip(): value.strip() for name, _, value in pairs}
    elif isinstance(given, Mapping) or given is None:
        headers = dict(given or {})
    else:
        raise ValueError("headers: expected a table of names and values, or name=value")
    return {**headers, "Authorization": f"Bearer {token}"} if token else headers
