"""openai's other faces: what each of them bills is metered, meter by meter, sync and async."""

import asyncio
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import openai
import pytest

import agentmeter as am
from agentmeter.model import Call
from agentmeter.runtime.counting import COUNTER
from agentmeter.testing import Billed, Kept, ModelServer, Reply, Wire
from agentmeter.testing.wire_responses import responses_body
from agentmeter_openai.tools import CONTAINERS

TEXT = "hello to you"
AUDIO = b"RIFF...."
INSTRUCT = {"model": "gpt-3.5-turbo-instruct", "prompt": "hello world"}
DRAWN = Reply(input=50, output=200, output_image=180)
EDITED = replace(DRAWN, input_image=20)
HEARD = Reply(text="one two three", input=100, input_audio=90, output=20)
LONG = Reply(audio_seconds="12.5")


@dataclass(frozen=True, slots=True)
class Face:
    """A method of the client, what the server answers, and how much of the bill is said."""

    method: str
    given: dict[str, Any]
    reply: Reply
    evidence: str = "reported"


FACES = {
    "completion": Face("completions.create", INSTRUCT, Reply(input=120, output=30)),
    "completion, streamed": Face(
        "completions.create", {**INSTRUCT, "stream": True}, Reply(input=120, output=30)
    ),
    "image": Face("images.generate", {"model": "gpt-image-1", "prompt": "a cat"}, DRAWN),
    "image, streamed": Face(
        "images.generate",
        {"model": "gpt-image-1", "prompt": "a cat", "stream": True, "partial_images": 2},
        DRAWN,
    ),
    "edit": Face("images.edit", {"model": "gpt-image-1", "prompt": "a cat", "image": b"1"}, EDITED),
    "edit, streamed": Face(
        "images.edit",
        {"model": "gpt-image-1", "prompt": "a cat", "image": b"1", "stream": True},
        EDITED,
    ),
    "images by the piece": Face(
        "images.generate",
        {"model": "dall-e-3", "prompt": "a cat", "n": 2},
        Reply(input=0, output=0, images=2),
    ),
    "transcription": Face(
        "audio.transcriptions.create", {"model": "gpt-4o-transcribe", "file": AUDIO}, HEARD
    ),
    "transcription, streamed": Face(
        "audio.transcriptions.create",
        {"model": "gpt-4o-transcribe", "file": AUDIO, "stream": True},
        HEARD,
    ),
    "transcription by the second": Face(
        "audio.transcriptions.create", {"model": "whisper-1", "file": AUDIO}, LONG
    ),
    "translation": Face(
        "audio.translations.create",
        {"model": "whisper-1", "file": AUDIO, "response_format": "verbose_json"},
        LONG,
    ),
    "speech by the character": Face(
        "audio.speech.create",
        {"model": "tts-1", "voice": "alloy", "input": TEXT},
        Reply(),
        "estimated",
    ),
    "speech in events": Face(
        "audio.speech.create",
        {"model": "gpt-4o-mini-tts", "voice": "alloy", "input": TEXT, "stream_format": "sse"},
        Reply(input=14, output=80, output_audio=80),
    ),
}
PRICED = {"completion", "transcription", "image", "edit", "speech in events"}


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer() as server:
        am.instrument("openai")
        yield server
        am.uninstrument()


def method_of(client: Any, path: str) -> Callable[..., Any]:
    for name in path.split("."):
        client = getattr(client, name)
    return client  # type: ignore[no-any-return]


def ask(server: ModelServer, method: str, **given: Any) -> Any:
    with openai.OpenAI(base_url=server.base_url, api_key="test") as client:
        answer = method_of(client, method)(**given)
        return list(answer) if given.get("stream") else answer


async def ask_async(server: ModelServer, method: str, **given: Any) -> Any:
    async with openai.AsyncOpenAI(base_url=server.base_url, api_key="test") as client:
        answer = await method_of(client, method)(**given)
        return [one async for one in answer] if given.get("stream") else answer


def calls(meter: Kept) -> list[Call]:
    """The calls of the only request, with the late counts in."""
    COUNTER.settle()
    (request,) = meter.report().requests
    return [node.record.call for node in request.tree.children if node.record.call is not None]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("way", [ask, ask_async])
@pytest.mark.parametrize("name", FACES)
def test_what_is_metered_is_what_is_billed(
    name: str, way: Callable[..., Any], meter: Kept, server: ModelServer
) -> None:
    """Meter by meter, on the request, and as far as somebody says it."""
    face = FACES[name]
    server.script(face.reply)
    with am.request(user="u"):
        answer = way(server, face.method, **face.given)
        if inspect.iscoroutine(answer):
            asyncio.run(answer)
    (call,) = calls(meter)
    assert dict(call.usage) == dict(server.billed().usage)
    assert {str(known) for known in call.evidence.values()} == {face.evidence}
    assert (call.model, call.provider) == (face.given["model"], "openai")
    if name in PRICED:
        assert call.unpriced is None


@pytest.mark.parametrize("format", ["text", "srt"])
def test_a_transcript_as_text_tells_nothing_of_its_length(
    format: str,  # noqa: A002
    meter: Kept,
    server: ModelServer,
) -> None:
    """The seconds are unknown, which is not zero."""
    server.script(LONG)
    with am.request():
        given = {"model": "whisper-1", "file": AUDIO, "response_format": format}
        assert ask(server, "audio.transcriptions.create", **given) == "ok\n"
    (call,) = calls(meter)
    assert dict(call.usage) == {}
    assert {name: str(known) for name, known in call.evidence.items()} == {
        "audio_second": "unknown"
    }


def spoken(client: openai.OpenAI) -> bytes:
    return client.audio.speech.create(model="gpt-4o-mini-tts", voice="alloy", input=TEXT).content


def spoken_in_pieces(client: openai.OpenAI) -> bytes:
    with client.audio.speech.with_streaming_response.create(
        model="gpt-4o-mini-tts", voice="alloy", input=TEXT
    ) as response:
        return b"".join(response.iter_bytes())


def spoken_raw(client: openai.OpenAI) -> bytes:
    raw = client.audio.speech.with_raw_response.create(
        model="gpt-4o-mini-tts", voice="alloy", input=TEXT
    )
    return raw.content


@pytest.mark.parametrize("read", [spoken, spoken_in_pieces, spoken_raw])
def test_audio_tells_nothing_of_its_tokens(
    read: Callable[[openai.OpenAI], bytes], meter: Kept, server: ModelServer
) -> None:
    """What was to be said is counted; how much audio came of it nobody knows."""
    with openai.OpenAI(base_url=server.base_url, api_key="test") as client, am.request():
        assert read(client) == b"ID3ok"
    (call,) = calls(meter)
    assert dict(call.usage) == {"input": 3}
    assert {name: str(known) for name, known in call.evidence.items()} == {
        "input": "estimated",
        "output_audio": "unknown",
    }


def test_a_moderation_is_free(meter: Kept, server: ModelServer) -> None:
    """It is no call, as it is on no bill."""
    with am.request():
        ask(server, "moderations.create", model="omni-moderation-latest", input=TEXT)
    assert calls(meter) == []
    assert server.billed() == Billed()


def test_a_completion_left_early_is_known_in_part(meter: Kept, server: ModelServer) -> None:
    """Its text is counted, as of a chat."""
    server.script(Reply(text="one two three four", input=120, output=30))
    with openai.OpenAI(base_url=server.base_url, api_key="test") as client, am.request():
        stream = client.completions.create(**INSTRUCT, stream=True)
        next(iter(stream))
        stream.close()
    (call,) = calls(meter)
    assert dict(call.usage) == {"input": 2, "output": 1}
    assert str(call.evidence["output"]) == "estimated, at_least"


def test_pictures_that_stop_half_way_are_unknown(meter: Kept, server: ModelServer) -> None:
    """A stream that is cut before its last event has told nothing."""
    server.script(replace(DRAWN, cut_after=1))
    with am.request():
        ask(server, "images.generate", model="gpt-image-1", prompt="a cat", stream=True)
    (call,) = calls(meter)
    assert dict(call.usage) == {}
    assert str(call.evidence["output"]) == "unknown"


def output(*kinds: str, **more: Any) -> list[dict[str, Any]]:
    return [{"type": kind, "id": f"i{at}", **more} for at, kind in enumerate(kinds)]


TOOLS: dict[str, Any] = {
    "searches": (
        output("web_search_call", "web_search_call", action={"type": "search", "query": "x"}),
        [{"type": "web_search"}],
        {"web_search": 2},
    ),
    "searches, of which one is free": (
        output("web_search_call", "web_search_call", action={"type": "search", "query": "x"}),
        [{"type": "web_search"}],
        {"web_search": 1},
        {"web_search": {"num_requests": 1}},
    ),
    "a page that is opened": (
        output("web_search_call", action={"type": "open_page", "url": "https://x.test"}),
        [{"type": "web_search"}],
        {},
    ),
    "searches of the preview": (
        output("web_search_call", action={"type": "search", "query": "x"}),
        [{"type": "web_search_preview"}],
        {"web_search_preview": 1},
    ),
    "searches of files": (
        output("file_search_call", queries=["x"]),
        [{"type": "file_search", "vector_store_ids": ["vs"]}],
        {"file_search": 1},
    ),
    "code twice in one container": (
        output("code_interpreter_call", "code_interpreter_call", container_id="c1"),
        [{"type": "code_interpreter", "container": {"type": "auto", "memory_limit": "4g"}}],
        {"code_interpreter_4g": 1},
    ),
}


@pytest.mark.parametrize("name", TOOLS)
def test_tools_that_bill_by_the_call_are_counted(name: str, meter: Kept) -> None:
    """Beside the tokens, by what the response says that it did, and they have a price."""
    CONTAINERS.forget()
    made, tools, fees, *told = TOOLS[name]

    def body(reply: Any, asked: Any, number: str) -> dict[str, Any]:
        response = responses_body(reply, asked, number)
        said = {"tools": tools, "output": [*made, *response["output"]]}
        return {**response, **said, "tool_usage": told[0] if told else None}

    with ModelServer(wires={"/v1/responses": Wire(body)}) as server:
        am.instrument("openai")
        with am.request():
            ask(server, "responses.create", model="gpt-5", input="hi")
        am.uninstrument()
    (call,) = calls(meter)
    assert dict(call.usage) == {"input": 12, "output": 5, **fees}
    assert meter.report().to_json()["requests"][0]["unpriced"] == []
    estimated = {name for name, known in call.evidence.items() if str(known) != "reported"}
    assert estimated == {name for name in fees if name.startswith("code_interpreter")}


def test_files_and_other_requests_pass(meter: Kept, server: ModelServer) -> None:
    """Whatever bills nothing is let through, and its errors are the client's own."""
    with openai.OpenAI(base_url=server.base_url, api_key="test") as client, am.request():
        file = client.files.create(file=b"{}", purpose="fine-tune")
        assert client.files.retrieve(file.id).purpose == "fine-tune"
        with pytest.raises(openai.NotFoundError):
            client.fine_tuning.jobs.retrieve("ftjob-1")
        with pytest.raises(openai.NotFoundError):
            client.uploads.create(bytes=1, filename="x", mime_type="text/plain", purpose="batch")
    assert calls(meter) == []
