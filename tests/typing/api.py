"""The public face as a type checker sees it; checked, never run."""

from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from typing import assert_type

import agentmeter as am
from agentmeter.runtime.call import CallScope


@am.agent
def bare(question: str) -> int:
    return len(question)


@am.tool("search", engine="x")
def named(question: str, *, limit: int = 3) -> list[str]:
    return [question] * limit


@am.request(feature="research", user=lambda user: str(user))
async def asynchronous(question: str, user: int) -> str:
    return question * user


@am.step
def generated(count: int) -> Iterator[int]:
    yield from range(count)


@am.branch("b")
async def streamed(count: int) -> AsyncIterator[int]:
    for number in range(count):
        yield number


async def use() -> None:
    assert_type(bare("x"), int)
    assert_type(named("x", limit=2), list[str])
    assert_type(await asynchronous("x", 1), str)
    assert_type(generated(2), Iterator[int])
    assert_type(streamed(2), AsyncIterator[int])
    bare(1)  # type: ignore[arg-type]
    named("x", limits=2)  # type: ignore[call-arg]
    with am.request(user="u") as request:
        assert_type(request.usage, am.Usage)
        assert_type(request.cost, am.Money)
        assert_type(request.amounts, dict[str, Decimal])
        assert_type(request.forecast().cost.quantile(95), Decimal | None)
        assert_type(request.receipt(plans="plans.toml", show_cost=True).at_least, bool)
        request.receipt(show_everything=True)  # type: ignore[call-arg]
        with am.call(provider="openai", model="gpt-5") as call:
            call.record(am.Usage(input=1))
    assert_type(am.price({}, provider="openai", model="gpt-5").amount, Decimal)
    with am.request(budget=am.Budget(usd="0.50", action="clamp")) as request:
        assert_type(request.remaining(), am.Remaining)
        assert_type(request.remaining().usd, Decimal | None)
        with am.call(provider="openai", model="gpt-5", input_tokens=9, max_tokens=20) as call:
            assert_type(call, CallScope)
    am.Budget(usd="1", action="stop")  # type: ignore[arg-type]
    am.Budget(usd=0.5)  # type: ignore[arg-type]
    am.configure(
        budgets=[am.BudgetRule(by="user", per="day", usd="5")],
        budget_store=am.RedisBudgets("redis://127.0.0.1:6379"),
    )
    am.charge("x", usd=0.5)  # type: ignore[arg-type]
    assert_type(am.forecast(feature="x", input_tokens=3).tokens.interval(80).high, int | None)
    am.forecast(iteration=1, spent=0.5)  # type: ignore[arg-type]
    am.on("loop.repeats", lambda alert: assert_type(alert.request_id, str), times=3)()
    am.on("loop.repeats", lambda: None)  # type: ignore[arg-type,misc]
