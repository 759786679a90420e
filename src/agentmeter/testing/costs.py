"""What a piece of a program costs, for assertions: all that is metered in the process meanwhile."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Self

from agentmeter.model import Entry
from agentmeter.model.money import exact, plain
from agentmeter.pricing.tariff import Tariff
from agentmeter.report.report import Report, build
from agentmeter.runtime.counting import COUNTER
from agentmeter.runtime.ledger import Ledger


@dataclass(frozen=True, slots=True)
class MeteredCost:
    """Cost by currency, tokens in and out, calls; ``at_least`` where more is not known."""

    amounts: dict[str, Decimal] = field(default_factory=dict)
    tokens: int = 0
    calls: int = 0
    at_least: bool = False
    missing: tuple[str, ...] = ()
    """What has no price, in words."""

    @property
    def usd(self) -> Decimal:
        """The cost in US dollars, as far as it is known."""
        return self.amounts.get("USD", Decimal(0))

    def __bool__(self) -> bool:
        return bool(self.calls or self.amounts or self.missing)


class Metering:
    """All that is metered in this process inside; a context manager, which may be nested."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._entries: list[Entry] = []
        self._ledgers: dict[int, Ledger] = {}
        self._tariffs: dict[str, Tariff] = {}

    def __enter__(self) -> Self:
        Ledger.watchers = (*Ledger.watchers, self._heard)
        Ledger.stray_watchers = (*Ledger.stray_watchers, self._stray)
        return self

    def __exit__(self, *_: object) -> None:
        COUNTER.settle()
        Ledger.watchers = tuple(one for one in Ledger.watchers if one != self._heard)
        strays = (one for one in Ledger.stray_watchers if one != self._stray)
        Ledger.stray_watchers = tuple(strays)

    def _heard(self, ledger: Ledger, entry: Entry | None) -> None:
        if entry is not None:
            with self._lock:
                self._ledgers[id(ledger)] = ledger
                self._entries.append(entry)

    def _stray(self, entry: Entry, tariff: Tariff | None) -> None:
        with self._lock:
            self._entries.append(entry)
            if tariff is not None:
                self._tariffs[tariff.digest] = tariff

    def report(self) -> Report:
        """The report over what was metered so far, late counts included."""
        COUNTER.settle()
        with self._lock:
            entries, tariffs = list(self._entries), dict(self._tariffs)
            ledgers = list(self._ledgers.values())
        for ledger in ledgers:
            tariffs.update(ledger.priced_view()[1])
        return build(entries, tariffs)

    def cost(self) -> MeteredCost:
        """What it came to so far."""
        return cost_of(self.report())


def cost_of(report: Report) -> MeteredCost:
    """The figures of a report that assertions are about."""
    parts = [*report.requests, *([report.unattributed] if report.unattributed else [])]
    missing = [f"{one.model or 'a charge'}: {one.reason}" for part in parts for one in part.missing]
    return MeteredCost(
        report.amounts,
        report.usage.total_tokens,
        sum(part.calls for part in parts),
        any(part.missing or "at_least" in part.evidence for part in parts),
        tuple(dict.fromkeys(missing)),
    )


def too_much(
    cost: MeteredCost,
    usd: str | int | Decimal | None = None,
    tokens: int | None = None,
    calls: int | None = None,
) -> str | None:
    """What of a cost exceeds its limit, in words; ``None`` where nothing does.

    Where something has no price, no limit in US dollars can be shown to hold, and is said not to.
    """
    limit = None if usd is None else exact(usd, "usd")
    said = []
    if limit is not None and cost.usd > limit:
        said.append(f"${plain(cost.usd)} is more than ${plain(limit)}")
    elif limit is not None and cost.missing:
        said.append(f"${plain(cost.usd)} is not all: no price for {'; '.join(cost.missing)}")
    if tokens is not None and cost.tokens > tokens:
        said.append(f"{cost.tokens:,} tokens are more than {tokens:,}")
    if calls is not None and cost.calls > calls:
        said.append(f"{cost.calls:,} calls are more than {calls:,}")
    return ", ".join(said) or None


@contextmanager
def assert_cost_below(
    *,
    usd: str | int | Decimal | None = None,
    tokens: int | None = None,
    calls: int | None = None,
) -> Iterator[Metering]:
    """Fail with ``AssertionError`` if what is metered inside comes to more than a limit.

    A limit may be reached. All work of this process counts, of every thread. ``usd`` is ``str``,
    ``int`` or ``Decimal``; ``TypeError`` for a ``float``, and where there is no limit at all. An
    exception from inside goes on as it is.
    """
    if usd is None and tokens is None and calls is None:
        raise TypeError("assert_cost_below() needs a limit: usd=, tokens= or calls=")
    too_much(MeteredCost(), usd, tokens, calls)  # refuses a limit that cannot be, before the work
    with Metering() as metering:
        yield metering
    said = too_much(metering.cost(), usd, tokens, calls)
    if said is not None:
        raise AssertionError(f"cost: {said}")
