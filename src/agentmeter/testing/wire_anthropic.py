"""Anthropic's Messages protocol as bodies and server-sent events."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

Body = Mapping[str, Any]


_COUNTED_LAST = (
    *("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens"),
    *("output_tokens_details", "server_tool_use"),
)
"""What the last delta of a message counts again, of the whole message."""


def _usage(reply: Any, output: int) -> dict[str, Any]:
    """Cached and written tokens stand beside the input, unlike in OpenAI's shape."""
    written = reply.written_5m + reply.written_1h
    conditions = {"inference_geo": reply.region, "speed": reply.speed}
    return {
        "input_tokens": reply.input - reply.cached - written,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": reply.cached,
        "cache_creation": {
            "ephemeral_5m_input_tokens": reply.written_5m,
            "ephemeral_1h_input_tokens": reply.written_1h,
        },
        "output_tokens": output,
        "output_tokens_details": {"thinking_tokens": min(reply.reasoning, output)},
        "server_tool_use": {"web_search_requests": reply.web_search, "web_fetch_requests": 0},
        "service_tier": reply.service_tier or "standard",
        **{name: value for name, value in conditions.items() if value is not None},
    }


def _blocks(reply: Any, number: str) -> list[dict[str, Any]]:
    calls = [
        {
            "type": "tool_use",
            "id": f"toolu_{number}_{index}",
            "name": name,
            "input": json.loads(arguments),
        }
        for index, (name, arguments) in enumerate(reply.tool_calls)
    ]
    return [{"type": "text", "text": reply.text}, *calls]


def _stop(reply: Any) -> str:
    return str(reply.finish_reason or ("tool_use" if reply.tool_calls else "end_turn"))


def messages_body(reply: Any, body: Body, number: str) -> dict[str, Any]:
    """A finished message."""
    return {
        "id": f"msg_{number}",
        "type": "message",
        "role": "assistant",
        "model": reply.model or body.get("model"),
        "content": _blocks(reply, number),
        "stop_reason": _stop(reply),
        "stop_sequence": None,
        "usage": _usage(reply, reply.output),
    }


def messages_stream(reply: Any, body: Body, number: str) -> Iterator[tuple[bool, bytes]]:
    """A message's events: input counts come first, the output's count with the last delta."""
    begun = {
        **messages_body(reply, body, number),
        "content": [],
        "stop_reason": None,
        "usage": _usage(replace(reply, web_search=0), 1),
    }
    yield False, _event("message_start", message=begun)
    for index, block in enumerate(_blocks(reply, number)):
        blank: dict[str, Any] = {"text": ""} if block["type"] == "text" else {"input": {}}
        yield False, _event("content_block_start", index=index, content_block={**block, **blank})
        for delta in _deltas(block):
            yield True, _event("content_block_delta", index=index, delta=delta)
        yield False, _event("content_block_stop", index=index)
    stop = {"stop_reason": _stop(reply), "stop_sequence": None}
    whole = _usage(reply, reply.output)
    counted = {name: whole[name] for name in _COUNTED_LAST}
    yield reply.cut_after is not None, _event("message_delta", delta=stop, usage=counted)
    yield False, _event("message_stop")


def _deltas(block: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    if block["type"] == "text":
        for word in re.findall(r"\s*\S+", block["text"]):
            yield {"type": "text_delta", "text": word}
    else:
        yield {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}


def _event(kind: str, **data: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **data})}\n\n".encode()


def batch_body(number: str, count: int, base_url: str) -> dict[str, Any]:
    """A batch of ``count`` requests that has ended; nobody has to wait here."""
    batch_id = f"msgbatch_{number}"
    at = "2026-11-24T00:00:00Z"
    return {
        "id": batch_id,
        "type": "message_batch",
        "processing_status": "ended",
        "request_counts": {
            **dict.fromkeys(("processing", "errored", "canceled", "expired"), 0),
            "succeeded": count,
        },
        "created_at": at,
        "expires_at": at,
        "ended_at": at,
        "results_url": f"{base_url}/messages/batches/{batch_id}/results",
    }


def batch_results(answers: Sequence[tuple[Any, Mapping[str, Any], str]]) -> bytes:
    """The results of a batch as JSON lines: (reply, request of the batch, number) of each."""
    lines = []
    for reply, request, number in answers:
        batched = replace(reply, service_tier="batch")
        message = messages_body(batched, request["params"], number)
        failed = {"type": "errored", "error": {"type": "error", "error": {"type": "api_error"}}}
        result = failed if reply.status >= 400 else {"type": "succeeded", "message": message}
        lines.append(json.dumps({"custom_id": request["custom_id"], "result": result}))
    return "\n".join(lines).encode()
