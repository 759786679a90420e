"""The real mistralai client against the scripted server: metered equals billed."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from mistralai.client import Mistral
from mistralai.client.errors import ResponseValidationError, SDKError
from mistralai.client.utils import BackoffStrategy, RetryConfig

import agentmeter as am
from agentmeter.model import Call
from agentmeter.testing import Kept, ModelServer, Reply, Wire
from agentmeter.testing.conformance.subject import amounts_to_the_bill, calls_of

LARGE = "mistral-large-latest"
SAID: dict[str, Any] = {"model": LARGE, "messages": [{"role": "user", "content": "hello world"}]}


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer(default=Reply(text="a b c", input=120, cached=100, output=6)) as server:
        yield server


@pytest.fixture
def client(server: ModelServer) -> Iterator[Mistral]:
    am.instrument("mistralai")
    with Mistral(api_key="test", server_url=f"{server.url}/mistral") as client:
        yield client
    am.uninstrument()


def only(meter: Kept) -> Call:
    (record,) = calls_of(meter)
    assert record.call is not None
    return record.call


def test_what_a_call_is_called(client: Mistral, server: ModelServer, meter: Kept) -> None:
    """Provider, operation, model, id and why it ended, by the conventions' names."""
    server.script(Reply(input=120, cached=100, output=6, tool_calls=(("weather", "{}"),)))
    client.chat.complete(**SAID)
    call = only(meter)
    assert (call.provider, call.operation, call.model) == ("mistral", "chat", LARGE)
    assert (call.response_id, call.finish_reasons) == ("chatcmpl-00000001", ("tool_calls",))
    assert dict(call.usage) == {"cache_read": 100, "input": 20, "output": 6}


def test_code_is_filled_in(client: Mistral, server: ModelServer, meter: Kept) -> None:
    """Whole, and as a stream."""
    client.fim.complete(model="codestral-latest", prompt="def f(", suffix="return a")
    with client.fim.stream(model="codestral-latest", prompt="def f(") as stream:
        list(stream)
    amounts_to_the_bill(server, meter, calls=2)
    operations = {record.call.operation for record in calls_of(meter) if record.call}
    assert operations == {"text_completion"}


def test_embeddings(client: Mistral, server: ModelServer, meter: Kept) -> None:
    """They have an input only, and say so."""
    server.script(Reply(input=7, output=0))
    client.embeddings.create(model="mistral-embed", inputs=["one", "two"])
    amounts_to_the_bill(server, meter)
    assert (only(meter).operation, dict(only(meter).usage)) == ("embeddings", {"input": 7})


def _unreadable(reply: Reply, body: Any, number: str) -> dict[str, Any]:
    usage = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
    return {"choices": "none that the client knows", "usage": usage}


def test_an_answer_that_the_client_cannot_read_is_paid(meter: Kept) -> None:
    """The client raises over it, and what it used is known."""
    am.instrument("mistralai")
    with (
        ModelServer(wires={"/none/v1/chat/completions": Wire(_unreadable)}) as server,
        Mistral(api_key="test", server_url=f"{server.url}/none") as client,
        pytest.raises(ResponseValidationError),
    ):
        client.chat.complete(**SAID)
    am.uninstrument()
    assert dict(only(meter).usage) == {"input": 9, "output": 4}


def test_pages_are_read(client: Mistral, server: ModelServer, meter: Kept) -> None:
    """What reads documents is billed by the page."""
    server.script(Reply(input=3))
    document = {"type": "document_url", "document_url": "https://example.com/a.pdf"}
    client.ocr.process(model="mistral-ocr-latest", document=document)
    assert dict(only(meter).usage) == {"page": 3}


def _conversed(reply: Reply, body: Any, number: str) -> dict[str, Any]:
    tokens = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 113}
    usage = {**tokens, "connector_tokens": 100, "connectors": {"web_search": 1}}
    return {
        "object": "conversation.response",
        "conversation_id": "c1",
        "outputs": [],
        "usage": usage,
    }


def test_conversations_count_what_their_connectors_brought(meter: Kept) -> None:
    """An agent's answer tells the tokens of its tools' results apart, and their calls."""
    am.instrument("mistralai")
    with (
        ModelServer(wires={"/v1/conversations": Wire(_conversed)}) as server,
        Mistral(api_key="test", server_url=server.url) as client,
    ):
        client.beta.conversations.start(model=LARGE, inputs="who won?")
    am.uninstrument()
    call = only(meter)
    assert (call.operation, call.response_id) == ("invoke_agent", "c1")
    assert dict(call.usage)["output"] == 4
    assert call.usage.total_input == 109
    assert call.usage["web_search"] == 1


def test_a_stream_without_usage_is_counted(
    client: Mistral, server: ModelServer, meter: Kept
) -> None:
    """Both sides are estimated from what was said."""
    server.script(Reply(text="alpha beta", usage=False))
    with client.chat.stream(**SAID) as stream:
        list(stream)
    assert {str(known) for known in only(meter).evidence.values()} == {"estimated"}


def test_an_attempt_that_timed_out_makes_the_call_a_lower_bound(
    client: Mistral, server: ModelServer, meter: Kept
) -> None:
    """The server may bill what nobody waited for."""
    server.script(Reply(delay=30))
    again = RetryConfig("backoff", BackoffStrategy(1, 10, 1, 60_000), True)
    client.chat.complete(**SAID, timeout_ms=1000, retries=again)
    call = only(meter)
    assert [one.error_type for one in call.attempts] == ["ReadTimeout", None]
    assert {str(known) for known in call.evidence.values()} == {"reported, at_least"}


def test_a_stream_that_is_dropped(client: Mistral, meter: Kept) -> None:
    """A stream that nobody holds any more is over at once."""
    stream = client.chat.stream(**SAID)
    next(stream)
    del stream
    assert calls_of(meter)[0].status.value == "closed"


def test_a_refusal_is_the_clients_own(client: Mistral, server: ModelServer, meter: Kept) -> None:
    """Its error comes through, and it used nothing."""
    server.script(Reply(status=429))

    async def ask() -> None:
        await client.chat.complete_async(**SAID)

    with pytest.raises(SDKError):
        asyncio.run(ask())
    call = only(meter)
    assert [one.http_status for one in call.attempts] == [429]
    assert (dict(call.usage), calls_of(meter)[0].error_type) == ({}, "SDKError")
