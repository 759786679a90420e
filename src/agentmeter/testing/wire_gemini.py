"""Google's Gemini protocol as bodies and server-sent events: content and embeddings."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from agentmeter.testing.vectors import vector

Body = Mapping[str, Any]


def _usage(reply: Any, output: int | None = None) -> dict[str, Any]:
    """Cached tokens are inside the prompt, thoughts beside the candidates."""
    output = reply.output - reply.reasoning if output is None else output
    counts = {
        "promptTokenCount": reply.input,
        "cachedContentTokenCount": reply.cached,
        "candidatesTokenCount": output,
        "thoughtsTokenCount": reply.reasoning,
        "totalTokenCount": reply.input + output + reply.reasoning,
    }
    told = {name: count for name, count in counts.items() if count}
    return {**told, "trafficType": reply.service_tier} if reply.service_tier else told


def _parts(reply: Any) -> list[dict[str, Any]]:
    calls = [
        {"functionCall": {"name": name, "args": json.loads(arguments)}}
        for name, arguments in reply.tool_calls
    ]
    return [{"text": reply.text}, *calls]


def _content(
    reply: Any, body: Body, number: str, parts: list[dict[str, Any]], reason: str | None
) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}, "index": 0}
    if reason is not None:
        candidate["finishReason"] = reason
    return {
        "candidates": [candidate],
        "modelVersion": reply.model or body.get("model"),
        "responseId": f"gemini-{number}",
    }


def content_body(reply: Any, body: Body, number: str) -> dict[str, Any]:
    """A whole answer."""
    answer = _content(reply, body, number, _parts(reply), reply.finish_reason or "STOP")
    return {**answer, "usageMetadata": _usage(reply)} if reply.usage else answer


def content_stream(reply: Any, body: Body, number: str) -> Iterator[tuple[bool, bytes]]:
    """An answer piece by piece; each tells what has been used up to it."""
    words = [{"text": word} for word in re.findall(r"\s*\S+", reply.text)]
    for sent, part in enumerate((*words, *_parts(reply)[1:]), 1):
        piece = _content(reply, body, number, [part], None)
        yield (
            True,
            _event({**piece, "usageMetadata": _usage(reply, sent)} if reply.usage else piece),
        )
    last = _content(reply, body, number, [{"text": ""}], reply.finish_reason or "STOP")
    last = {**last, "usageMetadata": _usage(reply)} if reply.usage else last
    yield reply.cut_after is not None, _event(last)


def _event(data: Mapping[str, Any]) -> bytes:
    return f"data: {json.dumps(data)}\r\n\r\n".encode()


def embed_body(reply: Any, body: Body, number: str) -> dict[str, Any]:
    """The embedding of one content."""
    made = {"embedding": {"values": vector(json.dumps(body.get("content")))}}
    return {**made, "usageMetadata": {"promptTokenCount": reply.input}} if reply.usage else made


def batch_embed_body(reply: Any, body: Body, number: str) -> dict[str, Any]:
    """The embeddings of several contents."""
    given = body.get("requests") or ()
    made = {"embeddings": [{"values": vector(json.dumps(one.get("content")))} for one in given]}
    return {**made, "usageMetadata": {"promptTokenCount": reply.input}} if reply.usage else made


def predict_body(reply: Any, body: Body, number: str) -> dict[str, Any]:
    """Vertex AI's embeddings: the tokens of every text, and the characters of all."""
    given = body.get("instances") or ()
    shares = [
        reply.input // len(given) + (at < reply.input % len(given)) for at in range(len(given))
    ]
    predictions = [
        {
            "embeddings": {
                "values": vector(json.dumps(one)),
                "statistics": {"token_count": share, "truncated": False},
            }
        }
        for one, share in zip(given, shares, strict=True)
    ]
    characters = sum(len(str(one.get("content", ""))) for one in given)
    return {"predictions": predictions, "metadata": {"billableCharacterCount": characters}}


def interaction_body(reply: Any, body: Body, number: str) -> dict[str, Any]:
    """An interaction that is completed; one in the background is so at the second look."""
    said = [{"type": "text", "text": reply.text}]
    return {
        "id": f"int-{number}",
        "object": "interaction",
        "status": "completed",
        "model": reply.model or body.get("model"),
        "created": "2026-11-24T00:00:00Z",
        "updated": "2026-11-24T00:00:00Z",
        "steps": [{"type": "model_output", "content": said}],
        **({"usage": _interaction_usage(reply)} if reply.usage else {}),
    }


def _interaction_usage(reply: Any) -> dict[str, Any]:
    """Cached tokens are inside the input, thoughts beside the output."""
    return {
        "total_input_tokens": reply.input,
        "total_cached_tokens": reply.cached,
        "total_output_tokens": reply.output - reply.reasoning,
        "total_thought_tokens": reply.reasoning,
        "total_tokens": reply.input + reply.output,
    }


def interaction_stream(reply: Any, body: Body, number: str) -> Iterator[tuple[bool, bytes]]:
    """Its events; the one that completes it tells the usage."""
    whole = interaction_body(reply, body, number)
    begun = {**{n: v for n, v in whole.items() if n not in ("usage", "steps")}}
    begun["status"] = "in_progress"
    yield False, _event({"event_type": "interaction.created", "interaction": begun})
    for word in re.findall(r"\s*\S+", reply.text):
        delta = {"type": "text", "text": word}
        yield True, _event({"event_type": "step.delta", "index": 0, "delta": delta})
    done = {"event_type": "interaction.completed", "interaction": whole}
    yield reply.cut_after is not None, _event(done)
    yield False, b"data: [DONE]\r\n\r\n"
