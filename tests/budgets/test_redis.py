"""Budgets shared through Redis: other processes, leases, and a server that is lost."""

import asyncio
import json
import pickle
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import agentmeter as am
from agentmeter.runtime.budget.account import Remaining
from agentmeter.runtime.budget.gate import Gate
from agentmeter.runtime.budget.store import Draw, Hold
from agentmeter.runtime.context import current_scope
from agentmeter.runtime.faults import FAULTS
from agentmeter.runtime.state import STATE
from agentmeter.testing import Kept, metered
from tests.budgets.conftest import started

GPT = {"provider": "openai", "model": "gpt-5"}


@pytest.fixture
def store(redis_url: str) -> Iterator[am.RedisBudgets]:
    store = am.RedisBudgets(redis_url)
    store._client.flushdb()  # ids count up anew in every test
    yield store
    store.close()


def spend(given: int, made: int) -> None:
    with am.call(**GPT, input_tokens=given, max_tokens=made) as call:
        call.record(am.Usage(input=given, output=made))


def test_a_request_has_one_account_wherever_it_is_continued(
    meter: Kept, store: am.RedisBudgets, redis_url: str
) -> None:
    """Another process that resumes it knows its budget, and what was spent here."""
    STATE.gate = Gate(store)
    program = (
        "import sys, json, agentmeter as am\n"
        "am.configure(journal=False, budget_store=sys.argv[1])\n"
        "with am.resume(json.loads(sys.argv[2])):\n"
        "    left = am.current().remaining().tokens\n"
        "    with am.call(provider='openai', model='gpt-5', input_tokens=20, max_tokens=5) as c:\n"
        "        c.record(am.Usage(input=20, output=5))\n"
        "    try:\n"
        "        with am.call(provider='openai', model='gpt-5', input_tokens=20, max_tokens=9):\n"
        "            pass\n"
        "    except am.BudgetExceeded as over:\n"
        "        print(left, over.left, over.scope)\n"
    )
    with am.request(id="r-shared", budget=am.Budget(tokens=100, name="b")) as request:
        spend(40, 10)
        headers = dict(am.inject({}))
        ran = subprocess.run(
            [sys.executable, "-c", program, redis_url, json.dumps(headers)],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        assert ran.stdout == "50 25 request r-shared\n"
        assert request.remaining().tokens == 25


def test_a_long_call_keeps_its_lease(meter: Kept, store: am.RedisBudgets, redis_url: str) -> None:
    """Its process renews it; what is held stays held for longer than the lease."""
    short = am.RedisBudgets(redis_url, lease=1)
    STATE.gate = Gate(short)
    with am.request(budget=am.Budget(tokens=100)) as request:
        with am.call(**GPT, input_tokens=20, max_tokens=60) as call:
            time.sleep(2.5)
            standing = short.standing([request.accounts[0].key])[0]
            assert (standing.reserved.tokens, standing.spent.tokens) == (80, 0)
            call.record(am.Usage(input=1))
        assert request.remaining().tokens == 99
    short.close()


def test_the_lease_of_a_process_that_died_runs_out(redis_url: str) -> None:
    """With ``release`` its room comes back; without anybody to renew it."""
    clock = [1_000_000]
    for expired, left in (("release", 100), ("charge", 20)):
        dead = am.RedisBudgets(redis_url, expired=expired, now_ms=lambda: clock[0])  # type: ignore[arg-type]
        key = f"dead/{expired}"
        dead.reserve([Hold(key, "l", Draw(tokens=80), tokens=100)])
        clock[0] += 59_999
        assert dead.standing([key])[0].reserved.tokens == 80
        clock[0] += 1
        standing = dead.standing([key])[0]
        assert standing.reserved.tokens == 0
        assert 100 - standing.spent.tokens == left
        dead.close()


def test_a_store_is_pickled_to_other_processes(store: am.RedisBudgets) -> None:
    """As what it was made from."""
    store.charge({"pickled": Draw(tokens=3)})
    again = pickle.loads(pickle.dumps(store))
    assert again.standing(["pickled"])[0].spent.tokens == 3
    again.close()


@pytest.fixture
def lost_url() -> str:
    """Nobody listens there."""
    pytest.importorskip("redis")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"redis://127.0.0.1:{free.getsockname()[1]}"


def test_where_redis_is_lost_calls_go_on_if_that_was_chosen(lost_url: str) -> None:
    """Counted, and nothing is raised into the application."""
    with metered() as meter:
        STATE.gate = Gate(am.RedisBudgets(lost_url))
        with am.request(budget=am.Budget(tokens=10)) as request:
            spend(20, 5)
            spend(20, 5)
        assert request.usage.total_tokens == 50
        assert meter.records[-1].status.value == "ok"
        counts = FAULTS.counts()
        lost = "budget: the store cannot be reached, calls go on without it: ConnectionError"
        assert counts[lost] == 2
    FAULTS.clear()


def test_where_redis_is_lost_calls_are_refused_if_that_was_chosen(lost_url: str) -> None:
    """The error says that it is the store, and the refusal is counted."""
    with metered() as meter:
        STATE.gate = Gate(am.RedisBudgets(lost_url, lost="refuse"))
        with (
            am.request(budget=am.Budget(tokens=10)) as request,
            pytest.raises(am.BudgetExceeded, match="the store of budgets cannot be reached"),
        ):
            spend(2, 1)
        assert request.usage.total_tokens == 0
        assert "1 call refused by budget" in str(meter.report())
        assert (
            FAULTS.counts()[
                "budget: the store cannot be reached, calls are refused: ConnectionError"
            ]
            == 1
        )
    FAULTS.clear()


@pytest.mark.parametrize(
    ("lost", "left"),
    [("allow", Remaining()), ("refuse", Remaining(Decimal(0), 0, 0))],
)
def test_what_is_left_where_redis_is_lost(
    lost: Any, left: Remaining, lost_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What a call would find: no limit, or nothing; told in one line, not raised."""
    with metered():
        STATE.gate = Gate(am.RedisBudgets(lost_url, lost=lost))
        with am.request(budget=am.Budget(tokens=10)) as request:
            caplog.clear()
            assert (request.remaining(), am.current().remaining()) == (left, left)
        where = "budget: the store cannot be reached, what is left is not known: ConnectionError"
        assert FAULTS.counts()[where] == 2
    FAULTS.clear()
    (line,) = [one for one in caplog.records if where in one.getMessage()]
    assert (line.exc_info, "\n" in line.getMessage()) == (None, False)


def test_a_redis_that_comes_back_is_used_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a pause in which no call waits for it."""
    found = shutil.which("redis-server")
    if found is None:
        pytest.skip("redis-server is not installed")
    clock = [100.0]
    monkeypatch.setattr("agentmeter.runtime.budget.shared.time.monotonic", lambda: clock[0])
    server = started(found, tmp_path)
    store = am.RedisBudgets(f"redis://127.0.0.1:{server.port}")
    with pytest.raises(ConnectionError, match="Redis cannot be reached"):
        store.standing(["x"])
    with server:
        with pytest.raises(ConnectionError, match="a moment ago"):
            store.standing(["x"])
        clock[0] += 2
        assert store.standing(["x"])[0].spent == Draw()
        store.close()


def test_a_connection_that_the_server_closed_is_opened_anew(store: am.RedisBudgets) -> None:
    """Without a call that notices; nothing is sent twice."""
    store.charge({"idle": Draw(tokens=3)})
    other = am.RedisBudgets(store._given["url"])
    other._client.client_kill_filter(_type="normal", skipme=True)
    store.charge({"idle": Draw(tokens=4)})
    assert store.standing(["idle"])[0].spent.tokens == 7
    other.close()


def test_a_store_that_is_none_is_refused() -> None:
    """By the name of the setting."""
    with pytest.raises(am.ConfigurationError, match=r"budget_store: expected .*RedisBudgets"):
        am.configure(journal=False, budget_store=5)  # type: ignore[arg-type]


async def test_a_task_does_not_block_the_others_while_redis_is_asked(
    meter: Kept, store: am.RedisBudgets
) -> None:
    """Asynchronous calls ask in a thread."""
    asked_in: list[int] = []
    reserve = store.reserve
    store.reserve = lambda holds: (asked_in.append(threading.get_ident()), reserve(holds))[1]  # type: ignore[method-assign]
    STATE.gate = Gate(store)
    with am.request(budget=am.Budget(tokens=100)) as request:
        async with am.call(**GPT, input_tokens=20, max_tokens=60) as call:
            call.record(am.Usage(input=20))
        assert request.remaining().tokens == 80
    assert asked_in != [threading.get_ident()]


async def test_a_task_that_is_cancelled_while_it_asks_holds_nothing(
    meter: Kept, store: am.RedisBudgets
) -> None:
    """What was reserved for it is let go of."""
    asked, answer = threading.Event(), threading.Event()
    reserve = store.reserve

    def slow(holds: object) -> object:
        result = reserve(holds)  # type: ignore[arg-type]
        asked.set()
        answer.wait(10)
        return result

    store.reserve = slow  # type: ignore[method-assign, assignment]
    STATE.gate = Gate(store)

    async def ask() -> None:
        async with am.call(**GPT, input_tokens=20, max_tokens=60):
            pytest.fail("the call was made")  # pragma: no cover

    with am.request(budget=am.Budget(tokens=100)) as request:
        task = asyncio.create_task(ask())
        await asyncio.to_thread(asked.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert request.remaining().tokens == 20
        answer.set()
        for _ in range(500):
            if request.remaining().tokens == 100:
                break
            await asyncio.sleep(0.01)
        assert request.remaining().tokens == 100
    assert current_scope() is None
