"""The real cohere client against the scripted server: metered equals billed."""

import asyncio
from collections.abc import Iterator
from typing import Any

import cohere
import pytest
from cohere.core import http_client

import agentmeter as am
from agentmeter.model import Call
from agentmeter.testing import Kept, ModelServer, Reply
from agentmeter.testing.conformance.subject import amounts_to_the_bill, calls_of

SAID: dict[str, Any] = {
    "model": "command-a-03-2025",
    "messages": [{"role": "user", "content": "hello world"}],
}


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer(default=Reply(text="a b c", input=120, output=6)) as server:
        yield server


@pytest.fixture
def client(server: ModelServer) -> Iterator[cohere.ClientV2]:
    am.instrument("cohere")
    yield cohere.ClientV2("test", base_url=server.url)
    am.uninstrument()


def only(meter: Kept) -> Call:
    (record,) = calls_of(meter)
    assert record.call is not None
    return record.call


def test_what_a_call_is_called(client: cohere.ClientV2, meter: Kept) -> None:
    """By what is billed, which is less than what was processed."""
    answer = client.chat(**SAID)
    assert answer.usage.tokens.input_tokens == 187
    call = only(meter)
    assert (call.provider, call.operation, call.model) == ("cohere", "chat", SAID["model"])
    assert (call.response_id, call.finish_reasons) == ("cohere-00000001", ("COMPLETE",))
    assert dict(call.usage) == {"input": 120, "output": 6}


def test_tools_in_a_cut_stream(client: cohere.ClientV2, server: ModelServer, meter: Kept) -> None:
    """Calls of tools are followed like text, and counted where the end is missing."""
    calls = (("weather", '{"city": "Oslo"}'), ("time", "{}"))
    server.script(Reply(text="so", input=9, output=30, tool_calls=calls, cut_after=2))
    list(client.chat_stream(**SAID))
    (record,) = calls_of(meter)
    assert record.call is not None
    assert record.status.value == "cut"
    assert str(record.call.evidence["output"]) == "estimated, at_least"
    assert record.call.usage["output"] > 1


def test_embeddings(client: cohere.ClientV2, server: ModelServer, meter: Kept) -> None:
    """They have an input only."""
    server.script(Reply(input=7, output=0))
    client.embed(
        model="embed-v4.0",
        texts=["one", "two"],
        input_type="search_document",
        embedding_types=["float"],
    )
    amounts_to_the_bill(server, meter)
    assert (only(meter).operation, dict(only(meter).usage)) == ("embeddings", {"input": 7})


@pytest.mark.parametrize(("documents", "units"), [(3, 1), (250, 3)])
def test_rankings(client: cohere.ClientV2, documents: int, units: int, meter: Kept) -> None:
    """They are billed by search units, which the answer tells."""
    client.rerank(model="rerank-v3.5", query="which?", documents=["one"] * documents)
    call = only(meter)
    assert (call.operation, dict(call.usage)) == ("rerank", {"search_unit": units})


def test_the_first_version(server: ModelServer, client: Any, meter: Kept) -> None:
    """Its embeddings and rankings, sync and async."""
    server.script(Reply(input=7, output=0))
    first = cohere.Client("test", base_url=server.url)
    first.embed(model="embed-english-v3.0", texts=["one"], input_type="search_query")
    later = cohere.AsyncClient("test", base_url=server.url)
    asyncio.run(later.rerank(model="rerank-v3.5", query="which?", documents=["one"]))
    used = [dict(record.call.usage) for record in calls_of(meter) if record.call]
    assert used == [{"input": 7}, {"search_unit": 1}]


def test_raw_answers(client: cohere.ClientV2, server: ModelServer, meter: Kept) -> None:
    """What ``with_raw_response`` gives is metered as well."""
    client.with_raw_response.chat(**SAID)
    amounts_to_the_bill(server, meter)


@pytest.mark.skipif(
    not hasattr(http_client, "_retry_timeout_from_retries"), reason="does not try again yet"
)
def test_a_connection_that_breaks(
    client: cohere.ClientV2, server: ModelServer, meter: Kept
) -> None:
    """A try without an answer has an error's name in the place of a status."""
    server.script(Reply(disconnect=True))
    client.chat(**SAID, request_options={"retry_remote_protocol_errors": True})
    attempts = [(one.http_status, one.error_type) for one in only(meter).attempts]
    assert attempts == [(None, "RemoteProtocolError"), (200, None)]
    assert {str(known) for known in only(meter).evidence.values()} == {"reported, at_least"}


def test_an_answer_that_does_not_say_its_usage_is_counted(
    client: cohere.ClientV2, server: ModelServer, meter: Kept
) -> None:
    """Both sides are estimated, from the request and from the answer's text."""
    server.script(Reply(text="one two three four", usage=False))
    client.chat(**SAID)
    assert only(meter).usage["output"] == 4
    assert {str(known) for known in only(meter).evidence.values()} == {"estimated"}
