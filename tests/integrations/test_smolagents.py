"""smolagents: an agent with two tools at once, metered with its client and without."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.integrations.loops import CITIES, INNER, amounts_to, calls, outline, two_agents_in_a_pool

import agentmeter as am
from agentmeter.testing import Kept, ModelServer, Reply

pytest.importorskip("smolagents")

from smolagents import CodeAgent, OpenAIModel, ToolCallingAgent, tool
from smolagents.agents import MultiStepAgent
from smolagents.models import Model
from smolagents.tools import Tool

ASKS = Reply(
    input=1200,
    cached=1000,
    output=60,
    reasoning=16,
    tool_calls=tuple(("get_weather", f'{{"city": "{city}"}}') for city in CITIES),
)
ANSWERS = Reply(
    input=1400, cached=1152, output=30, tool_calls=(("final_answer", '{"answer": "cold"}'),)
)


@tool
def get_weather(city: str) -> str:
    """Tell the weather of a city.

    Args:
        city: The city.

    """
    return f"{city} 3C"


@pytest.fixture(params=[("smolagents",), ("smolagents", "openai")], ids=["alone", "both"])
def both(request: pytest.FixtureRequest) -> Iterator[tuple[str, ...]]:
    am.instrument(*request.param)
    yield request.param
    am.uninstrument()


def model(server: ModelServer) -> OpenAIModel:
    return OpenAIModel(model_id="gpt-5", api_base=server.base_url, api_key="test")


def planner(server: ModelServer, **more: Any) -> ToolCallingAgent:
    return ToolCallingAgent(
        tools=[get_weather], model=model(server), name="planner", verbosity_level=0, **more
    )


def whole(server: ModelServer) -> None:
    planner(server, description="plans").run("hi")


def stepwise(server: ModelServer) -> None:
    for _ in planner(server, description="plans").run("hi", stream=True):
        pass


def streamed(server: ModelServer) -> None:
    planner(server, description="plans", stream_outputs=True).run("hi")


@pytest.mark.parametrize("way", [whole, stepwise, streamed])
def test_an_agent_is_metered_with_its_client_and_without(
    way: Any, meter: Kept, both: tuple[str, ...]
) -> None:
    """Every call is on the request once, under the framework's names, whoever saw it."""
    with ModelServer(ASKS, ANSWERS) as server:
        with am.request("ask") as request:
            way(server)
        report = request.report()
        amounts_to(report, server)
    assert outline(report.requests[0].tree) == [
        "request ask",
        [
            "agent planner",
            "call gpt-5",
            "tool get_weather",
            "tool get_weather",
            "call gpt-5",
            "tool final_answer",
        ],
    ]
    seen_by = {leaf.record.observer for leaf in calls(report.requests[0].tree)}
    assert seen_by == {"" if "openai" in both else "agentmeter.smolagents"}


def test_an_agent_that_writes_code_is_metered(meter: Kept, both: tuple[str, ...]) -> None:
    """Tools that its code calls are tools as well."""
    code = Reply(
        text='Thought: done\n<code>\nfinal_answer(get_weather("Oslo"))\n</code>', input=50, output=9
    )
    with ModelServer(code) as server:
        agent = CodeAgent(tools=[get_weather], model=model(server), verbosity_level=0)
        with am.request("ask") as request:
            assert agent.run("hi") == "Oslo 3C"
        amounts_to(request.report(), server)
    assert outline(request.report().requests[0].tree)[1] == [
        "agent CodeAgent",
        "call gpt-5",
        "tool get_weather",
        "tool final_answer",
    ]


def test_outside_of_any_request_the_work_is_unattributed(
    meter: Kept, both: tuple[str, ...]
) -> None:
    """Nobody has opened a request: what is spent is counted as unattributed."""
    with ModelServer(INNER, ANSWERS) as server:
        planner(server).run("hi", max_steps=3)
        unattributed = meter.report().unattributed
        assert unattributed is not None
        assert unattributed.usage.total_input == server.billed().input


def test_agents_in_an_applications_own_threads_are_on_its_request(
    meter: Kept, both: tuple[str, ...]
) -> None:
    """The agents' loops are there, and their tools in threads of the framework's own."""
    am.instrument("concurrency", *both)
    two_agents_in_a_pool(lambda server: whole(server), meter, (ASKS, ANSWERS))


def test_uninstrumenting_puts_every_method_back() -> None:
    """Also those of classes below."""

    def state() -> list[Any]:
        return [
            MultiStepAgent._run_stream,
            Tool.__call__,
            OpenAIModel.generate,
            OpenAIModel.generate_stream,
            vars(Model).get("__init_subclass__"),
        ]

    before = state()
    am.instrument("smolagents")
    assert all(now is not then for now, then in zip(state(), before, strict=True))
    am.uninstrument("smolagents")
    assert state() == before
