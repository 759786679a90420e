"""openai over web sockets: realtime sessions, and responses that are asked for over a connection."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import openai
import pytest
from openai.resources.responses import Responses

import agentmeter as am
from agentmeter.model import Call, Record
from agentmeter.runtime.counting import COUNTER
from agentmeter.testing import Kept, ModelServer, Reply
from agentmeter.testing.live import LiveServer

SPOKEN = Reply(
    text="one two",
    input=200,
    input_audio=120,
    cached=64,
    cached_audio=40,
    output=60,
    output_audio=44,
)
USED = {
    "cache_read": 24,
    "cache_read_audio": 40,
    "input": 56,
    "input_audio": 80,
    "output": 16,
    "output_audio": 44,
}
GPT: dict[str, Any] = {"model": "gpt-5", "input": "hello world"}
ENDS = ("response.done", "response.completed")


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer(default=SPOKEN) as server:
        am.instrument("openai")
        yield server
        am.uninstrument()


@pytest.fixture
def live(server: ModelServer) -> Iterator[LiveServer]:
    with LiveServer(server) as live:
        yield live


def client_of(live: LiveServer) -> openai.OpenAI:
    return openai.OpenAI(websocket_base_url=f"{live.url}/v1", api_key="test")


def async_client_of(live: LiveServer) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(websocket_base_url=f"{live.url}/v1", api_key="test")


def listen(connection: Any, *ends: str) -> Any:
    """The event that ends what was asked for."""
    return next(event for event in connection if event.type in (ends or ENDS))


async def listen_async(connection: Any, *ends: str) -> Any:
    async for event in connection:
        if event.type in (ends or ENDS):
            return event
    return None


def records(meter: Kept) -> list[Record]:
    COUNTER.settle()
    (request,) = meter.report().requests
    return [node.record for node in request.tree.children]


def calls(meter: Kept) -> list[Call]:
    return [record.call for record in records(meter) if record.call is not None]


def test_every_response_of_a_session_is_a_call(
    meter: Kept, server: ModelServer, live: LiveServer
) -> None:
    """With its text and audio tokens, cached ones apart, at the price of each."""
    with (
        client_of(live) as client,
        am.request(),
        client.realtime.connect(model="gpt-realtime") as connection,
    ):
        for _ in range(2):
            connection.response.create()
            assert listen(connection).response.usage.total_tokens == 260
    found = calls(meter)
    assert [dict(call.usage) for call in found] == [USED, USED]
    assert dict(server.billed().usage) == {name: 2 * n for name, n in USED.items()}
    assert {(call.provider, call.model, call.stream) for call in found} == {
        ("openai", "gpt-realtime", True)
    }
    assert [call.response_id for call in found] == ["resp_00000001", "resp_00000002"]
    assert meter.report().requests[0].amounts["USD"] > Decimal("0.009")


async def test_it_is_so_asynchronously(meter: Kept, server: ModelServer, live: LiveServer) -> None:
    """And through the handlers that a connection calls."""
    async with (
        async_client_of(live) as client,
        am.request(),
        client.realtime.connect(model="gpt-realtime") as connection,
    ):
        await connection.response.create()
        await listen_async(connection)
    (call,) = calls(meter)
    assert dict(call.usage) == dict(server.billed().usage) == USED


@pytest.mark.parametrize(
    ("heard", "used"),
    [
        (
            Reply(input=30, input_audio=28, output=5),
            {"input": 2, "input_audio": 28, "output": 5},
        ),
        (Reply(audio_seconds="3.4"), {"audio_second": 3}),
    ],
)
def test_the_transcript_of_what_was_said_is_another_models_call(
    heard: Reply, used: dict[str, int], meter: Kept, server: ModelServer, live: LiveServer
) -> None:
    """At that model's price, by its tokens or by the seconds."""
    server.script(heard)
    with (
        client_of(live) as client,
        am.request(),
        client.realtime.connect(model="gpt-realtime") as connection,
    ):
        connection.input_audio_buffer.commit()
        listen(connection, "conversation.item.input_audio_transcription.completed")
    (call,) = calls(meter)
    assert (call.model, call.operation) == ("gpt-4o-transcribe", "transcription")
    assert dict(call.usage) == dict(server.billed().usage) == used


def test_a_response_that_a_connection_ends_in_is_unknown(
    meter: Kept, server: ModelServer, live: LiveServer
) -> None:
    """It was being made, and nobody says what it took."""
    with (
        client_of(live) as client,
        am.request(),
        client.realtime.connect(model="gpt-realtime") as connection,
    ):
        connection.response.create()
        listen(connection, "response.created")
    (record,) = records(meter)
    assert record.call is not None
    assert (record.status.value, dict(record.call.usage)) == ("closed", {})
    assert {str(known) for known in record.call.evidence.values()} == {"unknown"}


def test_raw_messages_are_metered(meter: Kept, server: ModelServer, live: LiveServer) -> None:
    """Whoever reads bytes and parses them is metered once."""
    with (
        client_of(live) as client,
        am.request(),
        client.realtime.connect(model="gpt-realtime") as connection,
    ):
        connection.response.create()
        while True:
            event = connection.parse_event(connection.recv_bytes())
            if event.type in ENDS:
                break
    (call,) = calls(meter)
    assert dict(call.usage) == USED


WITH_RESPONSES = pytest.mark.skipif(
    not hasattr(Responses, "connect"), reason="no such connections yet"
)


@WITH_RESPONSES
def test_responses_over_a_connection_are_calls(
    meter: Kept, server: ModelServer, live: LiveServer
) -> None:
    """Their last event tells what a response of HTTP tells."""
    server.script(Reply(input=1200, cached=1000, output=60, reasoning=16))
    with client_of(live) as client, am.request(), client.responses.connect() as connection:
        connection.response.create(**GPT)
        assert listen(connection).response.usage.total_tokens == 1260
    (call,) = calls(meter)
    assert dict(call.usage) == dict(server.billed().usage)
    assert (call.provider, call.response_model) == ("openai", "gpt-5")


@WITH_RESPONSES
async def test_responses_over_a_connection_are_calls_asynchronously(
    meter: Kept, server: ModelServer, live: LiveServer
) -> None:
    """As well."""
    server.script(Reply(input=1200, cached=1000, output=60, reasoning=16))
    async with (
        async_client_of(live) as client,
        am.request(),
        client.responses.connect() as connection,
    ):
        await connection.response.create(**GPT)
        await listen_async(connection)
    (call,) = calls(meter)
    assert dict(call.usage) == dict(server.billed().usage)


def test_switched_off_nothing_is_replaced(
    meter: Kept, server: ModelServer, live: LiveServer
) -> None:
    """The very methods that were there are back, and nothing is metered."""
    from openai.resources.realtime.realtime import RealtimeConnection

    metered = RealtimeConnection.recv_bytes
    am.uninstrument()
    assert metered.__wrapped__ is RealtimeConnection.recv_bytes  # type: ignore[attr-defined]
    with (
        client_of(live) as client,
        am.request(),
        client.realtime.connect(model="gpt-realtime") as connection,
    ):
        connection.response.create()
        listen(connection)
    assert calls(meter) == []
