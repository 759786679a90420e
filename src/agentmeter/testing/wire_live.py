"""What is sent over web sockets: realtime sessions, responses, and Gemini's live sessions."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from agentmeter.testing.wire_responses import responses_stream

Body = Mapping[str, Any]


def _words(text: str) -> list[str]:
    return re.findall(r"\s*\S+", text)


def realtime_events(reply: Any, body: Body, number: str) -> Iterator[dict[str, Any]]:
    """A realtime response; the event that ends it tells the usage."""
    response: dict[str, Any] = {
        "id": f"resp_{number}",
        "object": "realtime.response",
        "status": "in_progress",
        "output": [],
        "usage": None,
    }
    yield {"type": "response.created", "response": response}
    place = {"response_id": response["id"], "item_id": f"item_{number}", "output_index": 0}
    for word in _words(reply.text):
        delta = {**place, "content_index": 0, "delta": word}
        yield {"type": "response.output_audio_transcript.delta", **delta}
    done = {**response, "status": "completed", "usage": _spoken(reply)}
    yield {"type": "response.done", "response": done}


def _spoken(reply: Any) -> dict[str, Any]:
    return {
        "total_tokens": reply.input + reply.output,
        "input_tokens": reply.input,
        "output_tokens": reply.output,
        "input_token_details": {
            "text_tokens": reply.input - reply.input_audio - reply.input_image,
            "audio_tokens": reply.input_audio,
            "image_tokens": reply.input_image,
            "cached_tokens": reply.cached,
            "cached_tokens_details": {
                "text_tokens": reply.cached - reply.cached_audio,
                "audio_tokens": reply.cached_audio,
            },
        },
        "output_token_details": {
            "text_tokens": reply.output - reply.output_audio,
            "audio_tokens": reply.output_audio,
        },
    }


def response_events(reply: Any, body: Body, number: str) -> Iterator[dict[str, Any]]:
    """A response, by the events that it is streamed in over HTTP."""
    for _, event in responses_stream(reply, body, number):
        yield json.loads(event.partition(b"data: ")[2])


def gemini_events(reply: Any, body: Body, number: str) -> Iterator[dict[str, Any]]:
    """A turn of Gemini's: what it says, and a message that tells what the turn took."""
    for word in _words(reply.text):
        turn = {"role": "model", "parts": [{"text": word}]}
        yield {"serverContent": {"modelTurn": turn}}
    yield {"serverContent": {"generationComplete": True}}
    yield {"serverContent": {"turnComplete": True}, "usageMetadata": _turn(reply)}


def _turn(reply: Any) -> dict[str, Any]:
    heard, spoken = reply.input_audio, reply.output_audio
    said = reply.output - reply.reasoning
    return {
        "promptTokenCount": reply.input,
        "cachedContentTokenCount": reply.cached,
        "responseTokenCount": said,
        "thoughtsTokenCount": reply.reasoning,
        "totalTokenCount": reply.input + reply.output,
        "promptTokensDetails": [
            {"modality": "TEXT", "tokenCount": reply.input - heard},
            {"modality": "AUDIO", "tokenCount": heard},
        ],
        "responseTokensDetails": [
            {"modality": "TEXT", "tokenCount": said - spoken},
            {"modality": "AUDIO", "tokenCount": spoken},
        ],
    }
