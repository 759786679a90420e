"""The Agent Development Kit: an agent with two tools at once, on a model of one's own."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from tests.integrations.loops import INNER, LOOP, amounts_to, calls, outline

import agentmeter as am
from agentmeter.testing import Kept, ModelServer

pytest.importorskip("google.adk")

import openai
from google.adk.agents import Agent, SequentialAgent
from google.adk.agents.base_agent import BaseAgent
from google.adk.models import BaseLlm, LlmResponse
from google.adk.runners import InMemoryRunner
from google.adk.tools.base_tool import BaseTool
from google.genai import types

BOTH = [("google-adk",), ("google-adk", "openai")]


@pytest.fixture(params=BOTH, ids=["alone", "both"])
def both(request: pytest.FixtureRequest) -> Iterator[tuple[str, ...]]:
    am.instrument(*request.param)
    yield request.param
    am.uninstrument()


def get_weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"{city} 3C"


class Model(BaseLlm):
    """Asks the scripted server through openai's client, and answers in ADK's words."""

    url: str

    async def generate_content_async(self, llm_request: Any, stream: bool = False) -> Any:
        async with openai.AsyncOpenAI(base_url=self.url, api_key="test") as client:
            said: list[Any] = [{"role": "user", "content": "hi"}]
            answer = await client.chat.completions.create(model=self.model, messages=said)
        used, message = answer.usage, answer.choices[0].message
        assert used is not None
        assert used.completion_tokens_details is not None
        assert used.prompt_tokens_details is not None
        called = [
            types.Part(function_call=types.FunctionCall(name="get_weather", args={"city": "Oslo"}))
            for _ in message.tool_calls or ()
        ]
        thought = used.completion_tokens_details.reasoning_tokens or 0
        yield LlmResponse(
            content=types.Content(role="model", parts=called or [types.Part(text="ok")]),
            usage_metadata=types.GenerateContentResponseUsageMetadata(
                prompt_token_count=used.prompt_tokens,
                cached_content_token_count=used.prompt_tokens_details.cached_tokens,
                candidates_token_count=used.completion_tokens - thought,
                thoughts_token_count=thought,
                total_token_count=used.total_tokens,
            ),
        )


def planner(server: ModelServer, name: str = "planner") -> Agent:
    model = Model(model="gemini-2.5-pro", url=server.base_url)
    return Agent(name=name, model=model, tools=[get_weather])


async def run(agent: BaseAgent) -> None:
    runner = InMemoryRunner(agent=agent, app_name="app")
    session = await runner.session_service.create_session(app_name="app", user_id="u")
    said = types.Content(role="user", parts=[types.Part(text="hi")])
    async for _ in runner.run_async(user_id="u", session_id=session.id, new_message=said):
        await asyncio.sleep(0)


def test_an_agent_is_metered_with_its_client_and_without(
    meter: Kept, both: tuple[str, ...]
) -> None:
    """Every call is on the request once, under the framework's names, whoever saw it."""
    with ModelServer(*LOOP) as server:
        with am.request("ask") as request:
            asyncio.run(run(planner(server)))
        report = request.report()
        amounts_to(report, server)
    assert outline(report.requests[0].tree) == [
        "request ask",
        [
            "agent planner",
            "call gemini-2.5-pro",
            "tool get_weather",
            "tool get_weather",
            "call gemini-2.5-pro",
        ],
    ]
    seen_by = {leaf.record.observer for leaf in calls(report.requests[0].tree)}
    assert seen_by == {"" if "openai" in both else "agentmeter.google-adk"}


def test_agents_below_agents(meter: Kept, both: tuple[str, ...]) -> None:
    """A workflow of agents is an agent with agents in it."""
    with ModelServer(default=INNER) as server:
        both_agents = [planner(server, "first"), planner(server, "second")]
        with am.request("ask") as request:
            asyncio.run(run(SequentialAgent(name="line", sub_agents=both_agents)))
        amounts_to(request.report(), server)
    assert outline(request.report().requests[0].tree)[1] == [
        "agent line",
        ["agent first", "call gemini-2.5-pro"],
        ["agent second", "call gemini-2.5-pro"],
    ]


def test_two_runs_side_by_side_pay_for_themselves(meter: Kept, both: tuple[str, ...]) -> None:
    """Two requests in one event loop: each has its own calls."""

    async def one(server: ModelServer, user: str) -> None:
        async with am.request("ask", user=user):
            await run(planner(server))

    async def two(server: ModelServer) -> None:
        await asyncio.gather(one(server, "a"), one(server, "b"))

    with ModelServer(default=INNER) as server:
        asyncio.run(two(server))
    found = {one.view.owner.user: one.usage.total_tokens for one in meter.report().requests}
    assert found == {"a": 12, "b": 12}
    assert meter.report().unattributed is None


def test_uninstrumenting_puts_every_method_back() -> None:
    """Also those of classes below."""

    def state() -> list[Any]:
        owners = (BaseAgent, BaseTool, BaseLlm, Model)
        return [
            *(vars(one).get("run_async") for one in owners[:2]),
            *(vars(one).get("generate_content_async") for one in owners[2:]),
        ]

    before = state()
    am.instrument("google-adk")
    assert all(now is not then for now, then in zip(state(), before, strict=True))
    am.uninstrument("google-adk")
    assert state() == before
