"""What a pricer is, and the two ways to compose them."""

import contextlib
import threading
from collections.abc import Callable
from typing import Protocol

from agentmeter.pricing.rows import laid_over, own, with_derived
from agentmeter.pricing.tariff import PriceKey, Tariff, Unpriced

_MOST = 4096


class Pricer(Protocol):
    """Answers a key with a tariff; the arithmetic is agentmeter's own."""

    def tariff(self, key: PriceKey) -> Tariff | Unpriced:
        """The tariff for ``key``, or why there is none."""


class Layered:
    """Pricers laid over each other: the first tariff wins.

    Meters and times that it does not cover come from the next one in the same currency. A meter
    that no pricer has a rate of its own for is billed at the uppermost rate of its whole.
    """

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
    stated = laid_over(own(upper.rates), own(lower.rates))
    if len(stated) == len(own(upper.rates)):
        return upper
    version = f"{upper.version} over {lower.version}"
    return Tariff(upper.key, upper.currency, version, with_derived(stated))


class Cached:
    """A pricer's answers by key, at most 4,096 of them; may be shared between threads.

    A pricer that raises, or answers with something else, is counted in ``faults``, told to
    ``on_fault`` (where, error), and answers ``Unpriced``.
    """

    def __init__(
        self, pricer: Pricer, on_fault: Callable[[str, BaseException], None] | None = None
    ) -> None:
        self._pricer = pricer
        self._on_fault = on_fault
        self._lock = threading.RLock()
        self._known: dict[PriceKey, Tariff | Unpriced] = {}
        self.faults = 0

    def tariff(self, key: PriceKey) -> Tariff | Unpriced:
        """The answer for ``key``; never raises."""
        known = self._known.get(key)
        if known is not None:
            return known
        answer = self._asked(key)
        with self._lock:
            while len(self._known) >= _MOST:
                del self._known[next(iter(self._known))]
            return self._known.setdefault(key, answer)

    def _asked(self, key: PriceKey) -> Tariff | Unpriced:
        try:
            return _checked(self._pricer.tariff(key))
        except Exception as error:
            where = f"pricer {type(self._pricer).__name__}"
            self._fault(where, error)
            return Unpriced(f"{where} failed: {type(error).__name__}")

    def _fault(self, where: str, error: Exception) -> None:
        with self._lock:
            self.faults += 1
        if self._on_fault is not None:
            with contextlib.suppress(Exception):
                self._on_fault(where, error)


def _checked(answer: object) -> Tariff | Unpriced:
    if isinstance(answer, (Tariff, Unpriced)):
        return answer
    raise TypeError(f"answered {type(answer).__name__}, not a Tariff or Unpriced")
