"""OpenAI's Responses as bodies and server-sent events."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

Body = Mapping[str, Any]
Event = tuple[bool, bytes]


def _sse(data: Mapping[str, Any], event: str) -> bytes:
    return f"event: {event}\ndata: {json.dumps(data)}\n\n".encode()


def _response(reply: Any, body: Body, number: str, status: str) -> dict[str, Any]:
    done = status == "completed"
    usage = {
        "input_tokens": reply.input,
        "input_tokens_details": {"cached_tokens": reply.cached},
        "output_tokens": reply.output,
        "output_tokens_details": {"reasoning_tokens": reply.reasoning},
        "total_tokens": reply.input + reply.output,
    }
    return {
        "id": f"resp_{number}",
        "object": "response",
        "created_at": 1_790_000_000,
        "status": status,
        "model": reply.model or body.get("model"),
        "output": _output(reply, number) if done else [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "service_tier": reply.service_tier or "default",
        "background": bool(body.get("background")),
        "usage": usage if done and reply.usage else None,
        **(reply.told if done else {}),
    }


def _output(reply: Any, number: str) -> list[dict[str, Any]]:
    text = {"type": "output_text", "text": reply.text, "annotations": []}
    message = {
        "type": "message",
        "id": f"msg_{number}",
        "role": "assistant",
        "status": "completed",
        "content": [text],
    }
    calls = [
        {
            "type": "function_call",
            "id": f"fc_{number}_{index}",
            "call_id": f"call_{number}_{index}",
            "name": name,
            "arguments": arguments,
            "status": "completed",
        }
        for index, (name, arguments) in enumerate(reply.tool_calls)
    ]
    return [message, *calls]


def responses_body(reply: Any, body: Body, number: str) -> dict[str, Any]:
    """A finished response."""
    return _response(reply, body, number, "completed")


def unfinished_response(reply: Any, body: Body, number: str, status: str) -> dict[str, Any]:
    """A response that is being worked on in the background."""
    return _response(reply, body, number, status)


def responses_stream(reply: Any, body: Body, number: str) -> Iterator[Event]:
    """A response's events; usage comes with the last one only."""
    events: list[tuple[bool, str, dict[str, Any]]] = [
        (False, "response.created", {"response": _response(reply, body, number, "in_progress")})
    ]
    for index, item in enumerate(_output(reply, number)):
        started = {**item, "status": "in_progress", **({"content": []} if index == 0 else {})}
        place = {"output_index": index, "item_id": item["id"]}
        events.append(
            (False, "response.output_item.added", {"output_index": index, "item": started})
        )
        if index == 0:
            part = {"type": "output_text", "text": "", "annotations": []}
            place["content_index"] = 0
            events.append((False, "response.content_part.added", {**place, "part": part}))
            events.extend(
                (True, "response.output_text.delta", {**place, "delta": word, "logprobs": []})
                for word in re.findall(r"\s*\S+", reply.text)
            )
        else:
            delta = {**place, "delta": item["arguments"]}
            events.append((True, "response.function_call_arguments.delta", delta))
        events.append((False, "response.output_item.done", {"output_index": index, "item": item}))
    done = {"response": _response(reply, body, number, "completed")}
    events.append((reply.cut_after is not None, "response.completed", done))
    for sequence, (content, kind, data) in enumerate(events):
        yield content, _sse({"type": kind, "sequence_number": sequence, **data}, kind)
