"""The real google-genai client against the scripted server: metered equals billed."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from google import genai
from google.auth.credentials import AnonymousCredentials
from google.genai import errors, types

import agentmeter as am
from agentmeter.model import Call
from agentmeter.testing import Kept, ModelServer, Reply, Wire
from agentmeter.testing.conformance.subject import amounts_to_the_bill, calls_of

FLASH = "gemini-2.5-flash"
FULL = Reply(text="a b c d e f", input=1200, cached=1000, output=60, reasoning=16)
USED = {"cache_read": 1000, "input": 200, "output": 44, "reasoning": 16}
CALLING = Reply(text="", input=300, output=20, tool_calls=(("weather", '{"city": "Oslo"}'),))


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer(default=FULL) as server:
        yield server


@pytest.fixture
def client(server: ModelServer) -> Iterator[genai.Client]:
    am.instrument("google-genai")
    options = types.HttpOptions(base_url=server.url)
    with genai.Client(api_key="test", vertexai=False, http_options=options) as client:
        yield client
    am.uninstrument()


@pytest.fixture
def vertex(server: ModelServer) -> Iterator[genai.Client]:
    am.instrument("google-genai")
    credentials = AnonymousCredentials()
    credentials.token = "test"
    with genai.Client(
        vertexai=True,
        project="acme",
        location="europe-west4",
        credentials=credentials,
        http_options=types.HttpOptions(base_url=server.url),
    ) as client:
        yield client
    am.uninstrument()


def only(meter: Kept) -> Call:
    (record,) = calls_of(meter)
    assert record.call is not None
    return record.call


def weather(city: str) -> str:
    """The weather in a city."""
    return f"{city}: 3 C"


TOOLS = types.GenerateContentConfig(tools=[weather])


def test_every_round_of_function_calling_is_a_call(
    client: genai.Client, server: ModelServer, meter: Kept
) -> None:
    """The client's answer shows the usage of its last round; all three are billed, and metered."""
    server.script(CALLING, CALLING)
    with am.request():
        answer = client.models.generate_content(model=FLASH, contents="weather?", config=TOOLS)
    assert answer.usage_metadata.prompt_token_count == 1200
    amounts_to_the_bill(server, meter, calls=3)
    assert [dict(record.call.usage)["input"] for record in calls_of(meter) if record.call] == [
        300,
        300,
        200,
    ]


def test_a_stream_that_calls_functions(
    client: genai.Client, server: ModelServer, meter: Kept
) -> None:
    """Each round of it is a stream of its own."""
    server.script(CALLING)
    with am.request():
        for _ in client.models.generate_content_stream(
            model=FLASH, contents="weather?", config=TOOLS
        ):
            pass
    amounts_to_the_bill(server, meter, calls=len(server.requests))


def test_functions_are_called_without_waiting(
    client: genai.Client, server: ModelServer, meter: Kept
) -> None:
    """The asynchronous client, two rounds in each of two tasks, on the request of each."""
    server.script(CALLING, CALLING, when=lambda body: len(body["contents"]) == 1)

    async def ask() -> None:
        async with am.request():
            await client.aio.models.generate_content(model=FLASH, contents="?", config=TOOLS)

    async def run() -> None:
        await asyncio.gather(ask(), ask())

    asyncio.run(run())
    amounts_to_the_bill(server, meter, calls=4)
    assert [one.calls for one in meter.report().requests] == [2, 2]


def test_chats_and_cached_content(client: genai.Client, server: ModelServer, meter: Kept) -> None:
    """Turns of a chat are calls, and what came from a cache is told apart."""
    config = types.GenerateContentConfig(cached_content="cachedContents/1")
    chat = client.chats.create(model=FLASH, config=config)
    chat.send_message("hello")
    for _ in chat.send_message_stream("and again"):
        pass
    amounts_to_the_bill(server, meter, calls=2)
    assert [dict(record.call.usage) for record in calls_of(meter) if record.call] == [USED, USED]


def test_what_a_call_is_called(client: genai.Client, meter: Kept) -> None:
    """Provider, operation, model, id and why it ended, by the conventions' names."""
    client.models.generate_content(model=f"models/{FLASH}", contents="hello")
    call = only(meter)
    assert (call.provider, call.operation, call.model) == ("google", "generate_content", FLASH)
    assert (call.response_model, call.response_id) == (FLASH, "gemini-00000001")
    assert (call.finish_reasons, call.region, call.stream) == (("STOP",), None, False)


def test_vertex_is_google_in_its_region(
    vertex: genai.Client, server: ModelServer, meter: Kept
) -> None:
    """The location is the region, and the kind of traffic is the tier."""
    server.script(Reply(input=10, output=5, service_tier="ON_DEMAND_PRIORITY"))
    vertex.models.generate_content(model=FLASH, contents="hello")
    call = only(meter)
    assert (call.provider, call.model, call.region) == ("google", FLASH, "europe-west4")
    assert call.service_tier == "priority"
    amounts_to_the_bill(server, meter)


EMBEDDED = ["one", "two", "three"]


def test_embeddings_of_vertex(vertex: genai.Client, server: ModelServer, meter: Kept) -> None:
    """Every text says its tokens; their sum is the call's."""
    server.script(Reply(input=10, output=0))
    vertex.models.embed_content(model="text-embedding-005", contents=EMBEDDED)
    call = only(meter)
    assert (call.operation, dict(call.usage)) == ("embeddings", {"input": 10})
    amounts_to_the_bill(server, meter)


def test_embeddings_of_gemini(client: genai.Client, server: ModelServer, meter: Kept) -> None:
    """Where the answer says its tokens they are reported."""
    server.script(Reply(input=10, output=0))
    client.models.embed_content(model="gemini-embedding-2", contents=EMBEDDED)
    amounts_to_the_bill(server, meter)


def test_embeddings_that_nobody_counts(
    client: genai.Client, server: ModelServer, meter: Kept
) -> None:
    """Where the answer says nothing the input is estimated, and says that it is."""
    server.script(Reply(input=3, output=0, usage=False))
    client.models.embed_content(model="gemini-embedding-001", contents=EMBEDDED)
    call = only(meter)
    assert {name: str(known) for name, known in call.evidence.items()} == {"input": "estimated"}
    assert dict(call.usage) == {"input": 5}


IMAGEN = "imagen-4.0-generate-001:predict"


def _pictures(reply: Reply, body: Any, number: str) -> dict[str, Any]:
    made = {"bytesBase64Encoded": "aGk=", "mimeType": "image/png"}
    return {"predictions": [made, made, {"raiFilteredReason": "no"}]}


@pytest.mark.filterwarnings("ignore:The generate_images method")
def test_pictures_are_counted(vertex: genai.Client, server: ModelServer, meter: Kept) -> None:
    """Imagen is billed by the picture, without those that a filter held back."""
    server.wires = {IMAGEN: Wire(_pictures), **server.wires}
    config = types.GenerateImagesConfig(number_of_images=3)
    vertex.models.generate_images(model="imagen-4.0-generate-001", prompt="a fjord", config=config)
    assert dict(only(meter).usage) == {"image": 2}


def _grounded(reply: Reply, body: Any, number: str) -> dict[str, Any]:
    return {
        "modelVersion": body["model"],
        "candidates": [{"groundingMetadata": {"webSearchQueries": ["a", "b"]}}],
        "usageMetadata": {"promptTokenCount": 9, "totalTokenCount": 9},
    }


@pytest.mark.parametrize(("model", "searches"), [("gemini-2.5-pro", 1), ("gemini-3-pro", 2)])
def test_searches_are_billed_by_the_prompt_or_by_the_query(
    model: str, searches: int, meter: Kept
) -> None:
    """Which of the two depends on the model's generation."""
    am.instrument("google-genai")
    with ModelServer(wires={f"{model}:generateContent": Wire(_grounded)}) as server:
        options = types.HttpOptions(base_url=server.url)
        with genai.Client(api_key="test", vertexai=False, http_options=options) as client:
            client.models.generate_content(model=model, contents="who won?")
    am.uninstrument()
    assert dict(only(meter).usage) == {"input": 9, "web_search": searches}


def test_counting_tokens_costs_nothing(client: genai.Client, meter: Kept) -> None:
    """A request that bills nothing is no call."""
    with pytest.raises(errors.APIError):  # which the server does not speak
        client.models.count_tokens(model=FLASH, contents="hello")
    assert meter.records == []


def test_a_stream_that_is_dropped(client: genai.Client, meter: Kept) -> None:
    """A stream that nobody holds any more is over at once, with what had arrived."""
    stream = client.models.generate_content_stream(model=FLASH, contents="hello")
    next(stream)
    del stream
    (record,) = calls_of(meter)
    assert record.call is not None
    assert (record.status.value, dict(record.call.usage)) == (
        "closed",
        {"cache_read": 1000, "input": 200, "output": 1, "reasoning": 16},
    )
    assert str(record.call.evidence["output"]) == "reported, at_least"


def test_a_stream_that_says_no_usage_is_counted(
    client: genai.Client, server: ModelServer, meter: Kept
) -> None:
    """Both sides are estimated from what was said."""
    server.script(Reply(text="alpha beta gamma", usage=False))
    for _ in client.models.generate_content_stream(model=FLASH, contents="hello world"):
        pass
    call = only(meter)
    assert {name: str(known) for name, known in call.evidence.items()} == {
        "input": "estimated",
        "output": "estimated",
    }
    assert set(call.usage) == {"input", "output"}


def test_an_answer_that_does_not_say_its_usage_is_counted(
    client: genai.Client, server: ModelServer, meter: Kept
) -> None:
    """Both sides are estimated, from the request and from the answer's text."""
    server.script(Reply(text="one two three four", usage=False))
    client.models.generate_content(model=FLASH, contents="hello world")
    assert only(meter).usage["output"] == 4
    assert {str(known) for known in only(meter).evidence.values()} == {"estimated"}


def test_an_attempt_that_timed_out_makes_the_call_a_lower_bound(
    client: genai.Client, server: ModelServer, meter: Kept
) -> None:
    """The server may bill what nobody waited for."""
    server.script(Reply(delay=30))
    again = types.HttpRetryOptions(attempts=2, initial_delay=0.01, jitter=0.0)
    options = types.HttpOptions(base_url=server.url, timeout=1000, retry_options=again)
    with genai.Client(api_key="test", vertexai=False, http_options=options) as patient:
        patient.models.generate_content(model=FLASH, contents="hello world")
    call = only(meter)
    assert [one.error_type for one in call.attempts] == ["ReadTimeout", None]
    assert {str(known) for known in call.evidence.values()} == {"reported, at_least"}
