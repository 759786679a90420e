"""dspy: modules, tools and threads, metered by what dspy itself reports."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integrations.loops import amounts_to, outline

import agentmeter as am
from agentmeter.testing import Kept, ModelServer, Reply

pytest.importorskip("dspy")

import dspy
from dspy.clients import execution
from dspy.clients.base_lm import BaseLM
from dspy.primitives.module import Module
from dspy.utils.parallelizer import ParallelExecutor

ANSWER = '{"answer": "cold"}'
SAID = Reply(text=ANSWER, input=500, cached=200, output=50)


@pytest.fixture(autouse=True, params=[("dspy",), ("dspy", "openai")], ids=["alone", "both"])
def both(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, ...]]:
    dspy.configure_cache(disk_cache_dir=str(tmp_path), enable_disk_cache=False)
    am.instrument(*request.param)
    yield request.param
    am.uninstrument()


def model(server: ModelServer, **more: Any) -> Any:
    return dspy.LM("openai/gpt-4o", api_base=server.base_url, api_key="test", **more)


def settings(server: ModelServer, **more: Any) -> Any:
    return dspy.context(lm=model(server, **more), adapter=dspy.JSONAdapter())


def test_an_answer_from_dspys_cache_costs_nothing(meter: Kept) -> None:
    """The second answer comes from the cache: no call is made, and none is counted."""
    with ModelServer(default=SAID) as server:
        with am.request("ask") as request, settings(server):
            for _ in range(2):
                assert dspy.Predict("question -> answer")(question="hi").answer == "cold"
        amounts_to(request.report(), server)
        assert server.billed().calls == 1


def test_predictors_sync_and_async(meter: Kept) -> None:
    """A predictor's call lies below it, whichever way it is called."""

    async def ask(server: ModelServer) -> None:
        await dspy.Predict("question -> answer").acall(question="b")

    with ModelServer(default=SAID) as server:
        with am.request("ask") as request, settings(server, cache=False):
            dspy.Predict("question -> answer")(question="a")
            asyncio.run(ask(server))
        amounts_to(request.report(), server)
    one = ["step Predict", "call gpt-4o"]
    assert outline(request.report().requests[0].tree) == ["request ask", one, one]


def test_parallel_work_stays_on_its_request(meter: Kept) -> None:
    """``Parallel`` runs in threads that dspy gives no context; each call finds its request."""
    with ModelServer(default=SAID) as server, settings(server, cache=False):
        for user in "ab":
            with am.request("ask", user=user):
                predict = dspy.Predict("question -> answer")
                pairs = [(predict, {"question": str(n)}) for n in range(3)]
                dspy.Parallel(num_threads=3, disable_progress_bar=True)(pairs)
        billed = server.billed()
    found = {one.view.owner.user: one.usage.total_tokens for one in meter.report().requests}
    assert found == {"a": 3 * 550, "b": 3 * 550}
    assert billed.calls == 6
    assert meter.report().unattributed is None


def test_an_agent_with_tools(meter: Kept) -> None:
    """ReAct is an agent; its tools and predictors lie below it."""

    def get_weather(city: str) -> str:
        """Tell the weather of a city."""
        return f"{city} 3C"

    asks = Reply(
        text='{"next_thought": "look", "next_tool_name": "get_weather", "next_tool_args": {"city": "Oslo"}}',
        input=100,
        output=20,
    )
    done = Reply(
        text='{"next_thought": "done", "next_tool_name": "finish", "next_tool_args": {}}',
        input=120,
        output=10,
    )
    says = Reply(text='{"reasoning": "seen", "answer": "cold"}', input=130, output=8)
    with ModelServer(asks, done, says) as server:
        with am.request("ask") as request, settings(server, cache=False):
            dspy.ReAct("question -> answer", tools=[get_weather])(question="hi")
        amounts_to(request.report(), server)
    (agent,) = request.report().requests[0].tree.children
    assert outline(agent)[0] == "agent ReAct"
    assert "tool get_weather" in outline(agent)


def test_uninstrumenting_puts_every_method_back() -> None:
    """Functions of modules included."""
    am.uninstrument()

    def state() -> list[Any]:
        return [
            Module.__call__,
            Module.acall,
            BaseLM.__call__,
            dspy.Tool.__call__,
            execution.finalize,
            ParallelExecutor.execute,
        ]

    before = state()
    am.instrument("dspy")
    assert all(now is not then for now, then in zip(state(), before, strict=True))
    am.uninstrument("dspy")
    assert state() == before
