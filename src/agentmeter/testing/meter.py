"""A meter for one test: a fake clock, sequential ids, and entries kept in memory."""

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from agentmeter.model import Entry, Record
from agentmeter.pricing import Cached, Catalog, Pricer, Tariff
from agentmeter.report.report import Report, build
from agentmeter.runtime.counting import COUNTER
from agentmeter.runtime.faults import FAULTS
from agentmeter.runtime.ledger import running
from agentmeter.runtime.state import STATE
from agentmeter.semconv.fields import Attributes


@dataclass(slots=True)
class FakeClock:
    """A clock that moves one millisecond at every look; instants in ns since the epoch."""

    now: int = 1_790_000_000_000_000_000
    step: int = 1_000_000

    def __call__(self) -> int:
        """The next instant."""
        self.now += self.step
        return self.now


class SequentialIds:
    """Ids that count up: ``0000000000000001`` and so on."""

    def __init__(self) -> None:
        self._next = itertools.count(1)

    def __call__(self, size: int) -> str:
        """The next id, ``size`` bytes in hex."""
        return format(next(self._next), f"0{2 * size}x")


@dataclass(slots=True)
class Kept:
    """A sink that keeps entries in memory."""

    entries: list[Entry] = field(default_factory=list)
    tariffs: dict[str, Tariff] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def put(
        self,
        entry: Entry,
        tariff: Tariff | None = None,
        attributes: Attributes | None = None,
    ) -> None:
        """Keep an entry and its tariff; what its span says follows from the entry."""
        with self._lock:
            self.entries.append(entry)
            if tariff is not None:
                self.tariffs[tariff.digest] = tariff

    def flush(self, timeout: float = 5.0) -> bool:
        """Nothing is pending here."""
        return timeout >= 0

    def close(self) -> None:
        """Nothing is held."""

    @property
    def records(self) -> list[Record]:
        """The records among the entries, in the order they closed."""
        return [entry for entry in self.entries if isinstance(entry, Record)]

    def report(self) -> Report:
        """The report over everything kept, late counts included."""
        COUNTER.settle()
        return build(self.entries, self.tariffs, running=running())


_PRICES = Cached(Catalog())


@contextmanager
def metered(
    pricer: Pricer | None = None, *, fixed: bool = True, spans: bool = False
) -> Iterator[Kept]:
    """Meter into memory inside, with a fake clock and sequential ids where ``fixed``."""
    fields = (
        "sink",
        "reader",
        "pricer",
        "gate",
        "spans",
        "flush_on_close",
        "notices",
        "process",
        "now_ns",
        "new_id",
        "configured",
    )
    before = {name: getattr(STATE, name) for name in fields}
    kept = Kept()
    STATE.sink, STATE.reader, STATE.spans, STATE.flush_on_close = kept, None, spans, False
    STATE.pricer, STATE.gate, STATE.configured = pricer or _PRICES, None, True
    STATE.notices, STATE.process = False, None
    if fixed:
        STATE.now_ns, STATE.new_id = FakeClock(), SequentialIds()
    FAULTS.clear()
    try:
        yield kept
    finally:
        for name, value in before.items():
            setattr(STATE, name, value)
