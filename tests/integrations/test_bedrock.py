"""The real boto3 client against the scripted server: metered equals billed."""

import json
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from typing import Any

import boto3
import botocore.exceptions
import pytest
from botocore.config import Config

import agentmeter as am
from agentmeter.integration import tokenizer
from agentmeter.model import Call
from agentmeter.testing import Kept, ModelServer, Reply, Wire
from agentmeter.testing.conformance.subject import amounts_to_the_bill, calls_of
from agentmeter.testing.wire_bedrock import FRAMES, frame

REPLY = Reply(text="alpha beta gamma delta", input=120, output=60)
HELLO: dict[str, Any] = {"messages": [{"role": "user", "content": [{"text": "hello world"}]}]}
AWS = boto3.Session(
    aws_access_key_id="test", aws_secret_access_key="test", region_name="eu-central-1"
)
NOVA = "eu.amazon.nova-pro-v1:0"
FAMILIES = {
    "eu.anthropic.claude-haiku-4-5-20251001-v1:0": {"messages": [], "max_tokens": 9},
    "eu.amazon.nova-lite-v1:0": {"messages": []},
    "meta.llama3-3-70b-instruct-v1:0": {"prompt": "hello"},
    "mistral.mistral-large-2402-v1:0": {"prompt": "hello"},
    "cohere.command-r-plus-v1:0": {"message": "hello"},
    "amazon.titan-text-premier-v1:0": {"inputText": "hello"},
}


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer(default=REPLY) as server:
        yield server


@pytest.fixture
def client(server: ModelServer) -> Iterator[Any]:
    retries = Config(retries={"total_max_attempts": 2, "mode": "standard"})
    client = AWS.client("bedrock-runtime", endpoint_url=server.url, config=retries)
    am.instrument("bedrock")
    yield client
    am.uninstrument()


def only(meter: Kept) -> Call:
    (record,) = calls_of(meter)
    assert record.call is not None
    return record.call


@pytest.mark.parametrize("model", FAMILIES)
def test_every_familys_body(model: str, client: Any, server: ModelServer, meter: Kept) -> None:
    """Whether the body counts or only the header does, what is metered is what is billed."""
    body = json.dumps(FAMILIES[model])
    answer = client.invoke_model(modelId=model, body=body)
    assert json.load(answer["body"])
    amounts_to_the_bill(server, meter)
    call = only(meter)
    assert (call.provider, call.model, call.priced_model) == ("aws", model, model)
    assert (call.region, call.operation) == ("eu-central-1", "chat")


@pytest.mark.parametrize("model", FAMILIES)
def test_every_familys_stream(model: str, client: Any, server: ModelServer, meter: Kept) -> None:
    """Counts come with the last event, whatever the events before look like."""
    body = json.dumps(FAMILIES[model])
    answer = client.invoke_model_with_response_stream(modelId=model, body=body)
    assert len(list(answer["body"])) >= 4
    amounts_to_the_bill(server, meter)
    assert len(only(meter).finish_reasons) == 1


@pytest.mark.parametrize("model", FAMILIES)
def test_every_familys_cut_stream(
    model: str, client: Any, server: ModelServer, meter: Kept
) -> None:
    """What was generated until then is counted from its text, and said to be at least that."""
    server.script(Reply(text="alpha beta gamma delta", input=120, output=60, cut_after=2))
    body = json.dumps(FAMILIES[model])
    list(client.invoke_model_with_response_stream(modelId=model, body=body)["body"])
    (record,) = calls_of(meter)
    assert record.call is not None
    assert record.status.value == "cut"
    assert str(record.call.evidence["output"]) == "estimated, at_least"
    assert record.call.usage["output"] == tokenizer.count("alpha beta", model).tokens


READERS = {
    "read": lambda body: body.read(),
    "read in two": lambda body: (body.read(7), body.read()),
    "iter_chunks": lambda body: list(body.iter_chunks(5)),
    "iter_lines": lambda body: list(body.iter_lines()),
    "for": list,
    "readinto": lambda body: body.readinto(bytearray(10_000)),
    "readlines": lambda body: body.readlines(),
    "with": lambda body: _within(body),
    "never": lambda body: body.close(),
    "a little": lambda body: (body.read(3), body.close()),
}


def _within(body: Any) -> Any:
    with body as raw:
        return raw.read()


@pytest.mark.parametrize("how", READERS)
def test_a_body_is_metered_however_it_is_read(
    how: str, client: Any, server: ModelServer, meter: Kept
) -> None:
    """The header says what was used, so that it is known even of a body that nobody reads."""
    answer = client.invoke_model(modelId="meta.llama3-3-70b-instruct-v1:0", body='{"prompt": "h"}')
    READERS[how](answer["body"])
    amounts_to_the_bill(server, meter)
    assert calls_of(meter)[0].status.value == "ok"


def test_a_body_that_is_dropped(client: Any, server: ModelServer, meter: Kept) -> None:
    """It ends the call as soon as nobody holds it."""
    client.invoke_model(modelId="meta.llama3-3-70b-instruct-v1:0", body='{"prompt": "h"}')
    amounts_to_the_bill(server, meter)


EMBEDDERS = {
    "amazon.titan-embed-text-v2:0": {"inputText": "hello"},
    "cohere.embed-multilingual-v3": {"texts": ["hello"], "input_type": "search_query"},
}


@pytest.mark.parametrize("model", EMBEDDERS)
def test_embeddings(model: str, client: Any, server: ModelServer, meter: Kept) -> None:
    """By the body's count or by the header's."""
    server.script(Reply(input=7, output=0))
    client.invoke_model(modelId=model, body=json.dumps(EMBEDDERS[model]))["body"].read()
    amounts_to_the_bill(server, meter)
    assert only(meter).operation == "embeddings"


def test_rankings_are_billed_by_the_query(client: Any, server: ModelServer, meter: Kept) -> None:
    """A query over more than a hundred documents is as many as it takes."""
    server.script(Reply(input=0, output=0, usage=False))
    body = {"query": "which?", "documents": ["one"] * 101, "api_version": 2}
    client.invoke_model(modelId="cohere.rerank-v3-5:0", body=json.dumps(body))["body"].read()
    call = only(meter)
    assert (call.operation, dict(call.usage)) == ("rerank", {"search_unit": 2})
    assert {str(known) for known in call.evidence.values()} == {"estimated"}


NAMED = {
    "amazon.nova-pro-v1:0": ("amazon.nova-pro-v1:0", "eu-central-1", None),
    "arn:aws:bedrock:us-east-1:1:inference-profile/us.amazon.nova-pro-v1:0": (
        "us.amazon.nova-pro-v1:0",
        "us-east-1",
        None,
    ),
    "arn:aws:bedrock:us-west-2::foundation-model/amazon.nova-pro-v1:0": (
        "amazon.nova-pro-v1:0",
        "us-west-2",
        None,
    ),
    "arn:aws:bedrock:us-west-2:1:provisioned-model/abc123": ("abc123", "us-west-2", "provisioned"),
}


@pytest.mark.parametrize("model_id", NAMED)
def test_models_are_named_by_id_or_by_arn(model_id: str, client: Any, meter: Kept) -> None:
    """The profile stays with the model; an ARN says its region and whether it is provisioned."""
    client.converse(modelId=model_id, **HELLO)
    call = only(meter)
    assert (call.model, call.region, call.deployment) == NAMED[model_id]


PROFILES = {
    "eu.anthropic.claude-sonnet-4-5-20250929-v1:0": "0.00495",
    "global.anthropic.claude-sonnet-4-5-20250929-v1:0": "0.0045",
    "eu.amazon.nova-pro-v1:0": "0.00147",
}


@pytest.mark.parametrize("model", PROFILES)
def test_a_profile_has_its_price(model: str, client: Any, server: ModelServer, meter: Kept) -> None:
    """What was called is priced as the profile that its id names, in the client's region."""
    server.script(Reply(input=1000, output=100), Reply(input=1000, output=100))
    with am.request():
        client.converse(modelId=model, **HELLO)
    (report,) = meter.report().requests
    assert dict(report.amounts) == {"USD": Decimal(PROFILES[model])}


def test_conditions_of_converse(client: Any, server: ModelServer, meter: Kept) -> None:
    """The tier that served, why it ended, and the id of the answer."""
    server.script(Reply(input=9, output=3, service_tier="flex"))
    answer = client.converse(modelId=NOVA, **HELLO)
    call = only(meter)
    assert (call.service_tier, call.finish_reasons) == ("flex", ("end_turn",))
    assert call.response_id == answer["ResponseMetadata"].get("RequestId")


def test_tools_in_a_stream(client: Any, server: ModelServer, meter: Kept) -> None:
    """Calls of tools are followed like text, so that a cut one is counted."""
    calls = (("weather", '{"city": "Oslo"}'),)
    server.script(Reply(text="so", input=9, output=30, tool_calls=calls, cut_after=2))
    stream = client.converse_stream(modelId=NOVA, **HELLO)["stream"]
    list(stream)
    call = only(meter)
    assert str(call.evidence["input"]) == "estimated"
    made = 'soweather{"city": "Oslo"}'
    assert call.usage["output"] == tokenizer.count(made, NOVA).tokens


def test_a_refusal_that_is_tried_again(client: Any, server: ModelServer, meter: Kept) -> None:
    """Tries are attempts of one call; a second refusal ends it, and used nothing."""
    server.script(Reply(status=503), Reply(status=503))
    with pytest.raises(botocore.exceptions.ClientError):
        client.converse(modelId=NOVA, **HELLO)
    call = only(meter)
    assert [one.http_status for one in call.attempts] == [503, 503]
    assert dict(call.usage) == {}


def test_a_connection_that_breaks_is_an_attempt(
    client: Any, server: ModelServer, meter: Kept
) -> None:
    """It has an error's name in the place of a status."""
    server.script(Reply(disconnect=True))
    client.converse(modelId=NOVA, **HELLO)
    attempts = [(one.http_status, one.error_type) for one in only(meter).attempts]
    assert attempts == [(None, "ConnectionClosedError"), (200, None)]
    assert {str(known) for known in only(meter).evidence.values()} == {"reported, at_least"}


def test_an_attempt_that_timed_out_makes_the_call_a_lower_bound(
    client: Any, server: ModelServer, meter: Kept
) -> None:
    """The server may bill what nobody waited for."""
    server.script(Reply(delay=30))
    again = Config(retries={"total_max_attempts": 2, "mode": "standard"}, read_timeout=1)
    AWS.client("bedrock-runtime", endpoint_url=server.url, config=again).converse(
        modelId=NOVA, **HELLO
    )
    call = only(meter)
    assert [one.error_type for one in call.attempts] == ["ReadTimeoutError", None]
    assert {str(known) for known in call.evidence.values()} == {"reported, at_least"}


def _failing(reply: Reply, body: Any, number: str) -> Iterator[tuple[bool, bytes]]:
    delta = {"contentBlockIndex": 0, "delta": {"text": "hello"}}
    yield True, frame("contentBlockDelta", json.dumps(delta).encode())
    yield False, frame("throttlingException", b'{"message": "slow down"}', "exception")


def test_an_exception_among_the_events(meter: Kept) -> None:
    """It is the application's, and ends the call with what had arrived."""
    am.instrument("bedrock")
    wire = Wire(lambda *_: {}, _failing, always_streams=True, kind=FRAMES)
    with ModelServer(wires={"-v1%3A0/converse-stream": wire}) as server:
        client = AWS.client("bedrock-runtime", endpoint_url=server.url)
        stream = client.converse_stream(modelId=NOVA, **HELLO)["stream"]
        with pytest.raises(botocore.exceptions.EventStreamError):
            list(stream)
    am.uninstrument()
    (record,) = calls_of(meter)
    assert record.call is not None
    assert (record.status.value, record.error_type) == ("error", "EventStreamError")
    assert record.call.usage["output"] == 1


def test_a_stream_that_is_dropped(client: Any, meter: Kept) -> None:
    """A stream that nobody holds any more is over at once."""
    answer = client.converse_stream(modelId=NOVA, **HELLO)
    with closing(iter(answer["stream"])) as events:
        next(events)
    del events
    answer.clear()
    (record,) = calls_of(meter)
    assert record.status.value == "closed"


def test_other_services_pass(client: Any, meter: Kept) -> None:
    """What is no model of Bedrock's is no call."""
    with ModelServer() as server:
        sts = AWS.client("sts", endpoint_url=server.url)
        with pytest.raises(botocore.exceptions.BotoCoreError):
            sts.get_caller_identity()
    assert meter.records == []
