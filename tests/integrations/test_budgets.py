"""Budgets around every client: refused before it is sent, clamped, and never overshot together."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

import agentmeter as am
from agentmeter.integration import is_installed
from agentmeter.model import Status
from agentmeter.testing import Kept, ModelServer, Reply

SAID: Any = [{"role": "user", "content": "hello world"}]
CLAUDE = "eu.anthropic.claude-haiku-4-5-20251001-v1:0"
AT_ONCE = 24
ROOM = 7
MOST = 20


@dataclass(frozen=True, slots=True)
class Client:
    """A client: its library, one call with a limit on the output, and where that stands."""

    library: str
    ask: Callable[[ModelServer, int], Any]
    place: str
    ask_async: Callable[[ModelServer, int], Awaitable[Any]] | None = None


def openai_chat(server: ModelServer, most: int) -> Any:
    import openai

    with openai.OpenAI(base_url=server.base_url, api_key="test") as client:
        return client.chat.completions.create(model="gpt-5", messages=SAID, max_tokens=most)


async def openai_chat_async(server: ModelServer, most: int) -> Any:
    import openai

    async with openai.AsyncOpenAI(base_url=server.base_url, api_key="test") as client:
        return await client.chat.completions.create(model="gpt-5", messages=SAID, max_tokens=most)


def openai_completion(server: ModelServer, most: int) -> Any:
    import openai

    with openai.OpenAI(base_url=server.base_url, api_key="test") as client:
        return client.completions.create(
            model="gpt-3.5-turbo-instruct", prompt="hello world", max_tokens=most
        )


def anthropic_message(server: ModelServer, most: int) -> Any:
    import anthropic

    with anthropic.Anthropic(base_url=server.url, api_key="test") as client:
        return client.messages.create(model="claude-haiku-4-5", messages=SAID, max_tokens=most)


async def anthropic_message_async(server: ModelServer, most: int) -> Any:
    import anthropic

    async with anthropic.AsyncAnthropic(base_url=server.url, api_key="test") as client:
        return await client.messages.create(
            model="claude-haiku-4-5", messages=SAID, max_tokens=most
        )


def _gemini(server: ModelServer) -> Any:
    from google import genai

    return genai.Client(
        api_key="test", vertexai=False, http_options=genai.types.HttpOptions(base_url=server.url)
    )


def gemini(server: ModelServer, most: int) -> Any:
    with _gemini(server) as client:
        return client.models.generate_content(
            model="gemini-2.5-flash", contents="hello world", config={"max_output_tokens": most}
        )


def gemini_stream(server: ModelServer, most: int) -> Any:
    with _gemini(server) as client:
        return list(
            client.models.generate_content_stream(
                model="gemini-2.5-flash", contents="hello world", config={"max_output_tokens": most}
            )
        )


async def gemini_async(server: ModelServer, most: int) -> Any:
    async with _gemini(server).aio as client:
        return await client.models.generate_content(
            model="gemini-2.5-flash", contents="hello world", config={"max_output_tokens": most}
        )


def _bedrock(server: ModelServer) -> Any:
    import boto3

    session = boto3.Session(
        aws_access_key_id="test", aws_secret_access_key="test", region_name="eu-central-1"
    )
    return session.client("bedrock-runtime", endpoint_url=server.url)


def converse(server: ModelServer, most: int) -> Any:
    return _bedrock(server).converse(
        modelId=CLAUDE,
        messages=[{"role": "user", "content": [{"text": "hello world"}]}],
        inferenceConfig={"maxTokens": most},
    )


def converse_stream(server: ModelServer, most: int) -> Any:
    answer = _bedrock(server).converse_stream(
        modelId=CLAUDE,
        messages=[{"role": "user", "content": [{"text": "hello world"}]}],
        inferenceConfig={"maxTokens": most},
    )
    return list(answer["stream"])


def invoke(server: ModelServer, most: int) -> Any:
    body = json.dumps({"max_tokens": most, "messages": SAID})
    return _bedrock(server).invoke_model(modelId=CLAUDE, body=body)["body"].read()


def mistral(server: ModelServer, most: int) -> Any:
    from mistralai.client import Mistral

    with Mistral(api_key="test", server_url=f"{server.url}/mistral") as client:
        return client.chat.complete(model="mistral-large-latest", messages=SAID, max_tokens=most)


async def mistral_async(server: ModelServer, most: int) -> Any:
    from mistralai.client import Mistral

    async with Mistral(api_key="test", server_url=f"{server.url}/mistral") as client:
        return await client.chat.complete_async(
            model="mistral-large-latest", messages=SAID, max_tokens=most
        )


def cohere_chat(server: ModelServer, most: int) -> Any:
    import cohere

    client = cohere.ClientV2("test", base_url=server.url)
    return client.chat(model="command-a-03-2025", messages=SAID, max_tokens=most)


def cohere_stream(server: ModelServer, most: int) -> Any:
    import cohere

    client = cohere.ClientV2("test", base_url=server.url)
    return list(client.chat_stream(model="command-a-03-2025", messages=SAID, max_tokens=most))


async def cohere_async(server: ModelServer, most: int) -> Any:
    import cohere

    client = cohere.AsyncClientV2("test", base_url=server.url)
    return await client.chat(model="command-a-03-2025", messages=SAID, max_tokens=most)


def litellm_chat(server: ModelServer, most: int) -> Any:
    import litellm

    return litellm.completion(
        model="openai/gpt-4o", messages=SAID, max_tokens=most, **_litellm(server)
    )


async def litellm_async(server: ModelServer, most: int) -> Any:
    import litellm

    return await litellm.acompletion(
        model="openai/gpt-4o", messages=SAID, max_tokens=most, **_litellm(server)
    )


def _litellm(server: ModelServer) -> dict[str, Any]:
    return {"api_base": server.base_url, "api_key": "test", "num_retries": 0}


CLIENTS = {
    "openai": Client("openai", openai_chat, "max_tokens", openai_chat_async),
    "openai completions": Client("openai", openai_completion, "max_tokens"),
    "anthropic": Client("anthropic", anthropic_message, "max_tokens", anthropic_message_async),
    "google-genai": Client(
        "google.genai", gemini, "generationConfig.maxOutputTokens", gemini_async
    ),
    "google-genai stream": Client(
        "google.genai", gemini_stream, "generationConfig.maxOutputTokens"
    ),
    "bedrock converse": Client("boto3", converse, "inferenceConfig.maxTokens"),
    "bedrock converse stream": Client("boto3", converse_stream, "inferenceConfig.maxTokens"),
    "bedrock invoke": Client("boto3", invoke, "max_tokens"),
    "mistralai": Client("mistralai", mistral, "max_tokens", mistral_async),
    "cohere": Client("cohere", cohere_chat, "max_tokens", cohere_async),
    "cohere stream": Client("cohere", cohere_stream, "max_tokens"),
    "litellm": Client("litellm", litellm_chat, "max_tokens", litellm_async),
}
EVERY = [
    pytest.param(
        client,
        id=name,
        marks=pytest.mark.skipif(not is_installed(client.library), reason="not installed"),
    )
    for name, client in CLIENTS.items()
]


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer(default=Reply(text="ok", input=1, output=1)) as server:
        am.instrument()
        yield server
        am.uninstrument()


def needed(server: ModelServer, client: Client, **budget: Any) -> Any:
    """What a budget that has nothing left is asked for, by one call."""
    with am.request(budget=am.Budget(**budget)), pytest.raises(am.BudgetExceeded) as refused:
        client.ask(server, MOST)
    return refused.value.needed


def at(body: Any, place: str) -> Any:
    for name in place.split("."):
        body = body[name]
    return body


@pytest.mark.parametrize("client", EVERY)
def test_without_room_nothing_is_sent(client: Client, meter: Kept, server: ModelServer) -> None:
    """By money and by tokens; the call is on the record, and took nothing."""
    for budget in ({"usd": "0.000001"}, {"tokens": 3}):
        with am.request(budget=am.Budget(**budget)), pytest.raises(am.BudgetExceeded):
            client.ask(server, MOST)
        if client.ask_async is not None:
            with am.request(budget=am.Budget(**budget)), pytest.raises(am.BudgetExceeded):
                asyncio.run(client.ask_async(server, MOST))  # type: ignore[arg-type]
    assert server.requests == []
    records = [one for one in meter.records if one.call is not None]
    assert {one.status for one in records} == {Status.REFUSED}
    assert all(not one.call.usage for one in records if one.call is not None)


@pytest.mark.parametrize("client", EVERY)
def test_the_limit_is_lowered_to_what_is_left(
    client: Client, meter: Kept, server: ModelServer
) -> None:
    """Under the provider's own name for it."""
    counted = needed(server, client, tokens=1) - MOST
    assert counted > 0
    for ask in (client.ask, client.ask_async):
        if ask is None:
            continue
        with am.request(budget=am.Budget(tokens=100, action="clamp")):
            answer = ask(server, 500)
            if asyncio.iscoroutine(answer):
                asyncio.run(answer)
        assert at(server.requests[-1].body, client.place) == 100 - counted


@pytest.mark.parametrize("client", EVERY)
def test_together_they_stay_below_the_budget(
    client: Client, meter: Kept, server: ModelServer
) -> None:
    """As many as there is room for are sent, and not one more; all at once, in threads."""
    each = needed(server, client, usd=0)
    counted = needed(server, client, tokens=1) - MOST
    server.script(*[Reply(text="ok", input=counted, output=MOST, delay=0.03)] * ROOM)
    with am.request(budget=am.Budget(usd=each * ROOM + each / 2)) as request:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            work = [pool.submit(am.carried(_survives), client.ask, server) for _ in range(AT_ONCE)]
        assert sum(one.result() for one in work) == ROOM
        spent = request.cost.amount
    assert server.billed().calls == ROOM
    assert Decimal(0) < spent <= each * ROOM


@pytest.mark.parametrize("client", [one for one in EVERY if one.values[0].ask_async is not None])
def test_together_they_stay_below_it_asynchronously(
    client: Client, meter: Kept, server: ModelServer
) -> None:
    """As many tasks at once."""
    each = needed(server, client, usd=0)
    counted = needed(server, client, tokens=1) - MOST
    server.script(*[Reply(text="ok", input=counted, output=MOST, delay=0.03)] * ROOM)
    ask = client.ask_async
    assert ask is not None

    async def survives() -> bool:
        try:
            await ask(server, MOST)
        except am.BudgetExceeded:
            return False
        return True

    async def run() -> int:
        async with am.request(budget=am.Budget(usd=each * ROOM + each / 2)):
            return sum(await asyncio.gather(*(survives() for _ in range(AT_ONCE))))

    assert asyncio.run(run()) == ROOM
    assert server.billed().calls == ROOM


def _survives(ask: Callable[[ModelServer, int], Any], server: ModelServer) -> bool:
    try:
        ask(server, MOST)
    except am.BudgetExceeded:
        return False
    return True
