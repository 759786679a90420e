"""Reservations: what a call was let in for, until the truth of it is known, and after."""

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from agentmeter.model import Call, Evidence, Extent, Usage
from agentmeter.runtime.budget.account import Account
from agentmeter.runtime.budget.demand import Worst
from agentmeter.runtime.budget.store import NOTHING, BudgetStore, Draw

if TYPE_CHECKING:
    from agentmeter.pricing.tariff import Tariff


@dataclass(frozen=True, slots=True)
class Part:
    """An account, and the part of a call that falls to it: ``weight`` of ``of``."""

    account: Account
    weight: int = 1
    of: int = 1

    def of_draw(self, draw: Draw) -> Draw:
        """The account's part of what is taken."""
        return draw.part(self.weight, self.of)


class Reservation:
    """What one call holds of its accounts.

    A call inside it draws on the same reservation, which is widened only where the calls inside
    need more than it holds; so what is nested is reserved once.
    """

    def __init__(
        self, store: BudgetStore, lease: str, parts: tuple[Part, ...], worst: Worst
    ) -> None:
        self.lease = lease
        self.parts = parts
        self.total = worst.all
        """What is held; more than the call's worst case where the calls inside need more."""
        self.output_limit: int | None = None
        """The tokens of output that were let in, where that is less than was asked for."""
        self.stream_limit: int | None = None
        """The tokens of output after which the stream is to be cut."""
        self.outer: Reservation | None = None
        self.lock = threading.RLock()
        self.begun_inside = NOTHING
        self._spent_inside = NOTHING
        self._used_inside = Usage()
        self._store = store
        self._worst = worst
        self._settled: Draw | None = None
        self._known: tuple[Call, Tariff | None, int] | None = None

    @property
    def taken_inside(self) -> Draw:
        """What the calls inside have spent, and may yet spend."""
        return self._spent_inside + self.begun_inside

    @property
    def accounts(self) -> "tuple[Account, ...]":
        """Every account that the call is held to, by this reservation or those around it."""
        return tuple(part.account for level in self.levels() for part in level.parts)

    def levels(self) -> "Iterator[Reservation]":
        """The reservation, and those that it draws on, from the inside out."""
        level: Reservation | None = self
        while level is not None:
            yield level
            level = level.outer

    def settle(self, call: Call | None, tariff: "Tariff | None", started_ns: int) -> None:
        """The call is over: charge what it took, and let go of the rest; nothing without a call."""
        with self.lock:
            if self._settled is not None:
                return
            truth, usage = NOTHING, Usage()
            if call is not None:
                self._known = (call, tariff, started_ns)
                truth, usage = self._truth(call, tariff, started_ns)
            self._settled = truth
            charged = truth + self.begun_inside
            self._store.settle(self.lease, self._shares(charged))
            if self.outer is not None:
                self.outer.ended_inside(self.total, charged, usage)

    def ended_inside(self, let_in: Draw, truth: Draw, usage: Usage) -> None:
        """A call inside is over; where this one was over before, the difference is charged."""
        with self.lock:
            self.begun_inside -= let_in
            self._spent_inside += truth
            self._used_inside = self._used_inside + usage
            if self._settled is not None:
                self._settled += truth
                self._charge(truth - let_in)

    def amend(
        self, usage: Usage, evidence: Mapping[str, Evidence], tariff: "Tariff | None"
    ) -> None:
        """The call's usage is better known than it was when it ended."""
        with self.lock:
            if self._settled is None or self._known is None:
                return
            call, known_tariff, started_ns = self._known
            call = _amended(call, usage, evidence)
            self._known = (call, tariff or known_tariff, started_ns)
            truth, _ = self._truth(*self._known)
            change, self._settled = truth - self._settled, truth
            self._charge(change)

    def _charge(self, change: Draw) -> None:
        if change == NOTHING:
            return
        self._store.charge(self._shares(change))
        if self.outer is not None:
            self.outer.ended_inside(NOTHING, change, Usage())

    def _truth(self, call: Call, tariff: "Tariff | None", started_ns: int) -> tuple[Draw, Usage]:
        """What was taken; a side that nobody knows counts at its worst, since it is not zero."""
        if self.taken_inside != NOTHING:
            call = replace(call, usage=call.usage.excess_over(self._used_inside))
            truth = self._spent_inside + _priced(call, tariff, started_ns)
            return truth, self._used_inside + call.usage
        truth = _priced(call, tariff, started_ns) + Draw(calls=self._worst.all.calls)
        for side in ("input", "output"):
            known = call.evidence.get(side)
            if known is not None and known.extent is Extent.UNKNOWN:
                truth += getattr(self._worst, side)
        return truth, call.usage

    def _shares(self, draw: Draw) -> dict[str, Draw]:
        return {part.account.key: part.of_draw(draw) for part in self.parts}


def _priced(call: Call, tariff: "Tariff | None", started_ns: int) -> Draw:
    usd = Decimal(0)
    if call.charge is not None:
        usd = call.charge.amount if call.charge.currency == "USD" else usd
    elif tariff is not None and tariff.currency == "USD" and call.usage:
        from agentmeter.pricing.cost import price

        usd = price(call.usage, tariff.quote(started_ns, call.usage.total_input)).amount
    return Draw(usd, call.usage.total_tokens)


def _amended(call: Call, usage: Usage, evidence: Mapping[str, Evidence]) -> Call:
    """``call`` with what is known better laid over it, meter by meter."""
    quantities, known = dict(call.usage), dict(call.evidence)
    for meter, told in evidence.items():
        if meter not in known or told.rank >= known[meter].rank:
            known[meter] = told
            quantities[meter] = usage.get(meter, 0)
    return replace(call, usage=Usage(quantities), evidence=known)
