"""Stores: whatever the interleaving, spent and reserved stay below the limit, and nothing is lost."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import agentmeter as am
from agentmeter.runtime.budget.store import (
    NOTHING,
    BudgetStore,
    Draw,
    Hold,
    MemoryBudgets,
    Refused,
)

LIMITS = {"a": Draw(Decimal("0.000000100"), 100, 10), "b": Draw(Decimal("0.000000060"), 80, 6)}
_RUNS = itertools.count()

draws = st.builds(
    lambda nano, tokens, calls: Draw(Decimal(nano).scaleb(-9), tokens, calls),
    st.integers(0, 50),
    st.integers(0, 50),
    st.integers(0, 2),
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("reserve"), st.integers(0, 5), st.sampled_from(["a", "b", "ab"]), draws),
        st.tuples(st.just("settle"), st.integers(0, 5), st.just(""), draws),
        st.tuples(st.just("cancel"), st.integers(0, 5), st.just(""), st.just(NOTHING)),
        st.tuples(st.just("expire"), st.just(0), st.just(""), st.just(NOTHING)),
    ),
    max_size=25,
)


@dataclass
class Model:
    """What a store has to come to, kept in the plainest way: a list of what is held and spent."""

    expired_charge: bool = True
    spent: dict[str, Draw] = field(default_factory=lambda: dict.fromkeys(LIMITS, NOTHING))
    held: dict[str, dict[int, Draw]] = field(default_factory=lambda: {k: {} for k in LIMITS})
    overdue: dict[str, dict[int, Draw]] = field(default_factory=lambda: {k: {} for k in LIMITS})

    def reserved(self, key: str) -> Draw:
        return sum(self.held[key].values(), NOTHING)

    def fits(self, key: str, need: Draw) -> bool:
        after, limit = self.spent[key] + self.reserved(key) + need, LIMITS[key]
        return all(
            getattr(after, name) <= getattr(limit, name) or not getattr(need, name)
            for name in ("usd", "tokens", "calls")
        )

    def settle(self, lease: int, truth: Draw) -> None:
        for key in LIMITS:
            if lease in self.held[key]:
                del self.held[key][lease]
                self.spent[key] += truth
            elif lease in self.overdue[key]:
                self.spent[key] += truth - self.overdue[key].pop(lease)

    def expire(self) -> None:
        for key in LIMITS:
            for lease, draw in self.held[key].items():
                if self.expired_charge:
                    self.spent[key] += draw
                self.overdue[key][lease] = draw if self.expired_charge else NOTHING
            self.held[key].clear()


def run(store: BudgetStore, steps: Any, model: Model, expire: Any = None) -> None:
    """Take the steps with the store and with the model; they agree after each."""
    prefix = f"{next(_RUNS)}"
    names = {key: f"{prefix}/{key}" for key in LIMITS}
    for kind, lease, keys, draw in steps:
        known = [key for key in LIMITS if lease in model.held[key] or lease in model.overdue[key]]
        if kind == "reserve" and not any(lease in model.overdue[key] for key in LIMITS):
            holds = [Hold(names[k], f"{prefix}-{lease}", draw, *(vars_of(LIMITS[k]))) for k in keys]
            answer = store.reserve(holds)
            fits = all(model.fits(key, draw) for key in keys)
            assert isinstance(answer, Refused) is not fits
            for key in keys if fits else ():
                model.held[key][lease] = model.held[key].get(lease, NOTHING) + draw
        elif kind in ("settle", "cancel"):
            held = [model.held[k].get(lease) or model.overdue[k].get(lease) for k in known]
            truth = smallest([draw, *(one for one in held if one is not None)])
            store.settle(f"{prefix}-{lease}", {names[key]: truth for key in known})
            model.settle(lease, truth)
        elif kind == "expire" and expire is not None:
            expire()
            model.expire()
        for key, standing in zip(LIMITS, store.standing(list(names.values())), strict=True):
            assert standing.spent == model.spent[key]
            assert standing.reserved == model.reserved(key)
            taken = standing.spent + standing.reserved
            assert taken.above(LIMITS[key]) == NOTHING
            assert min(taken.usd, taken.tokens, taken.calls, standing.reserved.tokens) >= 0


def vars_of(limit: Draw) -> tuple[Decimal, int, int]:
    return limit.usd, limit.tokens, limit.calls


def smallest(given: list[Draw]) -> Draw:
    """Of each measure the least: no call takes more than its worst case."""
    return Draw(*(min(getattr(one, n) for one in given) for n in ("usd", "tokens", "calls")))


@given(steps)
def test_in_this_process_every_interleaving_holds(steps: Any) -> None:
    """Reserve, settle, cancel, in any order, over one account or both."""
    run(MemoryBudgets(), steps, Model())


@pytest.fixture(params=["charge", "release"])
def redis_store(
    request: pytest.FixtureRequest, redis_url: str
) -> Iterator[tuple[am.RedisBudgets, list[int], str]]:
    clock = [1_000_000]
    store = am.RedisBudgets(redis_url, expired=request.param, now_ms=lambda: clock[0])
    yield store, clock, request.param
    store.close()


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=steps)
def test_in_redis_every_interleaving_holds_while_leases_run_out(
    redis_store: tuple[am.RedisBudgets, list[int], str], steps: Any
) -> None:
    """What ran out is charged at its worst, or let go of; late news corrects it."""
    store, clock, expired = redis_store

    def expire() -> None:
        clock[0] += 61_000

    run(store, steps, Model(expired == "charge"), expire)


def test_an_amount_finer_than_a_nano_dollar_counts_as_the_next_whole_one(redis_url: str) -> None:
    """So that what is counted is never less than the truth."""
    store = am.RedisBudgets(redis_url)
    store.charge({"fine": Draw(Decimal("0.0000000011"))})
    assert store.standing(["fine"])[0].spent == Draw(Decimal("0.000000002"))
    store.charge({"fine": Draw(Decimal("-0.0000000011"))})
    assert store.standing(["fine"])[0].spent == Draw(Decimal("0.000000001"))
    store.close()


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        (am.Budget(usd="0.0000000001"), "usd: 1E-10 is finer than a nano-dollar"),
        (am.Budget(usd="9007199.254740992"), "usd: .* is more than Redis compares exactly"),
        (am.Budget(tokens=2**53), "tokens: .* is more than Redis compares exactly"),
    ],
)
def test_limits_that_redis_cannot_hold_are_refused(
    redis_url: str, budget: am.Budget, message: str
) -> None:
    """Where they are written, not at the first call."""
    store = am.RedisBudgets(redis_url)
    store.check(am.Budget(usd="9007199.254740991", tokens=2**53 - 1))
    with pytest.raises(am.ConfigurationError, match=message):
        store.check(budget)
    store.close()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"url": "http://x"}, "budget_store: Redis URL must specify"),
        ({"url": "redis://x", "lease": 0}, "lease: expected whole seconds"),
        ({"url": "redis://x", "lost": "maybe"}, "lost: expected one of allow, refuse"),
        ({"url": "redis://x", "expired": "maybe"}, "expired: expected one of charge, release"),
    ],
)
def test_a_store_that_cannot_be_is_refused(given: Any, message: str) -> None:
    """With the field's name."""
    pytest.importorskip("redis")
    with pytest.raises(am.ConfigurationError, match=message):
        am.RedisBudgets(**given)


def test_large_amounts_stay_exact(redis_url: str) -> None:
    """Up to the largest that is taken, to the last nano-dollar and token."""
    store, limit = am.RedisBudgets(redis_url), 2**53 - 1
    most = Decimal(limit).scaleb(-9)
    one = Hold("large", "l1", Draw(most - Decimal("0.000000001"), limit - 1), most, limit)
    assert not isinstance(store.reserve([one]), Refused)
    last = Hold("large", "l2", Draw(Decimal("0.000000001"), 1), most, limit)
    assert not isinstance(store.reserve([last]), Refused)
    more = Hold("large", "l3", Draw(Decimal("0.000000001")), most, limit)
    assert isinstance(store.reserve([more]), Refused)
    assert store.standing(["large"])[0].reserved == Draw(most, limit)
    store.close()
