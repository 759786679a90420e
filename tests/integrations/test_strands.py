"""strands: an agent with two tools at once, metered with its client and without."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from tests.integrations.loops import INNER, LOOP, amounts_to, calls, outline, two_agents_in_a_pool

import agentmeter as am
from agentmeter.testing import Kept, ModelServer, Reply

pytest.importorskip("strands")

from strands import Agent, tool
from strands.models.model import Model
from strands.models.openai import OpenAIModel
from strands.tools.executors._executor import ToolExecutor


@tool
def get_weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"{city} 3C"


@pytest.fixture(params=[("strands",), ("strands", "openai")], ids=["alone", "both"])
def both(request: pytest.FixtureRequest) -> Iterator[tuple[str, ...]]:
    am.instrument(*request.param)
    yield request.param
    am.uninstrument()


def planner(server: ModelServer, name: str = "planner") -> Agent:
    args = {"base_url": server.base_url, "api_key": "test", "max_retries": 0}
    model = OpenAIModel(client_args=args, model_id="gpt-5")
    return Agent(model=model, tools=[get_weather], name=name, callback_handler=None)


def call(agent: Agent) -> None:
    agent("hi")


def invoke(agent: Agent) -> None:
    asyncio.run(agent.invoke_async("hi"))


def stream(agent: Agent) -> None:
    async def read() -> None:
        async for _ in agent.stream_async("hi"):
            pass

    asyncio.run(read())


@pytest.mark.parametrize("way", [call, invoke, stream])
def test_an_agent_is_metered_with_its_client_and_without(
    way: Any, meter: Kept, both: tuple[str, ...]
) -> None:
    """Every call is on the request once, under the framework's names, whoever saw it."""
    with ModelServer(*LOOP) as server:
        with am.request("ask") as request:
            way(planner(server))
        report = request.report()
        amounts_to(report, server)
    assert outline(report.requests[0].tree) == [
        "request ask",
        ["agent planner", "call gpt-5", "tool get_weather", "tool get_weather", "call gpt-5"],
    ]
    seen_by = {leaf.record.observer for leaf in calls(report.requests[0].tree)}
    assert seen_by == {"" if "openai" in both else "agentmeter.strands"}


def test_two_runs_side_by_side_pay_for_themselves(meter: Kept, both: tuple[str, ...]) -> None:
    """Two requests in one event loop, streamed and interleaved: each has its own calls."""

    async def one(server: ModelServer, user: str) -> None:
        async with am.request("ask", user=user):
            async for _ in planner(server).stream_async("hi"):
                await asyncio.sleep(0)

    async def two(server: ModelServer) -> None:
        await asyncio.gather(one(server, "a"), one(server, "b"))

    with ModelServer(default=INNER) as server:
        asyncio.run(two(server))
    found = {one.view.owner.user: one.usage.total_tokens for one in meter.report().requests}
    assert found == {"a": 12, "b": 12}
    assert meter.report().unattributed is None


def test_a_refused_call_used_nothing(meter: Kept, both: tuple[str, ...]) -> None:
    """What is raised comes out as it was."""
    with ModelServer(Reply(status=400)) as server, am.request("ask") as request:
        agent = planner(server)
        with pytest.raises(Exception, match="scripted 400"):
            agent("hi")
    (leaf,) = calls(request.report().requests[0].tree)
    assert (leaf.record.status, dict(leaf.usage)) == ("error", {})


def test_agents_in_an_applications_own_threads_are_on_its_request(
    meter: Kept, both: tuple[str, ...]
) -> None:
    """Those of the framework's own below, and each used again for another user."""
    am.instrument("concurrency", *both)
    two_agents_in_a_pool(lambda server: call(planner(server)), meter)


def test_uninstrumenting_puts_every_method_back() -> None:
    """Static ones included."""

    def state() -> list[Any]:
        own = vars(Model).get("__init_subclass__")
        return [Agent._run_loop, vars(ToolExecutor)["_stream_with_trace"], own, OpenAIModel.stream]

    before = state()
    am.instrument("strands")
    assert all(now is not then for now, then in zip(state(), before, strict=True))
    am.uninstrument("strands")
    assert state() == before
