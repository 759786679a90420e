"""OpenAI's other endpoints: legacy completions, images, audio and moderations."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

Body = Mapping[str, Any]
Event = tuple[bool, bytes]

_AT = 1_790_000_000
PNG = "iVBORw0KGgo="
"""The first bytes of a picture, in base 64."""


def _words(text: str) -> list[str]:
    return re.findall(r"\s*\S+", text)


def _sse(data: Mapping[str, Any]) -> bytes:
    return f"data: {json.dumps(data)}\n\n".encode()


def _completion(reply: Any, body: Body, number: str, choices: list[Any]) -> dict[str, Any]:
    return {
        "id": f"cmpl-{number}",
        "object": "text_completion",
        "created": _AT,
        "model": reply.model or body.get("model"),
        "choices": choices,
    }


def _completion_usage(reply: Any) -> dict[str, Any]:
    """The legacy endpoint has no details of either side."""
    total = reply.input + reply.output
    return {
        "prompt_tokens": reply.input,
        "completion_tokens": reply.output,
        "total_tokens": total,
    }


def completion_body(reply: Any, body: Body, number: str) -> dict[str, Any]:
    """A legacy completion."""
    reason = reply.finish_reason or "stop"
    choice = {"index": 0, "text": reply.text, "logprobs": None, "finish_reason": reason}
    made = _completion(reply, body, number, [choice])
    return {**made, "usage": _completion_usage(reply)} if reply.usage else made


def completion_stream(reply: Any, body: Body, number: str) -> Iterator[Event]:
    """Its chunks; the usage chunk only where it was asked for."""
    blank = {"index": 0, "logprobs": None}
    for word in _words(reply.text):
        choice = {**blank, "text": word, "finish_reason": None}
        yield True, _sse(_completion(reply, body, number, [choice]))
    last = {**blank, "text": "", "finish_reason": reply.finish_reason or "stop"}
    yield reply.cut_after is not None, _sse(_completion(reply, body, number, [last]))
    if (body.get("stream_options") or {}).get("include_usage") and reply.usage:
        chunk = _completion(reply, body, number, [])
        yield False, _sse({**chunk, "usage": _completion_usage(reply)})
    yield False, b"data: [DONE]\n\n"


def _drawn(reply: Any) -> dict[str, Any] | None:
    """What a picture took in tokens; ``None`` for a model that is billed by the picture."""
    if not reply.usage or not reply.output:
        return None
    return {
        "input_tokens": reply.input,
        "output_tokens": reply.output,
        "total_tokens": reply.input + reply.output,
        "input_tokens_details": {
            "text_tokens": reply.input - reply.input_image,
            "image_tokens": reply.input_image,
        },
        "output_tokens_details": {
            "text_tokens": reply.output - reply.output_image,
            "image_tokens": reply.output_image,
        },
    }


def images_body(reply: Any, body: Body, number: str) -> dict[str, Any]:
    """Pictures, and the tokens that they took, where they are billed so."""
    made = {"created": _AT, "data": [{"b64_json": PNG} for _ in range(reply.images)], **reply.told}
    usage = _drawn(reply)
    return made if usage is None else {**made, "usage": usage}


def images_stream(reply: Any, body: Body, number: str) -> Iterator[Event]:
    """Pictures while they are being drawn; the last one tells what they took."""
    kind = "image_generation" if "image[]" not in body and "image" not in body else "image_edit"
    common = {
        "b64_json": PNG,
        "created_at": _AT,
        "size": "1024x1024",
        "quality": "low",
        "background": "opaque",
        "output_format": "png",
    }
    for at in range(int(body.get("partial_images") or 1)):
        partial = {"type": f"{kind}.partial_image", "partial_image_index": at, **common}
        yield True, _sse(partial)
    done = {"type": f"{kind}.completed", **common, "usage": _drawn(reply)}
    yield reply.cut_after is not None, _sse(done)


def _heard(reply: Any) -> dict[str, Any] | None:
    if not reply.usage:
        return None
    if reply.audio_seconds is not None:
        return {"type": "duration", "seconds": float(reply.audio_seconds)}
    return {
        "type": "tokens",
        "input_tokens": reply.input,
        "output_tokens": reply.output,
        "total_tokens": reply.input + reply.output,
        "input_token_details": {
            "audio_tokens": reply.input_audio,
            "text_tokens": reply.input - reply.input_audio,
        },
    }


def transcription_body(reply: Any, body: Body, number: str) -> dict[str, Any] | str:
    """A transcription: JSON tells what it took, plain text tells nothing."""
    if body.get("response_format") in ("text", "srt", "vtt"):
        return f"{reply.text}\n"
    said: dict[str, Any] = {"text": reply.text}
    if body.get("response_format") == "verbose_json":
        said |= {"language": "english", "duration": float(reply.audio_seconds or 0)}
    usage = _heard(reply)
    return said if usage is None else {**said, "usage": usage}


def transcription_stream(reply: Any, body: Body, number: str) -> Iterator[Event]:
    """A transcription as it is heard; the last event tells what it took."""
    for word in _words(reply.text):
        yield True, _sse({"type": "transcript.text.delta", "delta": word})
    done = {"type": "transcript.text.done", "text": reply.text, "usage": _heard(reply)}
    yield reply.cut_after is not None, _sse(done)


def translation_body(reply: Any, body: Body, number: str) -> dict[str, Any] | str:
    """A translation, which tells of its usage no more than how long the audio was."""
    if body.get("response_format") == "text":
        return f"{reply.text}\n"
    said: dict[str, Any] = {"text": reply.text}
    if body.get("response_format") == "verbose_json":
        said |= {"language": "english", "duration": float(reply.audio_seconds or 0)}
    return said


def speech_body(reply: Any, body: Body, number: str) -> bytes:
    """Audio: bytes, and nothing beside them; or events, where those were asked for."""
    if body.get("stream_format") == "sse":
        return b"".join(event for _, event in speech_stream(reply, body, number))
    return b"ID3" + str(reply.text).encode()


def speech_stream(reply: Any, body: Body, number: str) -> Iterator[Event]:
    """Audio as events; the last one tells what it took."""
    for word in _words(reply.text):
        yield True, _sse({"type": "speech.audio.delta", "audio": word.strip()})
    usage = {"input_tokens": reply.input, "output_tokens": reply.output}
    total = {"total_tokens": reply.input + reply.output}
    yield (
        reply.cut_after is not None,
        _sse({"type": "speech.audio.done", "usage": {**usage, **total}}),
    )


def moderation_body(reply: Any, body: Body, number: str) -> dict[str, Any]:
    """A moderation, which is free."""
    result = {"flagged": False, "categories": {}, "category_scores": {}}
    return {"id": f"modr-{number}", "model": body.get("model"), "results": [result]}
