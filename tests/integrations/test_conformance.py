"""Every integration of a client holds what all of them have to hold."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, closing, contextmanager
from typing import Any

import anthropic
import boto3
import botocore
import cohere
import openai
import pytest
from botocore.config import Config
from cohere.core.http_client import AsyncHttpClient, HttpClient
from cohere.v2.raw_client import AsyncRawV2Client, RawV2Client
from google import genai
from google.genai import types
from mistralai.client import Mistral
from mistralai.client.chat import Chat
from mistralai.client.utils import BackoffStrategy, RetryConfig

from agentmeter.testing import ModelServer, Reply
from agentmeter.testing.conformance import Case, Subject, cases
from agentmeter_anthropic import AnthropicIntegration
from agentmeter_bedrock import BedrockIntegration
from agentmeter_cohere import CohereIntegration
from agentmeter_google_genai import GoogleGenAIIntegration
from agentmeter_mistralai import MistralIntegration
from agentmeter_openai import OpenAIIntegration

SAID: dict[str, Any] = {"messages": [{"role": "user", "content": "hello world"}]}
CHAT = {"model": "gpt-4o-mini", **SAID}
CLAUDE = "eu.anthropic.claude-haiku-4-5-20251001-v1:0"
CONVERSE: dict[str, Any] = {
    "modelId": CLAUDE,
    "messages": [{"role": "user", "content": [{"text": "hello world"}]}],
}
INVOKE = {"modelId": CLAUDE, "body": json.dumps({"max_tokens": 100, **SAID})}
MISTRAL: dict[str, Any] = {"model": "mistral-large-latest", **SAID}
COMMAND: dict[str, Any] = {"model": "command-a-03-2025", **SAID}
AWS = boto3.Session(
    aws_access_key_id="test", aws_secret_access_key="test", region_name="eu-central-1"
)
INSTRUCT: dict[str, Any] = {"model": "gpt-3.5-turbo-instruct", "prompt": "hello world"}
CONTENT: dict[str, Any] = {"model": "gemini-2.5-flash", "contents": "hello world"}
INTERACTION: dict[str, Any] = {"model": "gemini-2.5-flash", "input": "hello world"}
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


def complete(server: ModelServer) -> Any:
    with _openai(server) as client:
        return client.completions.create(**INSTRUCT)


@contextmanager
def completion_stream(server: ModelServer) -> Iterator[Any]:
    with _openai(server) as client, client.completions.create(**INSTRUCT, stream=True) as stream:
        yield stream


async def complete_async(server: ModelServer) -> Any:
    async with _openai_async(server) as client:
        return await client.completions.create(**INSTRUCT)


@asynccontextmanager
async def completion_stream_async(server: ModelServer) -> AsyncIterator[Any]:
    async with (
        _openai_async(server) as client,
        await client.completions.create(**INSTRUCT, stream=True) as stream,
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


def _gemini(server: ModelServer) -> Any:
    retry = types.HttpRetryOptions(attempts=2, initial_delay=0.01, max_delay=0.02)
    return genai.Client(
        api_key="test",
        vertexai=False,
        http_options=types.HttpOptions(base_url=server.url, retry_options=retry),
    )


def content(server: ModelServer) -> Any:
    with _gemini(server) as client:
        answer = client.models.generate_content(**CONTENT)
    answer.sdk_http_response = None  # it has the date
    return answer


@contextmanager
def content_stream(server: ModelServer) -> Iterator[Any]:
    with (
        _gemini(server) as client,
        closing(client.models.generate_content_stream(**CONTENT)) as stream,
    ):
        yield map(_undated, stream)


def _undated(piece: Any) -> Any:
    piece.sdk_http_response = None
    return piece


async def content_async(server: ModelServer) -> Any:
    async with _gemini(server).aio as client:
        return await client.models.generate_content(**CONTENT)


@asynccontextmanager
async def content_stream_async(server: ModelServer) -> AsyncIterator[Any]:
    async with _gemini(server).aio as client:
        stream = await client.models.generate_content_stream(**CONTENT)
        async with aclosing(stream):
            yield stream


def interact(server: ModelServer) -> Any:
    with _gemini(server) as client:
        return client.interactions.create(**INTERACTION)


@contextmanager
def interaction_stream(server: ModelServer) -> Iterator[Any]:
    with (
        _gemini(server) as client,
        client.interactions.create(**INTERACTION, stream=True) as stream,
    ):
        yield stream


async def interact_async(server: ModelServer) -> Any:
    async with _gemini(server).aio as client:
        return await client.interactions.create(**INTERACTION)


@asynccontextmanager
async def interaction_stream_async(server: ModelServer) -> AsyncIterator[Any]:
    async with (
        _gemini(server).aio as client,
        await client.interactions.create(**INTERACTION, stream=True) as stream,
    ):
        yield stream


def bedrock(server: ModelServer) -> Any:
    """A client for a server, which tries twice."""
    return AWS.client(
        "bedrock-runtime",
        endpoint_url=server.url,
        config=Config(retries={"total_max_attempts": 2, "mode": "standard"}),
    )


def converse(server: ModelServer) -> Any:
    return _undated_aws(bedrock(server).converse(**CONVERSE))


def invoke(server: ModelServer) -> Any:
    return bedrock(server).invoke_model(**INVOKE)["body"].read()


def _undated_aws(answer: Any) -> Any:
    answer["ResponseMetadata"]["HTTPHeaders"].pop("date")
    return answer


@contextmanager
def converse_stream(server: ModelServer) -> Iterator[Any]:
    with closing(bedrock(server).converse_stream(**CONVERSE)["stream"]) as stream:
        yield stream


@contextmanager
def invoke_stream(server: ModelServer) -> Iterator[Any]:
    with closing(bedrock(server).invoke_model_with_response_stream(**INVOKE)["body"]) as stream:
        yield stream


def _mistral(server: ModelServer) -> Mistral:
    backoff = BackoffStrategy(10, 20, 1.5, 10_000)
    return Mistral(
        api_key="test",
        server_url=f"{server.url}/mistral",
        retry_config=RetryConfig("backoff", backoff, retry_connection_errors=True),
    )


def mistral_chat(server: ModelServer) -> Any:
    with _mistral(server) as client:
        return client.chat.complete(**MISTRAL)


@contextmanager
def mistral_stream(server: ModelServer) -> Iterator[Any]:
    with _mistral(server) as client, client.chat.stream(**MISTRAL) as stream:
        yield stream


async def mistral_chat_async(server: ModelServer) -> Any:
    async with _mistral(server) as client:
        return await client.chat.complete_async(**MISTRAL)


@asynccontextmanager
async def mistral_stream_async(server: ModelServer) -> AsyncIterator[Any]:
    async with _mistral(server) as client, await client.chat.stream_async(**MISTRAL) as stream:
        yield stream


def cohere_chat(server: ModelServer) -> Any:
    return cohere.ClientV2("test", base_url=server.url).chat(**COMMAND)


@contextmanager
def cohere_stream(server: ModelServer) -> Iterator[Any]:
    client = cohere.ClientV2("test", base_url=server.url)
    with closing(client.chat_stream(**COMMAND)) as stream:
        yield stream


async def cohere_chat_async(server: ModelServer) -> Any:
    return await cohere.AsyncClientV2("test", base_url=server.url).chat(**COMMAND)


@asynccontextmanager
async def cohere_stream_async(server: ModelServer) -> AsyncIterator[Any]:
    client = cohere.AsyncClientV2("test", base_url=server.url)
    async with aclosing(client.chat_stream(**COMMAND)) as stream:
        yield stream


def cohere_first(server: ModelServer) -> Any:
    return cohere.Client("test", base_url=server.url).chat(model="command-r", message="hello")


@contextmanager
def cohere_first_stream(server: ModelServer) -> Iterator[Any]:
    client = cohere.Client("test", base_url=server.url)
    with closing(client.chat_stream(model="command-r", message="hello")) as stream:
        yield stream


def bases(library: Any) -> tuple[type, ...]:
    base = library._base_client
    return (base.BaseClient, base.SyncAPIClient, base.AsyncAPIClient)


PLAIN = Reply(text="alpha beta gamma delta", input=120, output=60)
CONVERSED = Reply(
    text="alpha beta gamma delta", input=1200, cached=700, written_5m=200, written_1h=50, output=60
)
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
    "mistralai chat": Subject(
        integration=MistralIntegration(),
        ask=mistral_chat,
        stream=mistral_stream,
        ask_async=mistral_chat_async,
        stream_async=mistral_stream_async,
        patched=(Chat,),
    ),
    "cohere chat": Subject(
        integration=CohereIntegration(),
        ask=cohere_chat,
        stream=cohere_stream,
        ask_async=cohere_chat_async,
        stream_async=cohere_stream_async,
        patched=(RawV2Client, AsyncRawV2Client, HttpClient, AsyncHttpClient),
        reply=PLAIN,
    ),
    "cohere chat, version 1": Subject(
        integration=CohereIntegration(),
        ask=cohere_first,
        stream=cohere_first_stream,
        reply=PLAIN,
    ),
    "bedrock converse": Subject(
        integration=BedrockIntegration(),
        ask=converse,
        stream=converse_stream,
        patched=(botocore.client.BaseClient, botocore.endpoint.Endpoint),
        reply=CONVERSED,
    ),
    "bedrock invoke": Subject(
        integration=BedrockIntegration(),
        ask=invoke,
        stream=invoke_stream,
        reply=CACHED,
    ),
    "google-genai content": Subject(
        integration=GoogleGenAIIntegration(),
        ask=content,
        stream=content_stream,
        ask_async=content_async,
        stream_async=content_stream_async,
        patched=(genai._api_client.BaseApiClient,),
    ),
    "google-genai interactions": Subject(
        integration=GoogleGenAIIntegration(),
        ask=interact,
        stream=interaction_stream,
        ask_async=interact_async,
        stream_async=interaction_stream_async,
    ),
    "openai completions": Subject(
        integration=OpenAIIntegration(),
        ask=complete,
        stream=completion_stream,
        ask_async=complete_async,
        stream_async=completion_stream_async,
        reply=PLAIN,
    ),
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
