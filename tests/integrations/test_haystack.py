"""haystack: an agent with two tools at once in a pipeline, over the metered client."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from tests.integrations.loops import LOOP, amounts_to, outline

import agentmeter as am
from agentmeter.testing import Kept, ModelServer

pytest.importorskip("haystack")

from haystack import Pipeline
from haystack.components.agents import Agent
from haystack.components.generators.chat import OpenAIChatGenerator
from haystack.dataclasses import ChatMessage
from haystack.tools import Tool, tool
from haystack.utils import Secret


@tool
def get_weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"{city} 3C"


@pytest.fixture
def haystack() -> Iterator[None]:
    am.instrument("haystack", "openai")
    yield
    am.uninstrument()


def planner(server: ModelServer) -> Agent:
    generator = OpenAIChatGenerator(
        api_key=Secret.from_token("test"), model="gpt-5", api_base_url=server.base_url
    )
    return Agent(chat_generator=generator, tools=[get_weather])


def run(pipeline: Any, data: Any) -> None:
    pipeline.run(data)


def run_async(pipeline: Any, data: Any) -> None:
    asyncio.run(pipeline.run_async(data))


@pytest.mark.parametrize("way", [run, run_async])
def test_an_agent_in_a_pipeline(way: Any, meter: Kept, haystack: None) -> None:
    """Every call is on the request once, below the component's and the agent's names."""
    with ModelServer(*LOOP) as server:
        pipeline = Pipeline()
        pipeline.add_component("planner", planner(server))
        with am.request("ask") as request:
            way(pipeline, {"planner": {"messages": [ChatMessage.from_user("hi")]}})
        report = request.report()
        amounts_to(report, server)
    tools = ["tool get_weather", "tool get_weather"]
    agent = ["agent planner", "call gpt-5", *tools, "call gpt-5"]
    assert outline(report.requests[0].tree) == [
        "request ask",
        ["step pipeline", ["step planner", agent]],
    ]


def test_uninstrumenting_puts_every_method_back() -> None:
    """Static ones included."""

    def state() -> list[Any]:
        names = ("run", "run_async", "_run_component", "_run_component_async")
        return [*(vars(Pipeline)[name] for name in names), Agent.run, Tool.invoke]

    before = state()
    am.instrument("haystack")
    assert all(now is not then for now, then in zip(state(), before, strict=True))
    am.uninstrument("haystack")
    assert state() == before
