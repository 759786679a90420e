"""Budgets that many processes and hosts share through Redis.

Amounts are whole nano-dollars there; a cost that is finer counts as the next whole one, so that
what is counted is never less than the truth. What a call may take is held by a lease, which its
process renews while the call runs.
"""

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Literal

from agentmeter.exceptions import ConfigurationError
from agentmeter.model.money import CONTEXT
from agentmeter.runtime.budget.store import Draw, Hold, Refused, Standing
from agentmeter.runtime.budget.value import MEASURES, Budget
from agentmeter.runtime.faults import after_fork, guarded

if TYPE_CHECKING:
    import redis

_MOST = 2**53 - 1
"""Redis compares in doubles, which hold every integer up to this one: 9,007,199 dollars."""
_KEPT = 400 * 86_400
"""Seconds for which an account that nobody uses is kept: a year, and some."""
_PAUSE = 1.0
"""Seconds for which a store that was lost is not tried again, so that no call waits for it."""
_RENEWALS = 3
"""So often a lease is renewed before it would run out."""


class RedisBudgets:
    """Keeps the figures of budgets in Redis: ``configure(budget_store=RedisBudgets(url))``.

    ``lease`` is for how many seconds what a call holds stays held after its process has died.
    Then, with ``expired="charge"``, it is charged at its worst case, since such a call may have
    been billed; with ``"release"`` it is let go of, and a budget may be passed by as much as was
    under way. ``lost`` says what happens to calls while Redis cannot be reached: ``allow`` lets
    them go on unheld, ``refuse`` raises ``BudgetExceeded``; both are counted. ``prefix`` begins
    every key; ``timeout`` is how many seconds a call waits for Redis. ``now_ms`` takes the place of
    the server's clock.

    Needs the package ``redis``. Raises ``ConfigurationError`` where it is missing, or the URL is
    none.
    """

    remote = True

    def __init__(
        self,
        url: str,
        *,
        lease: int = 60,
        lost: Literal["allow", "refuse"] = "allow",
        expired: Literal["charge", "release"] = "charge",
        prefix: str = "agentmeter",
        timeout: float = 1.0,
        now_ms: Callable[[], int] | None = None,
    ) -> None:
        _check("lost", lost, ("allow", "refuse"))
        _check("expired", expired, ("charge", "release"))
        if isinstance(lease, bool) or not isinstance(lease, int) or lease < 1:
            raise ConfigurationError(f"lease: expected whole seconds, at least 1, got {lease!r}")
        self.lost: Literal["allow", "refuse"] = lost
        self._given = {
            "url": url,
            "lease": lease,
            "lost": lost,
            "expired": expired,
            "prefix": prefix,
            "timeout": timeout,
            "now_ms": now_ms,
        }
        self._lease_ms = lease * 1000
        self._charges = "1" if expired == "charge" else "0"
        self._prefix = f"{{{prefix}}}"  # in braces: one slot of a cluster
        self._now_ms = now_ms
        self._client = _client(url, timeout)
        self._scripts = {name: self._client.register_script(_source(name)) for name in _SCRIPTS}
        self._lost_until = 0.0
        self._anew()
        after_fork(self._anew)

    def _anew(self) -> None:
        self._lock = threading.RLock()
        self._held: dict[str, tuple[str, ...]] = {}
        self._renewing = False

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (self._given,)

    def check(self, budget: Budget) -> None:
        """Raise ``ConfigurationError`` for limits that cannot be held exactly."""
        for measure in MEASURES:
            limit = budget.limit(measure)
            if limit is None:
                continue
            units = limit.scaleb(9, CONTEXT) if measure == "usd" else limit
            if units != int(units):
                raise ConfigurationError(
                    f"{measure}: {limit} is finer than a nano-dollar, which is what Redis counts in"
                )
            if units > _MOST:
                raise ConfigurationError(
                    f"{measure}: {limit:,} is more than Redis compares exactly "
                    f"(9,007,199 dollars, {_MOST:,} tokens or calls)"
                )

    def reserve(self, holds: Sequence[Hold]) -> Refused | tuple[Standing, ...]:
        """Reserve all or nothing, in one script."""
        arguments: list[str] = [self._now(), self._charges, str(self._lease_ms), str(_KEPT)]
        for one in holds:
            limits = (_limit(one.usd, 9), _limit(one.tokens), _limit(one.calls))
            arguments += [one.lease, *_units(one.need), *limits, "1" if one.open_ended else "0"]
        answer = self._run("reserve", self._keys(one.key for one in holds), arguments)
        if answer[0] == b"refused":
            return Refused(int(answer[1]), MEASURES[int(answer[2])], _standing(answer[3:]))
        self._renew_from_now(holds)
        return tuple(_standing(answer[at : at + 6]) for at in range(1, len(answer), 6))

    def settle(self, lease: str, spent: Mapping[str, Draw]) -> None:
        """Release and charge; a lease that ran out was charged already, which is corrected."""
        with self._lock:
            self._held.pop(lease, None)
        self._spend(lease, spent)

    def charge(self, spent: Mapping[str, Draw]) -> None:
        """Charge what is known later."""
        self._spend("", spent)

    def _spend(self, lease: str, spent: Mapping[str, Draw]) -> None:
        if not spent:
            return
        arguments = [self._now(), self._charges, str(_KEPT), lease]
        for draw in spent.values():
            arguments += _units(draw)
        self._run("settle", self._keys(spent), arguments)

    def standing(self, keys: Sequence[str]) -> tuple[Standing, ...]:
        """How accounts stand."""
        if not keys:
            return ()
        answer = self._run("standing", self._keys(keys), [self._now(), self._charges])
        return tuple(_standing(answer[at : at + 6]) for at in range(0, len(answer), 6))

    def forget(self, key: str) -> None:
        """Others may still ask for the account; Redis drops it when nobody has for long."""

    def announce(self, request_id: str, told: Mapping[str, Any]) -> None:
        """Tell whoever continues a request elsewhere what it is held to."""
        name = f"{self._prefix}:request:{request_id}"
        self._asked(lambda: self._client.set(name, json.dumps(told, default=str), ex=_KEPT))

    def announced(self, request_id: str) -> Mapping[str, Any] | None:
        """What a request is held to that was begun elsewhere."""
        name = f"{self._prefix}:request:{request_id}"
        found = self._asked(lambda: self._client.get(name))
        return json.loads(found) if found is not None else None

    def close(self) -> None:
        """Stop renewing, and let go of the connections."""
        with self._lock:
            self._held.clear()
        self._client.close()

    def _keys(self, keys: Any) -> list[str]:
        return [f"{self._prefix}:{kind}:{key}" for key in keys for kind in ("account", "leases")]

    def _now(self) -> str:
        return "" if self._now_ms is None else str(self._now_ms())

    def _run(self, name: str, keys: list[str], arguments: list[str]) -> Any:
        return self._asked(lambda: self._scripts[name](keys=keys, args=arguments))

    def _asked(self, ask: Callable[[], Any]) -> Any:
        """Ask Redis. Raises ``ConnectionError``, at once for a while after it was lost."""
        from redis.exceptions import RedisError

        if time.monotonic() < self._lost_until:
            raise ConnectionError("Redis could not be reached a moment ago")
        try:
            return ask()
        except RedisError as error:
            self._lost_until = time.monotonic() + _PAUSE
            raise ConnectionError(f"Redis cannot be reached: {type(error).__name__}") from error

    def _renew_from_now(self, holds: Sequence[Hold]) -> None:
        with self._lock:
            for one in holds:
                before = self._held.get(one.lease, ())
                if one.key not in before:
                    self._held[one.lease] = (*before, one.key)
            if self._renewing:
                return
            self._renewing = True
        threading.Thread(target=self._renew, name="agentmeter-leases", daemon=True).start()

    def _renew(self) -> None:
        """Renew what is held here, as long as anything is."""
        while True:
            time.sleep(self._lease_ms / 1000 / _RENEWALS)
            with self._lock:
                held = [(lease, key) for lease, keys in self._held.items() for key in keys]
                if not held:
                    self._renewing = False
                    return
            with guarded("renewing the leases of budgets"):
                keys = [f"{self._prefix}:leases:{key}" for _, key in held]
                arguments = [self._now(), str(self._lease_ms), *(lease for lease, _ in held)]
                self._run("renew", keys, arguments)


_SCRIPTS = ("reserve", "settle", "standing", "renew")


def _source(name: str) -> str:
    here = files(__package__)
    return "\n".join(here.joinpath(f"{one}.lua").read_text("utf-8") for one in ("sweep", name))


def _client(url: str, timeout: float) -> "redis.Redis":
    try:
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry
    except ImportError as error:
        raise ConfigurationError(
            "budget_store: the package 'redis' is needed; install agentmeter-otel[redis]"
        ) from error
    # What was sent is not sent again: to settle twice would charge twice.
    once = Retry(NoBackoff(), 0)
    try:
        return redis.Redis.from_url(
            url, socket_timeout=timeout, socket_connect_timeout=timeout, protocol=2, retry=once
        )
    except ValueError as error:
        raise ConfigurationError(f"budget_store: {error}") from error


def _again(given: Mapping[str, Any]) -> RedisBudgets:
    return RedisBudgets(**given)


def _check(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ConfigurationError(f"{name}: expected one of {', '.join(known)}, got {value!r}")


def _units(draw: Draw) -> tuple[str, str, str]:
    nano = draw.usd.scaleb(9, CONTEXT).to_integral_value(ROUND_CEILING, CONTEXT)
    return str(int(nano)), str(draw.tokens), str(draw.calls)


def _limit(value: Decimal | int | None, places: int = 0) -> str:
    if value is None:
        return ""
    scaled = Decimal(value).scaleb(places, CONTEXT).to_integral_value(ROUND_FLOOR, CONTEXT)
    return str(min(int(scaled), _MOST))


def _standing(figures: Sequence[bytes]) -> Standing:
    numbers = [int(figure) for figure in figures]
    return Standing(_draw(*numbers[:3]), _draw(*numbers[3:6]))


def _draw(nano: int, tokens: int, calls: int) -> Draw:
    return Draw(Decimal(nano).scaleb(-9, CONTEXT), tokens, calls)
