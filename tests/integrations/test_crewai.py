"""crewai: a crew whose agent has two tools, metered with its client and without."""

import asyncio
import os
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest

if find_spec("crewai") is None:
    pytest.skip("crewai is not here", allow_module_level=True)
os.environ["CREWAI_DISABLE_TELEMETRY"] = os.environ["OTEL_SDK_DISABLED"] = "true"
os.environ["CREWAI_TRACING_ENABLED"] = "false"

from crewai import LLM, Agent, Crew, Task
from crewai.llms.base_llm import BaseLLM
from crewai.tools import tool
from tests.integrations.loops import LOOP, amounts_to, calls, outline

import agentmeter as am
from agentmeter.testing import Kept, ModelServer


@tool("get_weather")
def get_weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"{city} 3C"


@pytest.fixture(params=[("crewai",), ("crewai", "openai")], ids=["alone", "both"])
def both(request: pytest.FixtureRequest) -> Iterator[tuple[str, ...]]:
    am.instrument(*request.param)
    yield request.param
    am.uninstrument()


def crew(server: ModelServer, **more: Any) -> Crew:
    model = LLM(model="openai/gpt-4o", base_url=server.base_url, api_key="test", **more)
    agent = Agent(role="planner", goal="g", backstory="b", llm=model, tools=[get_weather])
    task = Task(name="weather", description="d", expected_output="e", agent=agent)
    return Crew(name="trip", agents=[agent], tasks=[task], verbose=False)


def kickoff(crew: Crew) -> None:
    crew.kickoff()


def kickoff_async(crew: Crew) -> None:
    asyncio.run(crew.kickoff_async())


def akickoff(crew: Crew) -> None:
    asyncio.run(crew.akickoff())


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("way", [kickoff, kickoff_async, akickoff])
def test_a_crew_is_metered_with_its_client_and_without(
    way: Any, stream: bool, meter: Kept, both: tuple[str, ...]
) -> None:
    """Every call is on the request once, under the framework's names, whoever saw it."""
    with ModelServer(*LOOP) as server:
        with am.request("ask") as request:
            way(crew(server, stream=stream))
        report = request.report()
        amounts_to(report, server)
    agent = ["agent planner", "call gpt-4o", "tool get_weather", "tool get_weather", "call gpt-4o"]
    assert outline(report.requests[0].tree) == [
        "request ask",
        ["agent trip", ["step weather", agent]],
    ]
    seen_by = {leaf.record.observer for leaf in calls(report.requests[0].tree)}
    assert seen_by == {"" if "openai" in both else "agentmeter.crewai"}


def test_uninstrumenting_puts_every_method_back() -> None:
    """Also those of classes below."""

    def state() -> list[Any]:
        return [
            Crew.kickoff,
            Task._execute_core,
            Agent.execute_task,
            BaseLLM._track_token_usage_internal,
            vars(BaseLLM).get("__init_subclass__"),
        ]

    before = state()
    am.instrument("crewai")
    assert all(now is not then for now, then in zip(state(), before, strict=True))
    am.uninstrument("crewai")
    assert state() == before
