"""openai-agents: an agent with two tools at once, metered with its client and without."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from tests.integrations.loops import INNER, LOOP, amounts_to, calls, outline

import agentmeter as am
from agentmeter.testing import Kept, ModelServer, Reply

pytest.importorskip("agents")

import openai
from agents import (
    Agent,
    GuardrailFunctionOutput,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    function_tool,
    input_guardrail,
    set_trace_processors,
)
from agents.tracing import get_trace_provider


@function_tool
def get_weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"{city} 3C"


@pytest.fixture(autouse=True)
def quiet() -> None:
    set_trace_processors([])  # nothing is sent to anybody


@pytest.fixture(params=[("openai-agents",), ("openai-agents", "openai")], ids=["alone", "both"])
def both(request: pytest.FixtureRequest) -> Iterator[tuple[str, ...]]:
    am.instrument(*request.param)
    yield request.param
    am.uninstrument()


def planner(server: ModelServer, kind: Any, **more: Any) -> Agent[Any]:
    client = openai.AsyncOpenAI(base_url=server.base_url, api_key="test")
    model = kind(model="gpt-5", openai_client=client)
    return Agent(name="planner", model=model, tools=[get_weather], **more)


async def run(agent: Agent[Any]) -> None:
    await Runner.run(agent, "Weather in Oslo and Rome?")


async def stream(agent: Agent[Any]) -> None:
    async for _ in Runner.run_streamed(agent, "Weather in Oslo and Rome?").stream_events():
        pass


KINDS = {"chat": OpenAIChatCompletionsModel, "responses": OpenAIResponsesModel}


def without_turns(tree: Any) -> Any:
    """The first versions tell of no turns."""
    if isinstance(tree, str):
        return tree
    flat: list[Any] = []
    for one in map(without_turns, tree):
        named = isinstance(one, list) and str(one[0]).startswith("step turn")
        flat.extend(one[1:] if named else [one])
    return flat


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", [run, stream])
def test_an_agent_is_metered_with_its_client_and_without(
    way: Any, kind: str, meter: Kept, both: tuple[str, ...]
) -> None:
    """Every call is on the request once, under the framework's names, whoever saw it."""
    untold = kind == "chat" and way is stream and "openai" not in both

    async def ask(server: ModelServer) -> Any:
        async with am.request("ask") as request:
            await way(planner(server, KINDS[kind]))
        return request.report()

    with ModelServer(*LOOP) as server:
        report = asyncio.run(ask(server))
        if untold:  # at another base URL no usage is asked for in a stream, and that is said
            assert set(report.requests[0].evidence) == {"unknown"}
        else:
            amounts_to(report, server)
    call = "call call" if kind == "responses" and untold else "call gpt-5"
    assert without_turns(outline(report.requests[0].tree)) == [
        "request ask",
        ["agent planner", call, "tool get_weather", "tool get_weather", call],
    ]
    seen_by = {leaf.record.observer for leaf in calls(report.requests[0].tree)}
    assert seen_by == {"" if "openai" in both else "agentmeter.openai-agents"}


def test_turns_are_steps_that_count(meter: Kept, both: tuple[str, ...]) -> None:
    """The second turn of the loop holds the second call."""
    with ModelServer(*LOOP) as server, am.request("ask") as request:
        asyncio.run(run(planner(server, OpenAIResponsesModel)))
    leaves = list(calls(request.report().requests[0].tree))
    assert [leaf.node.iteration for leaf in leaves] == [1, 2]


def test_handoffs_and_guardrails_have_their_places(meter: Kept, both: tuple[str, ...]) -> None:
    """The agent that is handed over to is an agent beside the first; a guardrail's call its own."""
    hands_over = Reply(input=30, output=4, tool_calls=(("transfer_to_writer", "{}"),))
    with ModelServer(hands_over, Reply(input=40, output=6)) as server:
        server.script(INNER, when=lambda body: body["model"] == "gpt-5-mini")

        @input_guardrail(name="polite")
        async def polite(context: Any, agent: Any, said: Any) -> GuardrailFunctionOutput:
            judge = planner(server, OpenAIResponsesModel)
            judge.model.model = "gpt-5-mini"  # type: ignore[union-attr]
            judge.name = "judge"
            await Runner.run(judge, "polite?")
            return GuardrailFunctionOutput(output_info=None, tripwire_triggered=False)

        writer = planner(server, OpenAIResponsesModel)
        writer.name = "writer"
        agent = planner(server, OpenAIResponsesModel, handoffs=[writer], input_guardrails=[polite])
        with am.request("ask") as request:
            asyncio.run(run(agent))
        report = request.report()
        amounts_to(report, server)
    text = str(without_turns(outline(report.requests[0].tree)))
    assert "'step handoff to writer'" in text
    assert "['step polite', ['agent judge', 'call gpt-5-mini']]" in text
    assert "['agent writer', 'call gpt-5']" in text


def test_two_runs_side_by_side_pay_for_themselves(meter: Kept, both: tuple[str, ...]) -> None:
    """Two requests in one event loop: each has its own calls."""

    async def one(server: ModelServer, user: str) -> None:
        async with am.request("ask", user=user):
            await stream(planner(server, OpenAIResponsesModel))

    async def two(server: ModelServer) -> None:
        await asyncio.gather(one(server, "a"), one(server, "b"))

    with ModelServer(default=INNER) as server:
        asyncio.run(two(server))
    found = {one.view.owner.user: one.usage.total_tokens for one in meter.report().requests}
    assert found == {"a": 12, "b": 12}
    assert meter.report().unattributed is None


def test_failures_are_the_applications_and_close_what_was_open(
    meter: Kept, both: tuple[str, ...]
) -> None:
    """A refused call is raised as it was, and nothing it used is unknown to the client's meter."""
    refused = pytest.raises(openai.BadRequestError)
    with ModelServer(Reply(status=400)) as server, am.request("ask") as request:
        agent = planner(server, OpenAIResponsesModel)
        with refused:
            asyncio.run(run(agent))
    (leaf,) = calls(request.report().requests[0].tree)
    assert (leaf.record.status, dict(leaf.usage)) == ("error", {})


def test_processors_that_are_replaced_leave_us_listening(meter: Kept) -> None:
    """An application sets processors of its own later; uninstrumenting leaves just those."""
    before = get_trace_provider()._multi_processor._processors
    am.instrument("openai-agents")
    set_trace_processors([])
    with ModelServer(INNER) as server, am.request("ask") as request:
        asyncio.run(run(planner(server, OpenAIResponsesModel)))
    am.uninstrument("openai-agents")
    assert request.usage.total_tokens == 12
    assert get_trace_provider()._multi_processor._processors == before == ()
