"""autogen: an agent with two tools at once, metered with its client and without."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from tests.integrations.loops import INNER, LOOP, amounts_to, calls, outline

import agentmeter as am
from agentmeter.testing import Kept, ModelServer

pytest.importorskip("autogen_agentchat")

from autogen_agentchat.agents import AssistantAgent, BaseChatAgent
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core import RoutedAgent, SingleThreadedAgentRuntime
from autogen_core.tools import BaseTool
from autogen_ext.models.openai import OpenAIChatCompletionClient

BOTH = [("autogen", "concurrency"), ("autogen", "concurrency", "openai")]


@pytest.fixture(params=BOTH, ids=["alone", "both"])
def both(request: pytest.FixtureRequest) -> Iterator[tuple[str, ...]]:
    am.instrument(*request.param)
    yield request.param
    am.uninstrument()


def planner(server: ModelServer, name: str = "planner") -> AssistantAgent:
    def get_weather(city: str) -> str:
        """Tell the weather of a city."""
        assert am.current() is not None
        return f"{city} 3C"

    client = OpenAIChatCompletionClient(model="gpt-4o", base_url=server.base_url, api_key="test")
    return AssistantAgent(name, model_client=client, tools=[get_weather], reflect_on_tool_use=True)


async def run(agent: Any) -> None:
    await agent.run(task="hi")


async def stream(agent: Any) -> None:
    async for _ in agent.run_stream(task="hi"):
        await asyncio.sleep(0)


@pytest.mark.parametrize("way", [run, stream])
def test_an_agent_is_metered_with_its_client_and_without(
    way: Any, meter: Kept, both: tuple[str, ...]
) -> None:
    """Every call is on the request once, under the framework's names, whoever saw it."""

    async def ask(server: ModelServer) -> Any:
        async with am.request("ask") as request:
            await way(planner(server))
        return request.report()

    with ModelServer(*LOOP) as server:
        report = asyncio.run(ask(server))
        amounts_to(report, server)
    assert outline(report.requests[0].tree) == [
        "request ask",
        ["agent planner", "call gpt-4o", "tool get_weather", "tool get_weather", "call gpt-4o"],
    ]
    seen_by = {leaf.record.observer for leaf in calls(report.requests[0].tree)}
    assert seen_by == {"" if "openai" in both else "agentmeter.autogen"}


def test_a_team_is_an_agent_of_agents(meter: Kept, both: tuple[str, ...]) -> None:
    """Its members answer in tasks of a runtime, below the team."""

    async def ask(server: ModelServer) -> Any:
        async with am.request("ask") as request:
            members: list[Any] = [planner(server, "first"), planner(server, "second")]
            team = RoundRobinGroupChat(
                members, name="team", termination_condition=MaxMessageTermination(3)
            )
            await team.run(task="hi")
        return request.report()

    with ModelServer(default=INNER) as server:
        report = asyncio.run(ask(server))
        amounts_to(report, server)
    assert outline(report.requests[0].tree)[1] == [
        "agent team",
        ["agent first", "call gpt-4o"],
        ["agent second", "call gpt-4o"],
    ]


def test_uninstrumenting_puts_every_method_back() -> None:
    """Also those of classes below."""

    def state() -> list[Any]:
        return [
            AssistantAgent.on_messages_stream,
            BaseChatAgent.on_messages_stream,
            BaseTool.run_json,
            OpenAIChatCompletionClient.create,
            RoundRobinGroupChat.run_stream,
            RoutedAgent.on_message_impl,
            SingleThreadedAgentRuntime._process_send,
        ]

    before = state()
    am.instrument("autogen")
    assert all(now is not then for now, then in zip(state(), before, strict=True))
    am.uninstrument("autogen")
    assert state() == before
