"""What a pricer is, and the two ways to compose them."""

import threading
from collections.abc import Callable
from typing import Protocol

from agentmeter.pricing.tariff import PriceKey, Rate, Tariff, Unpriced

_MOST = 4096


class Pricer(Protocol):
    """Answers a key with a tariff; the arithmetic is agentmeter's own."""

    def tariff(self, key: PriceKey) -> Tariff | Unpriced:
        """The tariff for ``key``, or why there is none."""


class Layered:
    """Pricers laid over each other: the first tariff wins, meters it lacks come from the next."""

    def __init__(self, *pricers: Pricer) -> None:
        self._pricers = pricers

    def tariff(self, key: PriceKey) -> Tariff | Unpriced:
        """The tariff of the first pricer that has one, filled up from those below it."""
        found: Tariff | None = None
        reasons: list[str] = []
        for pricer in self._pricers:
            answer = pricer.tariff(key)
            if isinstance(answer, Unpriced):
                reasons.append(answer.reason)
            elif found is None:
                found = answer
            elif answer.currency == found.currency:
                found = _filled(found, answer)
        return found or Unpriced("; ".join(dict.fromkeys(reasons)) or "no pricer has a tariff")


def _filled(upper: Tariff, lower: Tariff) -> Tariff:
    have = {rate.meter for rate in upper.rates}
    missing: tuple[Rate, ...] = tuple(rate for rate in lower.rates if rate.meter not in have)
    if not missing:
        return upper
    version = f"{upper.version} over {lower.version}"
    return Tariff(upper.key, upper.currency, version, upper.rates + missing)


class Cached:
    """A pricer's answers by key. A pricer that fails is counted and answers ``Unpriced``."""

    def __init__(
        self, pricer: Pricer, on_fault: Callable[[str, BaseException], None] | None = None
    ) -> None:
        self._pricer = pricer
        self._on_fault = on_fault
        self._lock = threading.Lock()
        self._known: dict[PriceKey, Tariff | Unpriced] = {}
        self.faults = 0

    def tariff(self, key: PriceKey) -> Tariff | Unpriced:
        """The answer for ``key``, asked for once."""
        known = self._known.get(key)
        if known is None:
            known = self._asked(key)
            with self._lock:
                if len(self._known) >= _MOST:
                    self._known.clear()
                self._known[key] = known
        return known

    def _asked(self, key: PriceKey) -> Tariff | Unpriced:
        name = type(self._pricer).__name__
        try:
            answer = self._pricer.tariff(key)
            if isinstance(answer, (Tariff, Unpriced)):
                return answer
            raise TypeError(f"answered {type(answer).__name__}, not a Tariff or Unpriced")
        except Exception as error:
            self.faults += 1
            if self._on_fault is not None:
                self._on_fault(f"pricer {name}", error)
            return Unpriced(f"pricer {name} failed: {type(error).__name__}: {error}")
