"""Work in threads, pools and processes stays on the request that started it."""

import asyncio
import multiprocessing
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import pytest

import agentmeter as am
from agentmeter.report.report import build
from agentmeter.runtime.context import current_scope
from agentmeter.store.reader import read
from agentmeter.testing import Kept


def use(tokens: int) -> int:
    with am.call(provider="openai", model="gpt-5") as call:
        call.record(am.Usage(input=tokens))
    return tokens


@pytest.fixture
def concurrency() -> Iterator[None]:
    before = threading.Thread.start, ThreadPoolExecutor.submit, ProcessPoolExecutor.submit
    am.instrument("concurrency")
    yield
    am.uninstrument("concurrency")
    now = threading.Thread.start, ThreadPoolExecutor.submit, ProcessPoolExecutor.submit
    assert now == before


def by_user(meter: Kept) -> dict[str | None, int]:
    return {one.view.owner.user: one.usage.total_tokens for one in meter.report().requests}


def test_bare_threads_timers_and_pools_keep_the_request(meter: Kept, concurrency: None) -> None:
    """A thread, a timer and pool tasks of two requests each land on their own."""
    with ThreadPoolExecutor(2) as pool:
        for user, tokens in (("a", 1), ("b", 100)):
            with am.request(user=user):
                threads = [
                    threading.Thread(target=use, args=(tokens,)),
                    threading.Timer(0.001, use, (tokens,)),
                ]
                for thread in threads:
                    thread.start()
                assert list(pool.map(use, [tokens, tokens])) == [tokens, tokens]
                for thread in threads:
                    thread.join()
        pool.submit(use, 7).result()  # outside of any request, on a worker that served them
    assert by_user(meter) == {"a": 4, "b": 400}
    unattributed = meter.report().unattributed
    assert unattributed is not None
    assert unattributed.usage.total_tokens == 7


async def test_run_in_executor_keeps_the_request(meter: Kept, concurrency: None) -> None:
    """Two tasks side by side hand work to one executor; each pays for its own."""
    loop = asyncio.get_running_loop()

    async def one(user: str, tokens: int) -> None:
        async with am.request(user=user):
            await loop.run_in_executor(None, use, tokens)
            await asyncio.to_thread(use, tokens)

    await asyncio.gather(one("a", 1), one("b", 10))
    assert by_user(meter) == {"a": 2, "b": 20}


def test_errors_and_results_are_as_before(meter: Kept, concurrency: None) -> None:
    """What a task raises reaches its future unchanged, and nothing stays open on the worker."""

    def fail() -> None:
        raise KeyError("x")

    with am.request(user="a"), ThreadPoolExecutor(1) as pool:
        error = pool.submit(fail).exception()
        assert isinstance(error, KeyError)
        with pool:
            pass
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(current_scope).result() is None


def test_work_after_the_request_has_closed_is_late_and_counts(
    meter: Kept, concurrency: None
) -> None:
    """A thread that outlives its request still pays into it, and the report says so."""
    go = threading.Event()

    def later() -> None:
        go.wait(5)
        use(5)

    with am.request(user="a") as request:
        thread = threading.Thread(target=later)
        thread.start()
        use(1)
    assert request.usage.total_tokens == 1
    go.set()
    thread.join()
    assert request.usage.total_tokens == 6
    for report in (request.report(), meter.report()):
        assert [call.record.late for call in report.requests[0].tree.children] == [False, True]


def test_a_queue_worker_takes_the_request_from_the_message(meter: Kept) -> None:
    """A worker that was there before the request bills what the message's carrier names."""
    import queue

    messages: queue.Queue[dict[str, str] | None] = queue.Queue()

    def work() -> None:
        while (message := messages.get()) is not None:
            with am.resume(message):
                use(3)

    worker = threading.Thread(target=work)
    worker.start()
    for user in ("a", "b"):
        with am.request(user=user):
            messages.put(dict(am.inject({})))
    messages.put(None)
    worker.join()
    assert by_user(meter) == {"a": 3, "b": 3}


PROGRAM = """
import multiprocessing, os, subprocess, sys
from concurrent.futures import ProcessPoolExecutor
import agentmeter as am

def use(tokens):
    with am.call(provider="openai", model="gpt-5") as call:
        call.record(am.Usage(input=tokens))
    return tokens

if __name__ == "__main__":
    am.configure(directory=sys.argv[1])
    am.instrument("concurrency")
    context = multiprocessing.get_context(sys.argv[2])
    with am.request(user="a"):
        pool = ProcessPoolExecutor(2, mp_context=context)
        assert list(pool.map(use, [1, 1])) == [1, 1]
    with am.request(user="b"):
        assert list(pool.map(use, [10, 10])) == [10, 10]
        process = context.Process(target=use, args=(100,))
        process.start()
        process.join()
        child = "import agentmeter as am, os\\nwith am.resume(os.environ), am.call() as c: c.record(am.Usage(input=1000))"
        environment = am.inject(dict(os.environ))
        subprocess.run([sys.executable, "-c", child], env=environment, cwd=sys.argv[3], check=True)
    assert pool.submit(use, 7).result() == 7
    pool.shutdown()
"""


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_keep_the_request(tmp_path: Path, method: str) -> None:
    """Pools, processes and subprocesses: each token on its request, whatever was forked when."""
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} here")
    script = tmp_path / "program.py"
    script.write_text(PROGRAM)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    command = [sys.executable, str(script), "j", method, str(elsewhere)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    contents = read(tmp_path / "j")
    report = build(contents.entries, contents.tariffs)
    assert {one.view.owner.user: one.usage.total_tokens for one in report.requests} == {
        "a": 2,
        "b": 1120,
    }
    assert report.unattributed is not None
    assert report.unattributed.usage.total_tokens == 7
