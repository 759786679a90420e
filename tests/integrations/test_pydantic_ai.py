"""pydantic-ai: an agent with two tools at once, metered with its client and without."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from tests.integrations.loops import INNER, LOOP, amounts_to, calls, outline, two_agents_in_a_pool

import agentmeter as am
from agentmeter.testing import Kept, ModelServer, Reply

pytest.importorskip("pydantic_ai")

from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.models import Model
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.tool_manager import ToolManager


@pytest.fixture(params=[("pydantic-ai",), ("pydantic-ai", "openai")], ids=["alone", "both"])
def both(request: pytest.FixtureRequest) -> Iterator[tuple[str, ...]]:
    am.instrument(*request.param)
    yield request.param
    am.uninstrument()


def planner(server: ModelServer, kind: Any = OpenAIChatModel, name: str = "planner") -> Agent[Any]:
    provider = OpenAIProvider(base_url=server.base_url, api_key="test")
    agent = Agent(kind("gpt-5", provider=provider), name=name)

    @agent.tool_plain
    def get_weather(city: str) -> str:
        """Tell the weather of a city."""
        return f"{city} 3C"

    return agent


def run_sync(agent: Agent[Any]) -> None:
    agent.run_sync("hi")


def run(agent: Agent[Any]) -> None:
    asyncio.run(agent.run("hi"))


def iterate(agent: Agent[Any]) -> None:
    async def read() -> None:
        async with agent.iter("hi") as going:
            async for _ in going:
                pass

    asyncio.run(read())


def stream(agent: Agent[Any]) -> None:
    async def read() -> None:
        async with agent.run_stream("hi") as result:
            await result.get_output()

    asyncio.run(read())


@pytest.mark.parametrize("kind", [OpenAIChatModel, OpenAIResponsesModel])
@pytest.mark.parametrize("way", [run_sync, run, iterate])
def test_an_agent_is_metered_with_its_client_and_without(
    way: Any, kind: Any, meter: Kept, both: tuple[str, ...]
) -> None:
    """Every call is on the request once, under the framework's names, whoever saw it."""
    with ModelServer(*LOOP) as server:
        with am.request("ask") as request:
            way(planner(server, kind))
        report = request.report()
        amounts_to(report, server)
    assert outline(report.requests[0].tree) == [
        "request ask",
        ["agent planner", "call gpt-5", "tool get_weather", "tool get_weather", "call gpt-5"],
    ]
    seen_by = {leaf.record.observer for leaf in calls(report.requests[0].tree)}
    assert seen_by == {"" if "openai" in both else "agentmeter.pydantic-ai"}


def test_a_streamed_run_is_metered(meter: Kept, both: tuple[str, ...]) -> None:
    """The tools come first, so that the answer is streamed to its end."""
    asks = Reply(
        text="",
        input=1200,
        cached=1000,
        output=60,
        reasoning=16,
        tool_calls=LOOP[0].tool_calls,
    )
    with ModelServer(asks, LOOP[1]) as server:
        with am.request("ask") as request:
            stream(planner(server))
        amounts_to(request.report(), server)


def test_two_runs_side_by_side_pay_for_themselves(meter: Kept, both: tuple[str, ...]) -> None:
    """Two requests in one event loop: each has its own calls."""

    async def one(server: ModelServer, user: str) -> None:
        async with am.request("ask", user=user):
            await planner(server).run("hi")

    async def two(server: ModelServer) -> None:
        await asyncio.gather(one(server, "a"), one(server, "b"))

    with ModelServer(default=INNER) as server:
        asyncio.run(two(server))
    found = {one.view.owner.user: one.usage.total_tokens for one in meter.report().requests}
    assert found == {"a": 12, "b": 12}
    assert meter.report().unattributed is None


def test_an_agent_that_a_tool_runs_lies_below_the_tool(meter: Kept, both: tuple[str, ...]) -> None:
    """The inner agent's call is below its scope, that below the tool's."""
    asks = Reply(input=30, output=4, tool_calls=(("ask_writer", "{}"),))
    with ModelServer(asks, INNER, Reply(input=40, output=6)) as server:
        outer, inner = planner(server), planner(server, name="writer")

        @outer.tool_plain
        async def ask_writer() -> str:
            """Ask the writer."""
            return str((await inner.run("hi")).output)

        with am.request("ask") as request:
            outer.run_sync("hi")
        amounts_to(request.report(), server)
    (tree,) = request.report().requests[0].tree.children
    assert outline(tree)[2] == ["tool ask_writer", ["agent writer", "call gpt-5"]]


def test_a_failure_is_the_applications(meter: Kept, both: tuple[str, ...]) -> None:
    """What is raised comes out as it was; a refused call used nothing, and that is known."""
    with ModelServer(Reply(status=400)) as server, am.request("ask") as request:
        agent = planner(server)
        with pytest.raises(ModelHTTPError):
            agent.run_sync("hi")
    (leaf,) = calls(request.report().requests[0].tree)
    assert (leaf.record.status, dict(leaf.usage)) == ("error", {})
    assert "unknown" not in request.report().requests[0].evidence


def test_agents_in_an_applications_own_threads_are_on_its_request(
    meter: Kept, both: tuple[str, ...]
) -> None:
    """Each thread has an event loop of its own, and is used again for another user."""
    am.instrument("concurrency", *both)
    two_agents_in_a_pool(lambda server: run_sync(planner(server)), meter)


def test_uninstrumenting_puts_every_method_back() -> None:
    """Also those of models that were defined in the meantime."""

    def state() -> list[Any]:
        owners = (Model, OpenAIChatModel, OpenAIResponsesModel)
        methods = [vars(one).get(name) for one in owners for name in ("request", "request_stream")]
        own = vars(Model).get("__init_subclass__")
        return [Agent.iter, ToolManager.execute_tool_call, own, *methods]

    before = state()
    am.instrument("pydantic-ai")
    assert all(now != then for now, then in zip(state(), before, strict=True))

    class Late(OpenAIChatModel):
        async def request(self, *args: Any, **kwargs: Any) -> Any:
            return await super().request(*args, **kwargs)

    patched: Any = Late.request
    am.uninstrument("pydantic-ai")
    assert state() == before
    assert Late.request is patched.__wrapped__
