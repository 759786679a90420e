"""Cohere's protocol, version 2 and 1: chat and its streams, embeddings, rankings.

What is billed stands beside what was processed, which has the provider's own preamble in it.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from agentmeter.testing.vectors import vector

Body = Mapping[str, Any]
Event = tuple[bool, bytes]
PREAMBLE = 67
"""Tokens that the provider puts before what was asked, and does not bill."""


def _usage(reply: Any) -> dict[str, Any]:
    billed = {"input_tokens": float(reply.input), "output_tokens": float(reply.output)}
    processed = {**billed, "input_tokens": float(reply.input + PREAMBLE)}
    return {"billed_units": billed, "tokens": processed, "cached_tokens": float(reply.cached)}


def _finish(reply: Any) -> str:
    return str(reply.finish_reason or ("TOOL_CALL" if reply.tool_calls else "COMPLETE"))


def _calls(reply: Any, number: str) -> list[dict[str, Any]]:
    return [
        {
            "id": f"call_{number}_{at}",
            "type": "function",
            "function": {"name": name, "arguments": arguments},
        }
        for at, (name, arguments) in enumerate(reply.tool_calls)
    ]


def chat_body(reply: Any, body: Body, number: str) -> dict[str, Any]:
    """A whole answer of version 2."""
    message: dict[str, Any] = {
        "role": "assistant",
        "content": [{"type": "text", "text": reply.text}],
    }
    if reply.tool_calls:
        message["tool_calls"] = _calls(reply, number)
    answer = {"id": f"cohere-{number}", "finish_reason": _finish(reply), "message": message}
    return {**answer, "usage": _usage(reply)} if reply.usage else answer


def chat_stream(reply: Any, body: Body, number: str) -> Iterator[Event]:
    """The events of version 2; usage comes with the last one."""
    yield False, _event("message-start", id=f"cohere-{number}", delta={"message": {}})
    blank = {"message": {"content": {"type": "text", "text": ""}}}
    yield False, _event("content-start", index=0, delta=blank)
    for word in re.findall(r"\s*\S+", reply.text):
        delta = {"message": {"content": {"text": word}}}
        yield True, _event("content-delta", index=0, delta=delta)
    yield False, _event("content-end", index=0)
    for at, call in enumerate(_calls(reply, number)):
        yield True, _event("tool-call-start", index=at, delta={"message": {"tool_calls": call}})
        yield False, _event("tool-call-end", index=at)
    end = {"finish_reason": _finish(reply), **({"usage": _usage(reply)} if reply.usage else {})}
    yield reply.cut_after is not None, _event("message-end", id=f"cohere-{number}", delta=end)
    yield False, b"data: [DONE]\n\n"


def _event(kind: str, **data: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **data})}\n\n".encode()


def _meta(reply: Any) -> dict[str, Any]:
    return {"api_version": {"version": "1"}, **_usage(reply)} if reply.usage else {}


def chat_v1_body(reply: Any, body: Body, number: str) -> dict[str, Any]:
    """A whole answer of version 1."""
    ids = {"response_id": f"cohere-{number}", "generation_id": f"generation-{number}"}
    return {"text": reply.text, "finish_reason": _finish(reply), **ids, "meta": _meta(reply)}


def chat_v1_stream(reply: Any, body: Body, number: str) -> Iterator[Event]:
    """The events of version 1, one a line; the last one holds the whole answer."""
    yield False, _line("stream-start", generation_id=f"generation-{number}")
    for word in re.findall(r"\s*\S+", reply.text):
        yield True, _line("text-generation", text=word)
    answer = chat_v1_body(reply, body, number)
    end = {"finish_reason": _finish(reply), "response": answer}
    yield reply.cut_after is not None, _line("stream-end", **end)


def _line(kind: str, **data: Any) -> bytes:
    said = {"event_type": kind, "is_finished": kind == "stream-end", **data}
    return json.dumps(said).encode() + b"\n"


def embed_body(reply: Any, body: Body, number: str) -> dict[str, Any]:
    """Vectors by their type."""
    texts = body.get("texts") or list(body.get("inputs") or ())
    vectors = [vector(json.dumps(text)) for text in texts]
    meta = {"billed_units": {"input_tokens": float(reply.input)}} if reply.usage else {}
    return {
        "id": f"cohere-{number}",
        "embeddings": {"float": vectors},
        "texts": [text for text in texts if isinstance(text, str)],
        "response_type": "embeddings_by_type",
        "meta": meta,
    }


def rerank_body(reply: Any, body: Body, number: str) -> dict[str, Any]:
    """Documents in their order; one search unit for a query over up to a hundred of them."""
    documents = body.get("documents") or ()
    results = [{"index": at, "relevance_score": 1 / (at + 1)} for at in range(len(documents))]
    units = max(1, -(-len(documents) // 100))
    meta = {"api_version": {"version": "2"}, "billed_units": {"search_units": float(units)}}
    return {"id": f"cohere-{number}", "results": results, "meta": meta}
