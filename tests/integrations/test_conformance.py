"""Every integration of a client holds what all of them have to hold."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import anthropic
import openai
import pytest

from agentmeter.testing import ModelServer, Reply
from agentmeter.testing.conformance import Case, Subject, cases
from agentmeter_anthropic import AnthropicIntegration
from agentmeter_openai import OpenAIIntegration

SAID: dict[str, Any] = {"messages": [{"role": "user", "content": "hello world"}]}
CHAT = {"model": "gpt-4o-mini", **SAID}
MESSAGE = {"model": "claude-haiku-4-5", "max_tokens": 100, **SAID}


def _openai(server: ModelServer) -> openai.OpenAI:
    return openai.OpenAI(base_url=server.base_url, api_key="test")


def _openai_async(server: ModelServer) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=server.base_url, api_key="test")


def chat(server: ModelServer) -> Any:
    with _openai(server) as client:
        return client.chat.completions.create(**CHAT)


def respond(server: ModelServer) -> Any:
    with _openai(server) as client:
        return client.responses.create(model="gpt-5", input="hello world")


@contextmanager
def chat_stream(server: ModelServer) -> Iterator[Any]:
    with _openai(server) as client, client.chat.completions.create(**CHAT, stream=True) as stream:
        yield stream


@contextmanager
def response_stream(server: ModelServer) -> Iterator[Any]:
    with (
        _openai(server) as client,
        client.responses.create(model="gpt-5", input="hello world", stream=True) as stream,
    ):
        yield stream


async def chat_async(server: ModelServer) -> Any:
    async with _openai_async(server) as client:
        return await client.chat.completions.create(**CHAT)


async def respond_async(server: ModelServer) -> Any:
    async with _openai_async(server) as client:
        return await client.responses.create(model="gpt-5", input="hello world")


@asynccontextmanager
async def chat_stream_async(server: ModelServer) -> AsyncIterator[Any]:
    async with (
        _openai_async(server) as client,
        await client.chat.completions.create(**CHAT, stream=True) as stream,
    ):
        yield stream


@asynccontextmanager
async def response_stream_async(server: ModelServer) -> AsyncIterator[Any]:
    async with (
        _openai_async(server) as client,
        await client.responses.create(model="gpt-5", input="hello world", stream=True) as stream,
    ):
        yield stream


def message(server: ModelServer) -> Any:
    with anthropic.Anthropic(base_url=server.url, api_key="test") as client:
        return client.messages.create(**MESSAGE)


@contextmanager
def message_stream(server: ModelServer) -> Iterator[Any]:
    with (
        anthropic.Anthropic(base_url=server.url, api_key="test") as client,
        client.messages.create(**MESSAGE, stream=True) as stream,
    ):
        yield stream


@contextmanager
def message_helper(server: ModelServer) -> Iterator[Any]:
    with (
        anthropic.Anthropic(base_url=server.url, api_key="test") as client,
        client.messages.stream(**MESSAGE) as stream,
    ):
        yield stream


async def message_async(server: ModelServer) -> Any:
    async with anthropic.AsyncAnthropic(base_url=server.url, api_key="test") as client:
        return await client.messages.create(**MESSAGE)


@asynccontextmanager
async def message_stream_async(server: ModelServer) -> AsyncIterator[Any]:
    async with (
        anthropic.AsyncAnthropic(base_url=server.url, api_key="test") as client,
        await client.messages.create(**MESSAGE, stream=True) as stream,
    ):
        yield stream


@asynccontextmanager
async def message_helper_async(server: ModelServer) -> AsyncIterator[Any]:
    async with (
        anthropic.AsyncAnthropic(base_url=server.url, api_key="test") as client,
        client.messages.stream(**MESSAGE) as stream,
    ):
        yield stream


def bases(library: Any) -> tuple[type, ...]:
    base = library._base_client
    return (base.BaseClient, base.SyncAPIClient, base.AsyncAPIClient)


CACHED = Reply(
    text="alpha beta gamma delta",
    input=1200,
    cached=700,
    written_5m=200,
    written_1h=50,
    output=60,
    reasoning=16,
    web_search=2,
)

SUBJECTS = {
    "openai chat": Subject(
        integration=OpenAIIntegration(),
        ask=chat,
        stream=chat_stream,
        ask_async=chat_async,
        stream_async=chat_stream_async,
        patched=bases(openai),
    ),
    "openai responses": Subject(
        integration=OpenAIIntegration(),
        ask=respond,
        stream=response_stream,
        ask_async=respond_async,
        stream_async=response_stream_async,
        patched=bases(openai),
    ),
    "anthropic messages": Subject(
        integration=AnthropicIntegration(),
        ask=message,
        stream=message_stream,
        ask_async=message_async,
        stream_async=message_stream_async,
        patched=bases(anthropic),
        reply=CACHED,
    ),
    "anthropic stream helper": Subject(
        integration=AnthropicIntegration(),
        ask=message,
        stream=message_helper,
        stream_async=message_helper_async,
        reply=CACHED,
    ),
}


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=f"{name}: {case}")
        for name, subject in SUBJECTS.items()
        for case in cases(subject)
    ],
)
def test_it_conforms(case: Case) -> None:
    """What was metered is what was billed, and the application notices nothing."""
    case.run()
