"""The wires: OpenAI's chat and embeddings here, the others' beside it."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from agentmeter.testing import wire_cohere, wire_openai
from agentmeter.testing.script import Billed, by_image, by_length, whole
from agentmeter.testing.vectors import coded, vector
from agentmeter.testing.wire_anthropic import messages_body, messages_stream
from agentmeter.testing.wire_bedrock import (
    FRAMES,
    converse_body,
    converse_stream,
    invoke_body,
    invoke_stream,
    token_headers,
)
from agentmeter.testing.wire_gemini import (
    batch_embed_body,
    content_body,
    content_stream,
    embed_body,
    interaction_body,
    interaction_stream,
    predict_body,
)
from agentmeter.testing.wire_mistral import ocr_body, with_id, with_usage
from agentmeter.testing.wire_responses import responses_body, responses_stream

Body = Mapping[str, Any]
Event = tuple[bool, bytes]
"""Whether it carries content, and its bytes."""

JSON_LINES = "application/stream+json"


@dataclass(frozen=True, slots=True)
class Wire:
    """One endpoint: its plain body, and its stream where it has one."""

    body: Callable[[Any, Body, str], dict[str, Any] | str | bytes]
    """An answer: JSON, or else text or bytes as they are."""
    stream: Callable[[Any, Body, str], Iterator[Event]] | None = None
    always_streams: bool = False
    """Whether the path itself asks for the stream, and not a field of the body."""
    kind: str = "text/event-stream"
    """The content type of the stream."""
    headers: Callable[[Any], Mapping[str, str]] | None = None
    """Headers of a plain answer that say something of it."""
    bill: Callable[[Any, Body], Billed] = lambda reply, body: whole(reply)
    """What the provider bills for an answer that was sent whole."""


def error_body(status: int) -> dict[str, Any]:
    """OpenAI's error body."""
    return {"error": {"message": f"scripted {status}", "type": "scripted", "code": None}}


def _words(text: str) -> list[str]:
    return re.findall(r"\s*\S+", text)


def _sse(data: Mapping[str, Any]) -> bytes:
    return f"data: {json.dumps(data)}\n\n".encode()


def _chat_usage(reply: Any) -> dict[str, Any] | None:
    if not reply.usage:
        return None
    return {
        "prompt_tokens": reply.input,
        "completion_tokens": reply.output,
        "total_tokens": reply.input + reply.output,
        "prompt_tokens_details": {"cached_tokens": reply.cached},
        "completion_tokens_details": {"reasoning_tokens": reply.reasoning},
    }


def _chat_head(reply: Any, body: Body, number: str, kind: str) -> dict[str, Any]:
    head = {
        "id": f"chatcmpl-{number}",
        "object": kind,
        "created": 1_790_000_000,
        "model": reply.model or body.get("model"),
    }
    return {**head, "service_tier": reply.service_tier} if reply.service_tier else head


def _tool_calls(reply: Any, number: str) -> list[dict[str, Any]]:
    return [
        {
            "index": index,
            "id": f"call_{number}_{index}",
            "type": "function",
            "function": {"name": name, "arguments": arguments},
        }
        for index, (name, arguments) in enumerate(reply.tool_calls)
    ]


def _finish(reply: Any) -> str:
    return str(reply.finish_reason or ("tool_calls" if reply.tool_calls else "stop"))


def chat_body(reply: Any, body: Body, number: str) -> dict[str, Any]:
    """A chat completion."""
    message: dict[str, Any] = {"role": "assistant", "content": reply.text}
    if reply.tool_calls:
        message["tool_calls"] = _tool_calls(reply, number)
    choice = {"index": 0, "message": message, "finish_reason": _finish(reply)}
    head = _chat_head(reply, body, number, "chat.completion")
    return {**head, "choices": [choice], "usage": _chat_usage(reply)}


def chat_stream(reply: Any, body: Body, number: str) -> Iterator[Event]:
    """A chat completion's chunks; the usage chunk only where it was asked for."""
    head = _chat_head(reply, body, number, "chat.completion.chunk")
    for index, word in enumerate(_words(reply.text)):
        delta = {"content": word, **({"role": "assistant"} if index == 0 else {})}
        yield True, _sse({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    if reply.tool_calls:
        called = {"index": 0, "delta": {"tool_calls": _tool_calls(reply, number)}}
        yield True, _sse({**head, "choices": [{**called, "finish_reason": None}]})
    last = {"index": 0, "delta": {}, "finish_reason": _finish(reply)}
    yield reply.cut_after is not None, _sse({**head, "choices": [last]})
    if (body.get("stream_options") or {}).get("include_usage") and reply.usage:
        yield False, _sse({**head, "choices": [], "usage": _chat_usage(reply)})
    yield False, b"data: [DONE]\n\n"


def embeddings_body(reply: Any, body: Body, number: str) -> dict[str, Any]:
    """Vectors of eight floats that depend on the text alone."""
    given = body.get("input")
    texts = (
        given
        if isinstance(given, list) and given and isinstance(given[0], (str, list))
        else [given]
    )
    vectors = [vector(json.dumps(text)) for text in texts]
    packed = body.get("encoding_format") == "base64"
    data = [
        {"object": "embedding", "index": index, "embedding": coded(one) if packed else one}
        for index, one in enumerate(vectors)
    ]
    usage = {"prompt_tokens": reply.input, "total_tokens": reply.input} if reply.usage else None
    return {
        "object": "list",
        "data": data,
        "model": reply.model or body.get("model"),
        "usage": usage,
    }


def _heard(reply: Any, body: Body) -> Billed:
    return whole(reply) if reply.audio_seconds is None else by_length(reply)


def _drawn(reply: Any, body: Body) -> Billed:
    return whole(reply) if reply.output else by_image(reply)


def _spoken(reply: Any, body: Body) -> Billed:
    by_character = str(body.get("model")).startswith("tts-")
    return Billed(calls=1, character=len(body["input"])) if by_character else whole(reply)


_MESSAGES = Wire(messages_body, messages_stream)
_PICTURES = Wire(wire_openai.images_body, wire_openai.images_stream, bill=_drawn)
WIRES = {
    "/mistral/v1/chat/completions": Wire(chat_body, with_usage(chat_stream)),
    "/mistral/v1/fim/completions": Wire(chat_body, with_usage(chat_stream)),
    "/mistral/v1/embeddings": Wire(with_id(embeddings_body)),
    "/v1/ocr": Wire(ocr_body),
    "/v2/chat": Wire(wire_cohere.chat_body, wire_cohere.chat_stream),
    "/v2/embed": Wire(wire_cohere.embed_body),
    "/v2/rerank": Wire(wire_cohere.rerank_body),
    "/v1/chat": Wire(wire_cohere.chat_v1_body, wire_cohere.chat_v1_stream, kind=JSON_LINES),
    "/v1/embed": Wire(wire_cohere.embed_body),
    "/v1/rerank": Wire(wire_cohere.rerank_body),
    "/chat/completions": Wire(chat_body, chat_stream),
    "/responses": Wire(responses_body, responses_stream),
    "/embeddings": Wire(embeddings_body),
    "/completions": Wire(wire_openai.completion_body, wire_openai.completion_stream),
    "/images/generations": _PICTURES,
    "/images/edits": _PICTURES,
    "/images/variations": _PICTURES,
    "/audio/transcriptions": Wire(
        wire_openai.transcription_body, wire_openai.transcription_stream, bill=_heard
    ),
    "/audio/translations": Wire(wire_openai.translation_body, bill=_heard),
    "/audio/speech": Wire(wire_openai.speech_body, bill=_spoken),
    "/moderations": Wire(wire_openai.moderation_body, bill=lambda reply, body: Billed()),
    "/messages": _MESSAGES,
    "/invoke": Wire(invoke_body, headers=token_headers),
    "/invoke-with-response-stream": Wire(
        invoke_body, invoke_stream, always_streams=True, kind=FRAMES
    ),
    "/converse": Wire(converse_body),
    "/converse-stream": Wire(converse_body, converse_stream, always_streams=True, kind=FRAMES),
    ":rawPredict": _MESSAGES,
    ":streamRawPredict": _MESSAGES,
    ":generateContent": Wire(content_body),
    ":streamGenerateContent": Wire(content_body, content_stream, always_streams=True),
    ":embedContent": Wire(embed_body),
    ":batchEmbedContents": Wire(batch_embed_body),
    ":predict": Wire(predict_body),
    "/interactions": Wire(interaction_body, interaction_stream),
}
"""By the end of the path. Mistral's client is told from OpenAI's by ``/mistral`` before it."""

_MODEL_IN_PATH = re.compile(r"/models?/([^/]+?)(?::[A-Za-z]+)?(?:/[a-z-]+)?$")


def wire_for(path: str, wires: Mapping[str, Wire]) -> Wire | None:
    """The wire that a path is spoken to with; ``None`` for an unknown one."""
    plain = path.partition("?")[0]
    return next((wire for end, wire in wires.items() if plain.endswith(end)), None)


def with_model(path: str, body: Body) -> Body:
    """The body with the model that its path names, where protocols have it there."""
    found = _MODEL_IN_PATH.search(path.partition("?")[0])
    return {"model": unquote(found[1]), **body} if found else body
