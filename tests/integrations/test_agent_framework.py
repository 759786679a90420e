"""agent-framework: an agent with two tools at once, metered with its client and without."""

import asyncio
import gc
from collections.abc import Iterator
from typing import Any

import pytest
from tests.integrations.loops import INNER, LOOP, amounts_to, calls, outline

import agentmeter as am
from agentmeter.integration import FAULTS
from agentmeter.testing import Kept, ModelServer, Reply

pytest.importorskip("agent_framework")
pytest.importorskip("agent_framework_openai")

import agent_framework
from agent_framework import (
    Agent,
    BaseAgent,
    BaseChatClient,
    Executor,
    FunctionTool,
    ResponseStream,
    Workflow,
    WorkflowBuilder,
    WorkflowContext,
    handler,
    tool,
)
from agent_framework.openai import OpenAIChatClient, OpenAIChatCompletionClient
from openai import AsyncOpenAI

ALONE, BOTH = ("agent-framework",), ("agent-framework", "openai")
TREE = ["agent planner", "call gpt-5", "tool get_weather", "tool get_weather", "call gpt-5"]
CLIENTS = [OpenAIChatClient, OpenAIChatCompletionClient]


@tool(approval_mode="never_require")
def get_weather(city: str) -> str:
    """Tell the weather of a city."""
    assert am.current() is not None
    return f"{city} 3C"


@pytest.fixture(params=[ALONE, BOTH], ids=["alone", "both"])
def both(request: pytest.FixtureRequest) -> Iterator[tuple[str, ...]]:
    am.instrument(*request.param)
    yield request.param
    am.uninstrument()


def client(server: ModelServer, kind: Any = OpenAIChatClient, retries: int = 0) -> Any:
    inner = AsyncOpenAI(base_url=server.base_url, api_key="test", max_retries=retries)
    return kind(model="gpt-5", async_client=inner)


def planner(model: Any, name: str = "planner", **more: Any) -> Agent:
    return Agent(client=model, name=name, tools=[get_weather], **more)


async def run(agent: Any) -> None:
    await agent.run("hi")


async def stream(agent: Any) -> None:
    async for _ in agent.run("hi", stream=True):
        assert am.current() is not None
        await asyncio.sleep(0)


async def last_word(agent: Any) -> None:
    await agent.run("hi", stream=True).get_final_response()


def asked(server: ModelServer, work: Any) -> Any:
    """The report of a request that ``work`` ran in."""

    async def ask() -> Any:
        async with am.request("ask") as request:
            await work()
        return request.report()

    return asyncio.run(ask())


@pytest.mark.parametrize("kind", CLIENTS)
@pytest.mark.parametrize("way", [run, stream, last_word])
def test_an_agent_is_metered_with_its_client_and_without(
    way: Any, kind: Any, meter: Kept, both: tuple[str, ...]
) -> None:
    """Every call is on the request once, under the framework's names, whoever saw it."""
    with ModelServer(*LOOP) as server:
        report = asked(server, lambda: way(planner(client(server, kind))))
        amounts_to(report, server)
    assert outline(report.requests[0].tree) == ["request ask", TREE]
    seen_by = {leaf.record.observer for leaf in calls(report.requests[0].tree)}
    assert seen_by == {"" if "openai" in both else "agentmeter.agent-framework"}


def test_the_framework_s_own_spans_add_nothing(meter: Kept, both: tuple[str, ...]) -> None:
    """Those of calls are the same calls, and those of agents repeat them."""
    from agent_framework.observability import enable_instrumentation

    enable_instrumentation()
    with ModelServer(*LOOP) as server:
        report = asked(server, lambda: run(planner(client(server))))
        amounts_to(report, server)


def test_an_agent_that_is_a_tool_stands_below_the_one_that_asked_it(
    meter: Kept, both: tuple[str, ...]
) -> None:
    """What it spends is the tool's."""
    asks = Reply(input=20, output=4, tool_calls=(("helper", '{"task": "do"}'),))
    with ModelServer(asks, INNER, Reply(input=30, output=3)) as server:
        model = client(server)
        helper = Agent(client=model, name="helper").as_tool()
        report = asked(server, lambda: run(Agent(client=model, name="boss", tools=[helper])))
        amounts_to(report, server)
    assert outline(report.requests[0].tree)[1] == [
        "agent boss",
        "call gpt-5",
        ["tool helper", ["agent helper", "call gpt-5"]],
        "call gpt-5",
    ]


def workflow(model: Any) -> Workflow:
    """Two agents side by side after one."""
    first, left, right = (Agent(client=model, name=name) for name in ("first", "left", "right"))
    builder = WorkflowBuilder(start_executor=first, name="trip")
    return builder.add_fan_out_edges(first, [left, right]).build()


async def run_events(flow: Any) -> None:
    async for _ in flow.run("hi", stream=True):
        await asyncio.sleep(0)


@pytest.mark.parametrize("way", [run, run_events])
def test_a_workflow_has_its_executors_as_steps(
    way: Any, meter: Kept, both: tuple[str, ...]
) -> None:
    """Parallel ones stay on the request, each with its own call."""
    with ModelServer(default=INNER) as server:
        report = asked(server, lambda: way(workflow(client(server))))
        amounts_to(report, server)
    found = outline(report.requests[0].tree)[1]
    assert found[0] == "agent trip"
    assert sorted(found[1:]) == [
        [f"step {name}", [f"agent {name}", "call gpt-5"]] for name in ("first", "left", "right")
    ]


@pytest.mark.parametrize("close", [True, False], ids=["closed", "dropped"])
def test_a_stream_that_its_reader_leaves_is_partial(
    close: bool, meter: Kept, both: tuple[str, ...]
) -> None:
    """The agent and its call are closed, and the output is known at least in part, or not."""

    async def leave(agent: Any) -> None:
        updates = agent.run("hi", stream=True)
        async for _ in updates:
            break
        if close and hasattr(updates, "close"):
            await updates.close()
        del updates
        gc.collect()
        await asyncio.sleep(0.05)

    with ModelServer(Reply(text="one two three four", input=9, chunk_delay=0.01)) as server:
        report = asked(server, lambda: leave(planner(client(server))))
    (agent,) = report.requests[0].tree.children
    (leaf,) = agent.children
    assert (agent.record.status, leaf.record.status) == ("closed", "closed")
    assert report.requests[0].evidence.get("reported") is None


@pytest.fixture
def with_client() -> Iterator[None]:
    am.instrument(*BOTH)
    yield
    am.uninstrument()


def test_a_stream_that_the_server_cuts_is_partial(meter: Kept, with_client: None) -> None:
    """The client's call says so below the framework's agent."""
    reply = Reply(text="one two three", cut_after=1, cut="reset")
    with (
        ModelServer(reply) as server,
        pytest.raises(Exception, match=r"peer closed|reset|complete"),
    ):
        asked(server, lambda: stream(planner(client(server))))
    (leaf,) = calls(meter.report().requests[0].tree)
    assert leaf.record.status == "cut"


def test_retries_are_attempts_of_one_call(meter: Kept, with_client: None) -> None:
    """The client makes them; the framework sees one answer."""
    with ModelServer(Reply(status=429), INNER) as server:
        report = asked(server, lambda: run(planner(client(server, retries=2))))
        amounts_to(report, server)
    (leaf,) = calls(report.requests[0].tree)
    assert [attempt.http_status for attempt in leaf.record.call.attempts] == [429, 200]


def test_a_tool_that_raises_is_an_error_of_the_tool_alone(
    meter: Kept, both: tuple[str, ...]
) -> None:
    """The framework tells the model of it and goes on."""

    @tool(approval_mode="never_require")
    def get_weather(city: str) -> str:
        """Tell the weather of a city."""
        raise ValueError(city)

    with ModelServer(*LOOP) as server:
        agent = Agent(client=client(server), name="planner", tools=[get_weather])
        report = asked(server, lambda: run(agent))
        amounts_to(report, server)
    (agent_node,) = report.requests[0].tree.children
    assert [child.record.status for child in agent_node.children] == ["ok", "error", "error", "ok"]


@pytest.mark.skipif(not hasattr(agent_framework, "step"), reason="came after the first release")
def test_a_workflow_that_is_a_function_has_steps(meter: Kept, both: tuple[str, ...]) -> None:
    """Each step has the call that it makes."""
    from agent_framework import step
    from agent_framework import workflow as flow

    async def ask(server: ModelServer) -> None:
        model = client(server)

        @step
        async def look(city: str) -> str:
            return (await model.get_response([agent_framework.Message("user", [city])])).text

        @flow(name="trip")
        async def trip(city: str) -> list[str]:
            return [await look(city), await look("Rome")]

        await getattr(trip, "build", lambda: trip)().run("Oslo")

    with ModelServer(default=INNER) as server:
        report = asked(server, lambda: ask(server))
        amounts_to(report, server)
    looked = ["step look", "call gpt-5"]
    assert outline(report.requests[0].tree)[1] == ["agent trip", looked, looked]


def test_a_handoff_is_a_step_to_another_agent(meter: Kept, both: tuple[str, ...]) -> None:
    """Whoever is handed to answers in a step of its own."""
    orchestrations = pytest.importorskip("agent_framework_orchestrations")
    asks = Reply(input=20, output=4, tool_calls=(("handoff_to_expert", "{}"),))

    async def ask(server: ModelServer) -> None:
        model = client(server)
        desk, expert = (
            Agent(client=model, name=name, require_per_service_call_history_persistence=True)
            for name in ("desk", "expert")
        )
        builder = orchestrations.HandoffBuilder(name="shop", participants=[desk, expert])
        await builder.with_start_agent(desk).build().run("hi")

    with ModelServer(asks, default=INNER) as server:
        report = asked(server, lambda: ask(server))
        amounts_to(report, server)
    found = outline(report.requests[0].tree)[1]
    at_work = [one for one in found if isinstance(one, list)]  # others are told, and do nothing
    assert found[0] == "agent shop"
    assert at_work == [
        ["step desk", ["agent desk", "call gpt-5"]],
        ["step expert", ["agent expert", "call gpt-5"]],
    ]


def test_executors_of_one_s_own_are_steps(meter: Kept, both: tuple[str, ...]) -> None:
    """A client that is called in one is on its request."""

    class Upper(Executor):
        def __init__(self, model: Any) -> None:
            super().__init__(id="upper")
            self.model = model

        @handler
        async def go(self, message: str, ctx: WorkflowContext[Any, str]) -> None:
            answer = await self.model.get_response([agent_framework.Message("user", [message])])
            await ctx.yield_output(answer.text)

    with ModelServer(default=INNER) as server:
        flow = WorkflowBuilder(start_executor=Upper(client(server)), name="trip").build()
        report = asked(server, lambda: run(flow))
        amounts_to(report, server)
    assert outline(report.requests[0].tree)[1] == ["agent trip", ["step upper", "call gpt-5"]]


def test_two_runs_side_by_side_pay_for_themselves(meter: Kept, both: tuple[str, ...]) -> None:
    """Two requests in one event loop, streamed and interleaved: each has its own calls."""

    async def one(model: Any, user: str) -> None:
        async with am.request("ask", user=user):
            await stream(planner(model))

    async def two(server: ModelServer) -> None:
        model = client(server)
        await asyncio.gather(one(model, "a"), one(model, "b"))

    with ModelServer(default=INNER) as server:
        asyncio.run(two(server))
    found = {one.view.owner.user: one.usage.total_tokens for one in meter.report().requests}
    assert found == {"a": 12, "b": 12}
    assert meter.report().unattributed is None


def test_uninstrumenting_puts_every_method_back() -> None:
    """Also those of classes below."""

    def state() -> list[Any]:
        return [
            Agent.run,
            FunctionTool.invoke,
            Executor.execute,
            Workflow.run,
            ResponseStream.__anext__,
            OpenAIChatClient._inner_get_response,
            vars(BaseAgent).get("__init_subclass__"),
            vars(BaseChatClient).get("__init_subclass__"),
        ]

    before = state()
    am.instrument("agent-framework")
    assert all(now is not then for now, then in zip(state(), before, strict=True))
    am.uninstrument("agent-framework")
    assert state() == before


class _Nameless:
    def __get__(self, one: Any, owner: type | None = None) -> str:
        raise RuntimeError("no name today")


async def test_an_agent_whose_name_cannot_be_told_runs_as_it_would(meter: Kept) -> None:
    """The fault is metering's, and is counted."""

    class Odd(BaseAgent):
        name = _Nameless()  # type: ignore[assignment]

        def __init__(self) -> None:
            """An agent that only runs."""

        async def run(self, *_: Any, **__: Any) -> str:  # type: ignore[override]
            return "done"

    am.instrument(*ALONE)
    assert await Odd().run("go") == "done"
    assert FAULTS.counts() == {"framework's scope: RuntimeError": 1}
    FAULTS.clear()
