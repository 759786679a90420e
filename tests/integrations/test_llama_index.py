"""llama-index: an agent with two tools at once, metered with its client and without."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from tests.integrations.loops import INNER, LOOP, amounts_to, calls, outline

import agentmeter as am
from agentmeter.testing import Kept, ModelServer, Reply

pytest.importorskip("llama_index.core")

from llama_index.core.agent.workflow import AgentWorkflow, FunctionAgent
from llama_index.core.agent.workflow.base_agent import BaseWorkflowAgent
from llama_index.core.base.llms.base import BaseLLM
from llama_index.llms.openai import OpenAI


def get_weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"{city} 3C"


BOTH = [("llama-index",), ("llama-index", "openai")]


@pytest.fixture(params=BOTH, ids=["alone", "both"])
def both(request: pytest.FixtureRequest) -> Iterator[tuple[str, ...]]:
    am.instrument(*request.param)
    yield request.param
    am.uninstrument()


def model(server: ModelServer, **more: Any) -> OpenAI:
    return OpenAI(model="gpt-4o", api_base=server.base_url, api_key="test", **more)


def planner(
    server: ModelServer, *, streaming: bool = False, name: str = "planner"
) -> FunctionAgent:
    told: dict[str, Any] = {"stream_options": {"include_usage": True}} if streaming else {}
    return FunctionAgent(
        name=name,
        description=name,
        tools=[get_weather],
        llm=model(server, additional_kwargs=told),
        streaming=streaming,
    )


@pytest.mark.parametrize("streaming", [False, True])
def test_an_agent_is_metered_with_its_client_and_without(
    streaming: bool, meter: Kept, both: tuple[str, ...]
) -> None:
    """Every call is on the request once, under the framework's names, whoever saw it."""

    async def ask(server: ModelServer) -> Any:
        async with am.request("ask") as request:
            await planner(server, streaming=streaming).run("hi")
            await asyncio.sleep(0.01)
        return request.report()

    with ModelServer(*LOOP) as server:
        report = asyncio.run(ask(server))
        amounts_to(report, server)
    tools = ["tool get_weather"] * (1 if streaming else 2)  # it takes one of a chunk
    assert outline(report.requests[0].tree) == [
        "request ask",
        ["agent planner", "call gpt-4o", *tools, "call gpt-4o"],
    ]
    seen_by = {leaf.record.observer for leaf in calls(report.requests[0].tree)}
    assert seen_by == {"" if "openai" in both else "agentmeter.llama-index"}


def test_a_stream_that_reports_nothing_is_unknown_or_the_clients(
    meter: Kept, both: tuple[str, ...]
) -> None:
    """llama-index asks for no usage in a stream; the client's integration does, else none is known."""

    async def ask(server: ModelServer) -> Any:
        async with am.request("ask") as request:
            agent = planner(server, streaming=True)
            agent.llm = model(server)
            await agent.run("hi")
        return request.report()

    with ModelServer(*LOOP) as server:
        report = asyncio.run(ask(server))
        if "openai" in both:
            amounts_to(report, server)
        else:
            assert set(report.requests[0].evidence) == {"unknown"}


def test_a_workflow_of_agents(meter: Kept, both: tuple[str, ...]) -> None:
    """Each agent that takes a step in a workflow has a scope in it."""
    hands = '{"to_agent": "writer", "reason": "it writes"}'
    asks = Reply(input=30, output=4, tool_calls=(("handoff", hands),))

    async def ask(server: ModelServer) -> Any:
        async with am.request("ask") as request:
            agents = [planner(server), planner(server, name="writer")]
            await AgentWorkflow(agents=agents, root_agent="planner").run("hi")
            await asyncio.sleep(0.01)
        return request.report()

    with ModelServer(asks, Reply(input=40, output=6)) as server:
        report = asyncio.run(ask(server))
        amounts_to(report, server)
    (flow,) = report.requests[0].tree.children
    assert outline(flow) == [
        "agent AgentWorkflow",
        ["agent planner", "call gpt-4o"],
        "tool handoff",
        ["agent writer", "call gpt-4o"],
    ]


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


def test_models_alone(meter: Kept, both: tuple[str, ...]) -> None:
    """A completion that is a chat underneath is one call; streams are metered to their end."""
    told = {"stream_options": {"include_usage": True}}
    with ModelServer(default=INNER) as server:
        with am.request("ask") as request:
            model(server).complete("hi")
            for _ in model(server, additional_kwargs=told).stream_complete("hi"):
                pass
        amounts_to(request.report(), server)


def test_uninstrumenting_puts_every_method_back() -> None:
    """Also those of classes below."""

    def state() -> list[Any]:
        return [
            vars(BaseWorkflowAgent)["run"],
            vars(AgentWorkflow)["run"],
            FunctionAgent.take_step,
            OpenAI.chat,
            OpenAI.astream_chat,
            vars(BaseLLM).get("__init_subclass__"),
        ]

    before = state()
    am.instrument("llama-index")
    assert all(now is not then for now, then in zip(state(), before, strict=True))
    am.uninstrument("llama-index")
    assert state() == before
