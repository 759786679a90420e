"""Who keeps the figures of budgets: the protocol, and the one that keeps them in this process."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Any, Literal, Protocol

from agentmeter.model.money import CONTEXT
from agentmeter.runtime.budget.value import MEASURES, Budget
from agentmeter.runtime.faults import after_fork

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Draw:
    """What is taken from a budget: US dollars, tokens in and out, calls."""

    usd: Decimal = _ZERO
    tokens: int = 0
    calls: int = 0

    def __add__(self, other: "Draw") -> "Draw":
        usd = CONTEXT.add(self.usd, other.usd)
        return Draw(usd, self.tokens + other.tokens, self.calls + other.calls)

    def __sub__(self, other: "Draw") -> "Draw":
        usd = CONTEXT.subtract(self.usd, other.usd)
        return Draw(usd, self.tokens - other.tokens, self.calls - other.calls)

    def above(self, other: "Draw") -> "Draw":
        """What this has beyond ``other``, measure by measure."""
        beyond = self - other
        return Draw(max(beyond.usd, _ZERO), max(beyond.tokens, 0), max(beyond.calls, 0))

    def part(self, weight: int, of: int) -> "Draw":
        """The part of one that shares, rounded up: to whole counts, to 10^-12 dollars."""
        if weight == of:
            return self
        usd = CONTEXT.divide(CONTEXT.multiply(self.usd.scaleb(12, CONTEXT), weight), of)
        whole = usd.to_integral_value(ROUND_CEILING, CONTEXT).scaleb(-12, CONTEXT)
        return Draw(whole, _ceil(self.tokens * weight, of), _ceil(self.calls * weight, of))


def _ceil(value: int, of: int) -> int:
    return -(-value // of)


NOTHING = Draw()


@dataclass(frozen=True, slots=True)
class Hold:
    """What a call needs of one account, and what that allows; no limit where it may be passed."""

    key: str
    lease: str
    need: Draw
    usd: Decimal | None = None
    tokens: int | None = None
    calls: int | None = None
    open_ended: bool = False
    """Whether the call may take more than ``need``, nobody knows how much."""

    def lacking(self, spent: Draw, reserved: Draw) -> str | None:
        """The measure that there is not enough left of, if any."""
        after = spent + reserved + self.need
        for measure in MEASURES:
            limit, taken = getattr(self, measure), getattr(after, measure)
            needed = getattr(self.need, measure)
            if limit is None:
                continue
            if (needed and taken > limit) or (self.open_ended and not needed and taken >= limit):
                return measure
        return None


@dataclass(frozen=True, slots=True)
class Standing:
    """How an account stands: what was spent, and what calls under way may yet spend."""

    spent: Draw = NOTHING
    reserved: Draw = NOTHING


@dataclass(frozen=True, slots=True)
class Refused:
    """Which hold there was no room for, in what measure, and how its account stood."""

    index: int
    measure: str
    standing: Standing


class BudgetStore(Protocol):
    """Keeps what is spent and reserved, by account. Every method is atomic over all its accounts.

    A store that cannot be reached raises ``OSError``.
    """

    remote: bool
    """Whether a look at it waits for a network."""
    lost: Literal["allow", "refuse"]
    """What happens to a call while the store cannot be reached."""

    def reserve(self, holds: Sequence[Hold]) -> Refused | tuple[Standing, ...]:
        """Reserve all of ``holds``, beside what their leases hold already; or none of them."""

    def settle(self, lease: str, spent: Mapping[str, Draw]) -> None:
        """Release what ``lease`` holds of the accounts, and charge them what was spent."""

    def charge(self, spent: Mapping[str, Draw]) -> None:
        """Charge what is known later; may be negative."""

    def standing(self, keys: Sequence[str]) -> tuple[Standing, ...]:
        """How accounts stand."""

    def forget(self, key: str) -> None:
        """Nobody in this process will ask for the account again."""

    def check(self, budget: Budget) -> None:
        """Raise ``ConfigurationError`` for limits that cannot be held exactly."""

    def announce(self, request_id: str, told: Mapping[str, Any]) -> None:
        """Tell whoever continues a request in another process what it is held to."""

    def announced(self, request_id: str) -> Mapping[str, Any] | None:
        """What a request is held to that was begun in another process."""


class MemoryBudgets:
    """Keeps the figures in this process, exactly, under one lock."""

    remote = False
    lost: Literal["allow", "refuse"] = "allow"

    def __init__(self) -> None:
        self._accounts: dict[str, _Account] = {}
        self._anew()
        after_fork(self._anew)

    def _anew(self) -> None:
        # Re-entrant, since a dropped account is forgotten wherever the collector happens to run.
        self._lock = threading.RLock()

    def reserve(self, holds: Sequence[Hold]) -> Refused | tuple[Standing, ...]:
        """Reserve all or nothing."""
        with self._lock:
            accounts = [self._accounts.setdefault(one.key, _Account()) for one in holds]
            for index, (one, account) in enumerate(zip(holds, accounts, strict=True)):
                lacking = one.lacking(account.spent, account.reserved)
                if lacking is not None:
                    return Refused(index, lacking, account.standing())
            for one, account in zip(holds, accounts, strict=True):
                account.hold(one.lease, one.need)
            return tuple(account.standing() for account in accounts)

    def settle(self, lease: str, spent: Mapping[str, Draw]) -> None:
        """Release and charge."""
        with self._lock:
            for key, draw in spent.items():
                account = self._accounts.setdefault(key, _Account())
                account.release(lease)
                account.spent += draw

    def charge(self, spent: Mapping[str, Draw]) -> None:
        """Charge what is known later."""
        with self._lock:
            for key, draw in spent.items():
                self._accounts.setdefault(key, _Account()).spent += draw

    def standing(self, keys: Sequence[str]) -> tuple[Standing, ...]:
        """How accounts stand; one that nothing was reserved of stands at nothing."""
        with self._lock:
            known = [self._accounts.get(key) for key in keys]
            return tuple(one.standing() if one is not None else Standing() for one in known)

    def forget(self, key: str) -> None:
        """Drop an account."""
        with self._lock:
            self._accounts.pop(key, None)

    def check(self, budget: Budget) -> None:
        """Every limit is held exactly."""

    def announce(self, request_id: str, told: Mapping[str, Any]) -> None:
        """Nobody else looks in here."""

    def announced(self, request_id: str) -> Mapping[str, Any] | None:
        """Nobody else has written here."""
        return None

    def __reduce__(self) -> tuple[Any, ...]:
        return MemoryBudgets, ()  # another process keeps figures of its own


class _Account:
    """The figures of one account; used under the store's lock."""

    __slots__ = ("_leases", "reserved", "spent")

    def __init__(self) -> None:
        self.spent = self.reserved = NOTHING
        self._leases: dict[str, Draw] = {}

    def hold(self, lease: str, need: Draw) -> None:
        self._leases[lease] = self._leases.get(lease, NOTHING) + need
        self.reserved += need

    def release(self, lease: str) -> None:
        self.reserved -= self._leases.pop(lease, NOTHING)

    def standing(self) -> Standing:
        return Standing(self.spent, self.reserved)
