"""openai's raw responses: metered from what is read of them, which stays what the provider sent."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest

import agentmeter as am
from agentmeter.model import Record
from agentmeter.runtime.counting import COUNTER
from agentmeter.testing import Kept, ModelServer, Reply

CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hello world"}]}
FULL = Reply(text="a b c d e f", input=1200, cached=1000, output=60, reasoning=16)
USED = {"cache_read": 1000, "input": 200, "output": 44, "reasoning": 16}


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer(default=FULL) as server:
        yield server


@pytest.fixture
def instrumented() -> Iterator[None]:
    am.instrument("openai")
    yield
    am.uninstrument()


def last(meter: Kept) -> Record:
    COUNTER.settle()
    return meter.records[-1]


READ: dict[str, Callable[[Any], Any]] = {
    "iter_bytes": lambda raw: b"".join(raw.iter_bytes()).decode(),
    "iter_bytes(7)": lambda raw: b"".join(raw.iter_bytes(7)).decode(),
    "iter_text": lambda raw: "".join(raw.iter_text()),
    "iter_lines": lambda raw: "\n".join(raw.iter_lines()),
    "read": lambda raw: raw.read().decode(),
}
ASKS = {
    "chat": lambda c, **more: c.chat.completions.with_streaming_response.create(**CHAT, **more),
    "responses": lambda c, **more: c.responses.with_streaming_response.create(
        model="gpt-5", input="hi", **more
    ),
}


async def read_async(raw: Any, how: str) -> str:
    if how == "read":
        return (await raw.read()).decode()
    if how == "iter_lines":
        return "\n".join([line async for line in raw.iter_lines()])
    if how == "iter_text":
        return "".join([text async for text in raw.iter_text()])
    size = (7,) if how == "iter_bytes(7)" else ()
    return b"".join([data async for data in raw.iter_bytes(*size)]).decode()


@pytest.mark.parametrize("asks", ASKS)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("how", READ)
def test_what_is_read_is_metered_and_unchanged(
    how: str, stream: bool, asks: str, meter: Kept, server: ModelServer, instrumented: None
) -> None:
    """However a body is read, the caller reads what it would read unmetered, and it is metered."""
    more = {"stream": True} if stream else {}
    with openai.OpenAI(base_url=server.base_url, api_key="test") as client:
        with ASKS[asks](client, **more) as raw:
            metered = READ[how](raw)
        call = last(meter).call
        assert call is not None
        assert dict(call.usage) == USED
        assert {str(known) for known in call.evidence.values()} == {"reported"}
        assert last(meter).status == "ok"
        assert call.response_id is not None
        am.uninstrument()
        with ASKS[asks](client, **more) as raw:
            bare = READ[how](raw)
    assert metered == bare.replace("00000002", "00000001")
    assert server.billed().calls == 2


@pytest.mark.parametrize("how", READ)
@pytest.mark.parametrize("stream", [False, True])
async def test_the_same_asynchronously(
    how: str, stream: bool, meter: Kept, server: ModelServer, instrumented: None
) -> None:
    """The async client's raw responses are metered from what passes by as well."""
    more = {"stream": True} if stream else {}
    async with (
        openai.AsyncOpenAI(base_url=server.base_url, api_key="test") as client,
        client.chat.completions.with_streaming_response.create(**CHAT, **more) as raw,
    ):
        text = await read_async(raw, how)
    call = last(meter).call
    assert call is not None
    assert dict(call.usage) == USED
    assert ('"usage"' in text) is not stream


def test_parse_gives_the_stream_and_hides_what_was_not_asked_for(
    meter: Kept, server: ModelServer, instrumented: None
) -> None:
    """A parsed raw stream has no chunk without choices, and its usage is known."""
    with (
        openai.OpenAI(base_url=server.base_url, api_key="test") as client,
        client.chat.completions.with_streaming_response.create(**CHAT, stream=True) as raw,
    ):
        chunks = list(raw.parse())
    assert all(chunk.choices for chunk in chunks)
    call = last(meter).call
    assert call is not None
    assert dict(call.usage) == USED


def test_who_asked_for_usage_reads_it(meter: Kept, server: ModelServer, instrumented: None) -> None:
    """The usage event stays in the bytes of a caller who asked for it."""
    options = {"stream": True, "stream_options": {"include_usage": True}}
    with (
        openai.OpenAI(base_url=server.base_url, api_key="test") as client,
        client.chat.completions.with_streaming_response.create(**CHAT, **options) as raw,
    ):
        lines = [line[6:] for line in raw.iter_lines() if line.startswith("data: {")]
    assert json.loads(lines[-1])["usage"]["prompt_tokens"] == 1200


def test_a_body_read_in_part_keeps_what_arrived(
    meter: Kept, server: ModelServer, instrumented: None
) -> None:
    """Leaving after three events: three words are output at least, the input is estimated."""
    with (
        openai.OpenAI(base_url=server.base_url, api_key="test") as client,
        client.chat.completions.with_streaming_response.create(**CHAT, stream=True) as raw,
    ):
        seen = 0
        for line in raw.iter_lines():
            seen += line.startswith("data:")
            if seen == 3:
                break
    assert last(meter).status == "closed"
    report = meter.report().unattributed
    assert report is not None
    call = report.tree.children[-1].record.call
    assert call is not None
    assert dict(call.usage) == {"input": 9, "output": 3}
    assert str(call.evidence["output"]) == "estimated, at_least"


def test_a_body_that_nobody_reads_is_unknown(
    meter: Kept, server: ModelServer, instrumented: None
) -> None:
    """A plain answer closed unread has cost something: its input is estimated, its output unknown."""
    with (
        openai.OpenAI(base_url=server.base_url, api_key="test") as client,
        client.chat.completions.with_streaming_response.create(**CHAT),
    ):
        pass
    report = meter.report().unattributed
    assert report is not None
    call = report.tree.children[-1].record.call
    assert call is not None
    assert dict(call.usage) == {"input": 9}
    assert str(call.evidence["output"]) == "unknown"


@pytest.mark.parametrize("kind", ["clean", "reset"])
def test_a_body_that_the_server_cuts_is_waste(
    kind: Any, meter: Kept, server: ModelServer, instrumented: None
) -> None:
    """Two words of four had passed when the server ended the stream."""
    server.script(Reply(text="alpha beta gamma delta", cut_after=2, cut=kind))
    with (
        openai.OpenAI(base_url=server.base_url, api_key="test") as client,
        client.chat.completions.with_streaming_response.create(**CHAT, stream=True) as raw,
    ):
        try:
            for _ in raw.iter_bytes():
                pass
        except Exception as error:
            assert (kind, type(error).__name__) == ("reset", "RemoteProtocolError")
    assert last(meter).status == "cut"
    report = meter.report().unattributed
    assert report is not None
    assert dict(report.usage) == {"input": 9, "output": 2}
