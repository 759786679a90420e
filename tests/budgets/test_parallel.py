"""Two hundred branches on one budget: never over, and not a call less than there is room for."""

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import openai
import pytest

import agentmeter as am
from agentmeter.model import Status
from agentmeter.runtime import tokenizer
from agentmeter.testing import Kept, ModelServer, Reply

HELLO: Any = [{"role": "user", "content": "hello world"}]
COUNTED = tokenizer.count_chat_input(HELLO, None, "gpt-5").tokens
BRANCHES = 200
EACH = COUNTED + 20
"""Tokens of a call that takes its worst case."""
PRICE = Decimal("0.00000125") * COUNTED + Decimal("0.00001") * 20
ROOM = 67
LIMITS: dict[str, dict[str, Any]] = {
    "tokens": {"tokens": ROOM * EACH + EACH - 1},
    "money": {"usd": ROOM * PRICE + PRICE - Decimal("0.000000001")},
}
"""One token, or one nano-dollar, short of room for one more."""


@pytest.fixture
def server() -> Iterator[ModelServer]:
    reply = Reply(text="ok", input=COUNTED, output=20, delay=0.05)
    with ModelServer(default=reply) as server:
        am.instrument("openai")
        yield server
        am.uninstrument()


def check(meter: Kept, server: ModelServer, request: Any) -> None:
    """Exactly as many calls as there was room for were sent, billed and metered."""
    billed = server.billed()
    assert (billed.calls, billed.input + billed.output) == (ROOM, ROOM * EACH)
    assert request.usage.total_tokens == ROOM * EACH
    assert request.cost.amount == ROOM * PRICE
    calls = [one.status for one in meter.records if one.call is not None]
    assert calls.count(Status.OK) == ROOM
    assert calls.count(Status.REFUSED) == BRANCHES - ROOM


@pytest.mark.parametrize("measure", LIMITS)
def test_two_hundred_threads_cannot_overshoot(
    meter: Kept, server: ModelServer, measure: str
) -> None:
    """All at the gate at once."""
    barrier = threading.Barrier(BRANCHES)
    with openai.OpenAI(base_url=server.base_url, api_key="test", max_retries=0) as client:

        def branch() -> None:
            barrier.wait(60)
            with am.branch():
                client.chat.completions.create(model="gpt-5", messages=HELLO, max_tokens=20)

        with (
            am.request(budget=am.Budget(**LIMITS[measure])) as request,
            am.ContextExecutor(ThreadPoolExecutor(BRANCHES)) as pool,
        ):
            ended = [pool.submit(branch) for _ in range(BRANCHES)]
            errors = [one.exception() for one in ended]
    assert all(error is None or isinstance(error, am.BudgetExceeded) for error in errors)
    check(meter, server, request)


@pytest.mark.parametrize("measure", LIMITS)
async def test_two_hundred_tasks_cannot_overshoot(
    meter: Kept, server: ModelServer, measure: str
) -> None:
    """All of them gathered."""
    async with openai.AsyncOpenAI(
        base_url=server.base_url, api_key="test", max_retries=0
    ) as client:

        async def branch() -> None:
            with am.branch():
                await client.chat.completions.create(model="gpt-5", messages=HELLO, max_tokens=20)

        with am.request(budget=am.Budget(**LIMITS[measure])) as request:
            errors = await asyncio.gather(
                *(branch() for _ in range(BRANCHES)), return_exceptions=True
            )
    assert all(error is None or isinstance(error, am.BudgetExceeded) for error in errors)
    check(meter, server, request)


def test_what_turns_out_cheaper_leaves_room_for_more(meter: Kept, server: ModelServer) -> None:
    """With answers of five tokens in the place of twenty, one after the other all 200 fit."""
    server.script(*[Reply(input=COUNTED, output=5)] * BRANCHES)
    tokens = BRANCHES * (COUNTED + 5) + 15
    with (
        openai.OpenAI(base_url=server.base_url, api_key="test") as client,
        am.request(budget=am.Budget(tokens=tokens)) as request,
    ):
        for _ in range(BRANCHES):
            client.chat.completions.create(model="gpt-5", messages=HELLO, max_tokens=20)
        assert request.remaining().tokens == 15


def test_four_processes_on_redis_cannot_overshoot_though_two_are_killed(
    redis_url: str, server: ModelServer
) -> None:
    """What the killed had under way is charged at its worst, since it may have been billed."""
    limit = 300 * EACH + EACH - 1
    store = am.RedisBudgets(redis_url)
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.budgets.program", redis_url, server.base_url, str(limit)],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    try:
        for process in processes:
            assert _line(process) == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        _wait_for(lambda: len(server.requests) >= 80)
        processes[0].kill()
        _wait_for(lambda: len(server.requests) >= 160)
        processes[1].kill()
        answered = [int(_line(process).removeprefix("done ")) for process in processes[2:]]
    finally:
        for process in processes:
            process.kill()
            process.wait(10)
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    stream.close()
    billed = server.billed()
    spent = billed.input + billed.output
    later = am.RedisBudgets(redis_url, now_ms=lambda: int(time.time() * 1000) + 3_600_000)
    (standing,) = later.standing(["rule/tenant per ever//acme/ever"])
    assert min(answered) > 0
    assert billed.calls >= 160
    assert spent <= limit
    assert spent <= standing.spent.tokens <= limit
    assert limit - standing.spent.tokens < EACH, "what was left had room for one more call"
    assert standing.reserved.tokens == 0
    assert standing.spent.tokens - spent <= 8 * EACH, "at most what two times four threads had"
    store.close()
    later.close()


def _line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def _wait_for(happened: Any) -> None:
    """Until something has happened; fails after two minutes."""
    end = time.monotonic() + 120
    while not happened():
        assert time.monotonic() < end, "it has not happened"
        time.sleep(0.005)
