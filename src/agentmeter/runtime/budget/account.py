"""Accounts: a budget at work, for one scope or for one user, tenant or plan in one period."""

import threading
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

from agentmeter.exceptions import BudgetExceeded
from agentmeter.model import Owner
from agentmeter.model.money import CONTEXT, plain
from agentmeter.runtime.budget.store import BudgetStore, Draw, Hold, Standing
from agentmeter.runtime.budget.value import MEASURES, Budget, BudgetRule
from agentmeter.runtime.faults import after_fork

_SECOND = 1_000_000_000
_COUNTING = threading.RLock()


def _unlocked() -> None:
    global _COUNTING
    _COUNTING = threading.RLock()


after_fork(_unlocked)


@dataclass(frozen=True, slots=True)
class Remaining:
    """What is left of the budgets above some code, the tightest of each measure.

    Neither spent nor reserved; ``None`` where nothing limits a measure. Never below zero.
    """

    usd: Decimal | None = None
    tokens: int | None = None
    calls: int | None = None
    seconds: Decimal | None = None

    def tightest(self, other: "Remaining") -> "Remaining":
        """The smaller of each measure."""
        return Remaining(
            *(_smaller(getattr(self, n), getattr(other, n)) for n in (*MEASURES, "seconds"))
        )


def _smaller(one: Any, other: Any) -> Any:
    known = [value for value in (one, other) if value is not None]
    return min(known) if known else None


class Account:
    """One budget at work. ``key`` names it in the store, ``place`` to people."""

    watcher: "ClassVar[Callable[[Account, str], None] | None]" = None
    """Who wants to know of every call that a budget refused, clamped, let past …"""

    def __init__(
        self,
        key: str,
        budget: Budget,
        place: str,
        store: BudgetStore,
        started_ns: int,
        until_ns: int | None = None,
    ) -> None:
        self.key = key
        self.budget = budget
        self.place = place
        self.store = store
        self.started_ns = started_ns
        self.until_ns = until_ns
        self.most = Draw()
        """The most that was spent and reserved together, as far as this process has seen."""
        self._told: Draw | None = None
        self.counts = dict.fromkeys(("exceeded", "refused", "clamped", "open_ended", "cut"), 0)
        weakref.finalize(self, store.forget, key).atexit = False

    @property
    def name(self) -> str:
        """The budget's name: its own, else that of its place."""
        return self.budget.name or self.place.partition(" ")[0]

    def hold(self, lease: str, need: Draw, *, pass_limits: bool, open_ended: bool) -> Hold:
        """What a call needs of this account."""
        if pass_limits:
            return Hold(self.key, lease, need)
        limit = self.budget.limit
        return Hold(
            self.key, lease, need, limit("usd"), limit("tokens"), limit("calls"), open_ended
        )

    def saw(self, standing: Standing) -> None:
        """Take note of how the account stands."""
        taken = standing.spent + standing.reserved
        with _COUNTING:
            self.most = self.most + taken.above(self.most)
            self._told = standing.spent if self._told is None else self._told

    def told_of(self, spent: Draw) -> Draw:
        """Take note of what is spent, for who watches; gives what was spent the last time.

        What others had spent when this process first asked is nobody's news.
        """
        with _COUNTING:
            before = self._told or Draw()
            self._told = before + spent.above(before)
        return before

    def counted(self, what: str) -> None:
        """One more call was refused, clamped, let past the limit …"""
        with _COUNTING:
            self.counts[what] += 1
        if Account.watcher is not None:
            Account.watcher(self, what)

    def spent(self) -> Draw:
        """What is spent, as the store says."""
        return self.store.standing([self.key])[0].spent

    def seconds_passed(self, now_ns: int) -> Decimal:
        """Seconds since the scope began."""
        return Decimal(max(0, now_ns - self.started_ns)).scaleb(-9, CONTEXT)

    def out_of_time(self, now_ns: int) -> bool:
        """Whether the budget's seconds have passed."""
        limit = self.budget.limit("seconds")
        return limit is not None and self.seconds_passed(now_ns) >= limit

    def too_late(self, now_ns: int) -> BudgetExceeded:
        """The error for a call after the budget's seconds."""
        return BudgetExceeded(
            budget=self.name,
            scope=self.place,
            measure="seconds",
            limit=self.budget.limit("seconds"),
            spent=self.seconds_passed(now_ns),
            reason="its time is over",
        )

    def too_little(
        self, measure: str, standing: Standing, need: Draw | None, reason: str | None
    ) -> BudgetExceeded:
        """The error for a call that there is no room for."""
        return BudgetExceeded(
            budget=self.name,
            scope=self.place,
            measure=measure,
            limit=self.budget.limit(measure),
            spent=getattr(standing.spent, measure),
            reserved=getattr(standing.reserved, measure),
            needed=None if need is None else getattr(need, measure),
            reason=reason,
        )

    def remaining(self, standing: Standing, now_ns: int) -> Remaining:
        """What is left."""
        taken = standing.spent + standing.reserved
        left = {name: _left(self.budget.limit(name), getattr(taken, name)) for name in MEASURES}
        passed = self.seconds_passed(now_ns)
        return Remaining(**left, seconds=_left(self.budget.limit("seconds"), passed))

    def told(self) -> dict[str, str]:
        """How the account stands, as attributes of its scope's record."""
        (standing,) = self.store.standing([self.key])
        told = {"budget": self.name}
        for measure in MEASURES:
            limit = self.budget.limit(measure)
            if limit is not None:
                told[f"budget.{measure}"] = _text(limit)
                told[f"budget.{measure}.spent"] = _text(getattr(standing.spent, measure))
                told[f"budget.{measure}.most"] = _text(getattr(self.most, measure))
        if (seconds := self.budget.limit("seconds")) is not None:
            told["budget.seconds"] = _text(seconds)
        counted = {f"budget.{name}": str(n) for name, n in self.counts.items() if n}
        return {**told, **counted}


def _left(limit: Any, taken: Any) -> Any:
    if limit is None:
        return None
    left = CONTEXT.subtract(limit, taken)
    return type(limit)(max(left, Decimal(0)))


def _text(value: Decimal | int) -> str:
    return plain(value) if isinstance(value, Decimal) else str(value)


class Rules:
    """The accounts of rules: one for each user, tenant … and period that calls were made in."""

    def __init__(self, rules: tuple[BudgetRule, ...], store: BudgetStore) -> None:
        self._rules = rules
        self._store = store
        self._accounts: dict[str, Account] = {}
        self._sweep_at = 1024

    def accounts(self, owner: Owner, now_ns: int) -> tuple[Account, ...]:
        """The accounts that work for ``owner`` is held to now."""
        held = ((rule, _value(owner, rule.by)) for rule in self._rules if _is_for(rule, owner))
        return tuple(self._account(rule, who, now_ns) for rule, who in held if who is not None)

    def _account(self, rule: BudgetRule, who: str, now_ns: int) -> Account:
        start, until = period(rule.per, now_ns)
        key = f"rule/{rule.name or f'{rule.by} per {rule.per}'}/{_scope(rule)}/{who}/{start}"
        account = self._accounts.get(key)
        if account is None:
            place = (
                f"{rule.by} {who!r} per {rule.per}" if rule.by != "all" else f"all per {rule.per}"
            )
            made = Account(key, rule, place, self._store, now_ns, until)
            account = self._accounts.setdefault(key, made)
            self._sweep(now_ns)
        return account

    def in_force(self, now_ns: int) -> list[Account]:
        """The accounts of periods that are not over."""
        known = list(self._accounts.values())
        return [one for one in known if one.until_ns is None or one.until_ns > now_ns]

    def _sweep(self, now_ns: int) -> None:
        """Let go of periods that are over, now and then."""
        if len(self._accounts) < self._sweep_at:
            return
        over = [
            key
            for key, one in list(self._accounts.items())
            if one.until_ns and one.until_ns < now_ns
        ]
        for key in over:
            self._accounts.pop(key, None)
        self._sweep_at = max(1024, 2 * len(self._accounts))


def _scope(rule: BudgetRule) -> str:
    """What the rule is limited to, so that two rules alike keep accounts of their own."""
    return ",".join(f"{name}={value}" for name, value in sorted(rule.where.items()))


def _value(owner: Owner, by: str) -> str | None:
    if by == "all":
        return "all"
    if by.startswith("tag:"):
        return owner.tags.get(by.removeprefix("tag:"))
    value: str | None = getattr(owner, by)
    return value


def _is_for(rule: BudgetRule, owner: Owner) -> bool:
    return all(_value(owner, name) == value for name, value in rule.where.items())


def period(per: str, at_ns: int) -> tuple[str, int | None]:
    """The calendar period in UTC that an instant lies in: its name, and when it is over."""
    at = datetime.fromtimestamp(at_ns // _SECOND, UTC)
    if per == "ever":
        return "ever", None
    start = at.replace(minute=0, second=0)
    if per != "hour":
        start = start.replace(hour=0)
    if per == "week":
        start -= timedelta(days=start.weekday())
    if per in ("month", "year"):
        start = start.replace(day=1)
    if per == "year":
        start = start.replace(month=1)
    return f"{start:%Y-%m-%dT%H}", int(_next(per, start).timestamp()) * _SECOND


def _next(per: str, start: datetime) -> datetime:
    if per == "month":
        return (start + timedelta(days=31)).replace(day=1)
    if per == "year":
        return start.replace(year=start.year + 1)
    days: Mapping[str, timedelta] = {
        "hour": timedelta(hours=1),
        "day": timedelta(days=1),
        "week": timedelta(days=7),
    }
    return start + days[per]
