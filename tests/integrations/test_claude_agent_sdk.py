"""claude-agent-sdk: its own Claude Code, in a process beside, asked through a scripted server."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integrations.loops import calls, outline

import agentmeter as am
from agentmeter.integration import FAULTS
from agentmeter.testing import Kept, ModelServer, Reply

pytest.importorskip("claude_agent_sdk")

from claude_agent_sdk import (
    ClaudeAgentOptions,
    ClaudeSDKClient,
    CLIConnectionError,
    create_sdk_mcp_server,
    query,
    tool,
)
from claude_agent_sdk._internal.query import Query

from agentmeter_claude_agent_sdk.patch import _SESSIONS, _called_back
from agentmeter_claude_agent_sdk.session import Session

MODEL = "claude-sonnet-4-5"
TOOL = "mcp__weather__get_weather"
ASKS = Reply(
    text="I look it up.",
    input=1200,
    cached=1000,
    output=60,
    tool_calls=((TOOL, '{"city": "Oslo"}'), (TOOL, '{"city": "Rome"}')),
)
ANSWERS = Reply(text="Oslo 3C, Rome 18C.", input=1400, cached=1152, output=30)
INNER = Reply(text="3C", input=10, output=2)


@pytest.fixture(autouse=True)
def metered_sdk() -> Iterator[None]:
    am.instrument("claude-agent-sdk", "openai")
    before = dict(FAULTS.counts())
    yield
    assert FAULTS.counts() == before
    am.uninstrument()


@tool("get_weather", "Tell the weather of a city.", {"city": str})
async def get_weather(arguments: dict[str, Any]) -> dict[str, Any]:
    """Its work is on the request."""
    assert am.current() is not None
    with am.step("looked up"):
        return {"content": [{"type": "text", "text": f"{arguments['city']} 3C"}]}


class Sdk:
    """Options for a Claude Code that reaches nothing but a server on the loopback address."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def options(self, server: ModelServer, **more: Any) -> ClaudeAgentOptions:
        off = ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "DISABLE_TELEMETRY")
        errors = ("DISABLE_ERROR_REPORTING", "DISABLE_AUTOUPDATER")
        given = {
            "model": MODEL,
            "allowed_tools": [TOOL, "Agent", "Task"],
            "max_turns": 6,
            "cwd": self.home,
            "setting_sources": [],
            "mcp_servers": {"weather": create_sdk_mcp_server("weather", tools=[get_weather])},
            "env": {
                **dict.fromkeys((*off, *errors), "1"),
                "ANTHROPIC_BASE_URL": server.url,
                "ANTHROPIC_API_KEY": "dummy",
                "HOME": str(self.home),
                "CLAUDE_CONFIG_DIR": str(self.home / "config"),
            },
        }
        return ClaudeAgentOptions(**{**given, **more})


@pytest.fixture
def sdk(tmp_path: Path) -> Sdk:
    return Sdk(tmp_path)


async def ask_once(options: ClaudeAgentOptions) -> list[str]:
    return [type(message).__name__ async for message in query(prompt="hi", options=options)]


async def ask_client(options: ClaudeAgentOptions, times: int = 1) -> None:
    async with ClaudeSDKClient(options) as client:
        for _ in range(times):
            await client.query("hi")
            async for _ in client.receive_response():
                pass


def asked(work: Any) -> Any:
    """The report of a request that ``work`` ran in."""

    async def ask() -> Any:
        async with am.request("ask") as request:
            await work
        return request.report()

    return asyncio.run(ask())


def amounts_to(report: Any, server: ModelServer, *, shown: bool = True) -> None:
    """All that was billed is on one request, and known whole; by call where it was ``shown``."""
    (request,) = report.requests
    assert report.unattributed is None
    billed, used = server.billed(), request.usage
    assert (used.total_input, used.total_output) == (billed.input, billed.output)
    assert used.get("cache_read", 0) == billed.cached
    counted = sum(leaf.record.call.calls for leaf in calls(request.tree))
    assert counted == billed.calls if shown else counted <= billed.calls
    assert set(request.evidence) == {"reported"}


FORWARDS = hasattr(ClaudeAgentOptions(), "forward_subagent_text")
"""Whether it is a release whose Claude Code shows what sub-agents say."""
USED = [f"tool {TOOL}", "step looked up"]


@pytest.mark.parametrize("way", [ask_once, ask_client])
def test_a_message_counts_once_and_the_result_tells_the_rest(
    way: Any, meter: Kept, sdk: Sdk
) -> None:
    """Each arrives in several pieces with the counts of its beginning; the result has them all,
    and what no message showed stands beside them.
    """
    with ModelServer(ASKS, ANSWERS) as server:
        report = asked(way(sdk.options(server)))
        amounts_to(report, server)
    (agent,) = report.requests[0].tree.children
    assert outline(agent) == [
        "agent claude",
        f"call {MODEL}",
        USED,
        USED,
        f"call {MODEL}",
        f"call {MODEL}",
    ]
    shown = [(leaf.usage.total_input, leaf.usage.total_output) for leaf in calls(agent)]
    assert shown == [(1200, 1), (1400, 1), (0, 88)]
    assert {leaf.record.observer for leaf in calls(agent)} == {"agentmeter.claude-agent-sdk"}


def test_one_message_takes_the_rest_itself(meter: Kept, sdk: Sdk) -> None:
    """There is nobody else whose it could be."""
    with ModelServer(ANSWERS) as server:
        report = asked(ask_once(sdk.options(server)))
        amounts_to(report, server)
    (leaf,) = calls(report.requests[0].tree)
    assert leaf.record.call.calls == 1


def test_streamed_messages_know_their_own_output(meter: Kept, sdk: Sdk) -> None:
    """Where the application has asked for the events, nothing is left for the result to tell."""
    with ModelServer(ASKS, ANSWERS) as server:
        report = asked(ask_once(sdk.options(server, include_partial_messages=True)))
        amounts_to(report, server)
    shown = [leaf.usage.total_output for leaf in calls(report.requests[0].tree)]
    assert shown == [60, 30]


def test_the_turns_of_one_session_pay_for_themselves(meter: Kept, sdk: Sdk) -> None:
    """Totals are those of the whole session, which may answer for several requests."""

    async def ask(server: ModelServer) -> None:
        async with ClaudeSDKClient(sdk.options(server)) as client:
            for user in ("a", "b"):
                async with am.request("ask", user=user):
                    await client.query("hi")
                    async for _ in client.receive_response():
                        pass

    with ModelServer(ASKS, ANSWERS, INNER) as server:
        asyncio.run(ask(server))
        report = meter.report()
    found = {one.view.owner.user: one.usage.total_tokens for one in report.requests}
    assert found == {"a": 2690, "b": 12}
    assert report.unattributed is None


def test_a_sub_agent_stands_below_the_tool_that_started_it(meter: Kept, sdk: Sdk) -> None:
    """Its messages are its own."""
    task = '{"description": "d", "prompt": "p", "subagent_type": "general-purpose"}'
    starts = Reply(text="go", input=100, output=7, tool_calls=(("Agent", task),))
    with ModelServer(starts, default=INNER) as server:
        report = asked(ask_once(sdk.options(server)))
        amounts_to(report, server, shown=FORWARDS)
    turns = report.requests[0].tree.children  # a sub-agent that ends late has another one follow
    (started,) = [one for turn in turns for one in turn.children if one.record.kind == "tool"]
    assert started.record.name == "Agent"
    if FORWARDS:
        (below,) = started.children
        assert below.record.name == "general-purpose"
        assert [leaf.usage.total_input for leaf in calls(below)] == [10]


def test_retries_are_attempts_of_one_call(meter: Kept, sdk: Sdk) -> None:
    """Claude Code tells of them."""
    with ModelServer(Reply(status=529), ANSWERS) as server:
        report = asked(ask_once(sdk.options(server)))
        amounts_to(report, server)
    (leaf,) = calls(report.requests[0].tree)
    tries = [(one.http_status, one.failed) for one in leaf.record.call.attempts]
    assert tries == [(529, True), (200, False)]


def test_a_refused_call_used_nothing(meter: Kept, sdk: Sdk) -> None:
    """The result says that the turn failed."""
    with ModelServer(default=Reply(status=400)) as server:

        async def ask() -> None:
            with pytest.raises(Exception, match=r"400|exit code 1"):
                await ask_once(sdk.options(server))

        report = asked(ask())
    (leaf,) = calls(report.requests[0].tree)
    assert (leaf.record.status, dict(leaf.usage)) == ("error", {})
    (agent,) = report.requests[0].tree.children
    assert agent.record.status == "error"


def test_a_session_that_is_left_is_partial(meter: Kept, sdk: Sdk) -> None:
    """The output of a message is known at least in part."""

    async def leave(options: ClaudeAgentOptions) -> None:
        async with ClaudeSDKClient(options) as client:
            await client.query("hi")
            async for message in client.receive_response():
                if type(message).__name__ == "AssistantMessage":
                    break

    with ModelServer(ASKS, Reply(text="late", delay=5.0)) as server:
        report = asked(leave(sdk.options(server)))
    assert set(report.requests[0].evidence) == {"at_least"}
    (agent,) = report.requests[0].tree.children
    assert agent.record.status == "closed"


def test_a_client_that_a_tool_calls_is_on_the_request(meter: Kept, sdk: Sdk) -> None:
    """Below the tool, whoever runs it."""
    from openai import AsyncOpenAI

    with ModelServer(ASKS, ANSWERS) as server, ModelServer(default=INNER) as other:

        @tool("get_weather", "Tell the weather of a city.", {"city": str})
        async def ask_model(arguments: dict[str, Any]) -> dict[str, Any]:
            async with AsyncOpenAI(base_url=other.base_url, api_key="test") as client:
                said = [{"role": "user", "content": arguments["city"]}]
                answer = await client.chat.completions.create(model="gpt-5", messages=said)  # type: ignore[arg-type]
            return {"content": [{"type": "text", "text": answer.choices[0].message.content}]}

        tools = {"weather": create_sdk_mcp_server("weather", tools=[ask_model])}
        report = asked(ask_once(sdk.options(server, mcp_servers=tools)))
    (agent,) = report.requests[0].tree.children
    used = [outline(one) for one in agent.children if one.record.kind == "tool"]
    assert used == [[f"tool {TOOL}", "call gpt-5"]] * 2
    assert report.unattributed is None


def test_uninstrumenting_puts_every_method_back() -> None:
    """Those of sessions and those of clients."""

    def state() -> list[Any]:
        return [Query.start, Query.close, Query._handle_control_request, ClaudeSDKClient.query]

    am.uninstrument()
    before = state()
    am.instrument("claude-agent-sdk")
    assert all(now is not then for now, then in zip(state(), before, strict=True))
    am.uninstrument("claude-agent-sdk")
    assert state() == before


async def test_a_client_that_is_not_connected_says_so_itself() -> None:
    """The library's own error, and none of metering's."""
    with pytest.raises(CLIConnectionError, match="Not connected"):
        await ClaudeSDKClient().query("go")


async def test_a_callback_that_is_not_understood_is_handled_all_the_same() -> None:
    """Parameters of JSON-RPC may be a list; the fault is counted, and the library answers."""

    class Connection:
        """What a session belongs to."""

    async def handled(_: Any, request: Any) -> Any:
        return request["request_id"]

    connection = Connection()
    _SESSIONS[connection] = Session(None)
    request = {"request_id": "r1", "request": {"message": {"params": [1]}}}
    assert await _called_back(handled)(connection, request) == "r1"
    assert FAULTS.counts() == {"claude-agent-sdk callback: AttributeError": 1}
    FAULTS.clear()
