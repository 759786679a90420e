"""The scenarios that every instrumentation is recorded in: a client, a reply and what is run."""

import contextlib
from collections.abc import Callable
from typing import Any

from agentmeter.testing import ModelServer, Reply

Scenario = tuple[str, tuple[Reply, ...], Callable[[ModelServer], None]]
SAID = [{"role": "user", "content": "hello"}]


def _openai(server: ModelServer) -> Any:
    import openai

    return openai.OpenAI(base_url=server.base_url, api_key="test", max_retries=0)


def _anthropic(server: ModelServer) -> Any:
    import anthropic

    return anthropic.Anthropic(
        base_url=server.base_url.removesuffix("/v1"), api_key="test", max_retries=0
    )


def chat(server: ModelServer) -> None:
    _openai(server).chat.completions.create(model="gpt-5", messages=SAID)


def chat_stream(server: ModelServer) -> None:
    options = {"include_usage": True}
    for _ in _openai(server).chat.completions.create(
        model="gpt-5", messages=SAID, stream=True, stream_options=options
    ):
        pass


def chat_closed_early(server: ModelServer) -> None:
    stream = _openai(server).chat.completions.create(model="gpt-5", messages=SAID, stream=True)
    next(iter(stream))
    stream.close()


def chat_error(server: ModelServer) -> None:
    with contextlib.suppress(Exception):
        chat(server)


def responses(server: ModelServer) -> None:
    _openai(server).responses.create(model="gpt-5", input="hello")


def embeddings(server: ModelServer) -> None:
    _openai(server).embeddings.create(model="text-embedding-3-small", input="hello")


def messages(server: ModelServer) -> None:
    _anthropic(server).messages.create(model="claude-sonnet-4-5", max_tokens=99, messages=SAID)


def messages_stream(server: ModelServer) -> None:
    for _ in _anthropic(server).messages.create(
        model="claude-sonnet-4-5", max_tokens=99, messages=SAID, stream=True
    ):
        pass


def pydantic_agent(server: ModelServer) -> None:
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    provider = OpenAIProvider(base_url=server.base_url, api_key="test")
    agent = Agent(OpenAIChatModel("gpt-5", provider=provider), name="planner")
    agent.tool_plain(weather)
    agent.run_sync("hello")


def strands_agent(server: ModelServer) -> None:
    from strands import Agent, tool
    from strands.models.openai import OpenAIModel

    args = {"base_url": server.base_url, "api_key": "test"}
    model = OpenAIModel(client_args=args, model_id="gpt-5")
    Agent(model=model, tools=[tool(weather)], name="planner", callback_handler=None)("hello")


def adk_agent(server: ModelServer) -> None:
    """ADK on a model of our own, which asks the scripted server."""
    import asyncio

    import httpx
    from google.adk.agents import Agent
    from google.adk.models import BaseLlm, LlmResponse
    from google.adk.runners import InMemoryRunner
    from google.genai import types

    class Model(BaseLlm):
        async def generate_content_async(self, llm_request: Any, stream: bool = False) -> Any:
            asked = {"model": self.model, "messages": SAID}
            answer = httpx.post(f"{server.base_url}/chat/completions", json=asked).json()
            message, used = answer["choices"][0]["message"], answer["usage"]
            called = [
                types.Part(function_call=types.FunctionCall(name="weather", args={"city": "Oslo"}))
                for _ in message.get("tool_calls", ())
            ]
            thought = used["completion_tokens_details"]["reasoning_tokens"]
            yield LlmResponse(
                content=types.Content(role="model", parts=called or [types.Part(text="ok")]),
                usage_metadata=types.GenerateContentResponseUsageMetadata(
                    prompt_token_count=used["prompt_tokens"],
                    cached_content_token_count=used["prompt_tokens_details"]["cached_tokens"],
                    candidates_token_count=used["completion_tokens"] - thought,
                    thoughts_token_count=thought,
                    total_token_count=used["total_tokens"],
                ),
            )

    async def run() -> None:
        agent = Agent(name="planner", model=Model(model="gemini-2.5-pro"), tools=[weather])
        runner = InMemoryRunner(agent=agent, app_name="app")
        session = await runner.session_service.create_session(app_name="app", user_id="u")
        said = types.Content(role="user", parts=[types.Part(text="hello")])
        async for _ in runner.run_async(user_id="u", session_id=session.id, new_message=said):
            pass

    asyncio.run(run())


def weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"{city}: 3 degrees"


_CALLS = (("weather", '{"city": "Oslo"}'),)
_AGENT = (
    Reply(input=1200, cached=1000, output=60, reasoning=16, tool_calls=_CALLS),
    Reply(input=1400, cached=1152, output=30),
)
_CACHED = Reply(input=1200, cached=1000, output=60, reasoning=16)
_WRITTEN = Reply(input=8100, cached=5000, written_5m=1000, written_1h=2000, output=200)

SCENARIOS: dict[str, Scenario] = {
    "chat": ("openai", (Reply(input=12, output=5),), chat),
    "chat, cached": ("openai", (_CACHED,), chat),
    "chat, tool call": (
        "openai",
        (Reply(input=100, output=20, tool_calls=_CALLS),),
        chat,
    ),
    "chat, streamed": ("openai", (_CACHED,), chat_stream),
    "chat, closed early": ("openai", (Reply(text="one two three"),), chat_closed_early),
    "chat, refused": ("openai", (Reply(status=400),), chat_error),
    "responses": ("openai", (_CACHED,), responses),
    "embeddings": ("openai", (Reply(input=1000, output=0),), embeddings),
    "messages": ("anthropic", (Reply(input=12, output=5),), messages),
    "messages, cached": ("anthropic", (_WRITTEN,), messages),
    "messages, streamed": ("anthropic", (_WRITTEN,), messages_stream),
    "agent, pydantic-ai": ("pydantic-ai", _AGENT, pydantic_agent),
    "agent, adk": ("adk", _AGENT, adk_agent),
    "agent, strands": ("strands", _AGENT, strands_agent),
}
