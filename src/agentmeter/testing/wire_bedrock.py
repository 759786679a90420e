"""Amazon Bedrock's protocol: Converse, and the models' own bodies, both with streams of frames.

A frame of ``application/vnd.amazon.eventstream`` is its length, the length of its headers, and the
checksum of the two; headers; a payload; and the checksum of it all.
"""

import base64
import json
import re
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from agentmeter.testing.vectors import vector
from agentmeter.testing.wire_anthropic import messages_body, messages_stream

Body = Mapping[str, Any]
Event = tuple[bool, Any]
FRAMES = "application/vnd.amazon.eventstream"
_STRING = 7


def frame(event: str, payload: bytes, message: str = "event") -> bytes:
    """One event as it is on the wire; ``message`` is ``event`` or ``exception``."""
    kind = ":event-type" if message == "event" else ":exception-type"
    named = {kind: event, ":content-type": "application/json", ":message-type": message}
    headers = b"".join(
        struct.pack("!B", len(name))
        + name.encode()
        + struct.pack("!BH", _STRING, len(value))
        + value.encode()
        for name, value in named.items()
    )
    lengths = struct.pack("!II", 16 + len(headers) + len(payload), len(headers))
    checked = lengths + struct.pack("!I", zlib.crc32(lengths)) + headers + payload
    return checked + struct.pack("!I", zlib.crc32(checked))


def _new(reply: Any) -> int:
    """Input beside what was read from the cache and written to it."""
    return int(reply.input - reply.cached - reply.written_5m - reply.written_1h)


def _usage(reply: Any) -> dict[str, Any]:
    by_age = {"5m": reply.written_5m, "1h": reply.written_1h}
    return {
        "inputTokens": _new(reply),
        "outputTokens": reply.output,
        "totalTokens": reply.input + reply.output,
        "cacheReadInputTokens": reply.cached,
        "cacheWriteInputTokens": reply.written_5m + reply.written_1h,
        "cacheDetails": [{"ttl": ttl, "inputTokens": n} for ttl, n in by_age.items() if n],
    }


def _metrics(reply: Any) -> dict[str, Any]:
    counts = {
        "inputTokenCount": _new(reply),
        "outputTokenCount": reply.output,
        "cacheReadInputTokenCount": reply.cached,
        "cacheWriteInputTokenCount": reply.written_5m + reply.written_1h,
    }
    return {**counts, "invocationLatency": 10, "firstByteLatency": 5}


def token_headers(reply: Any) -> dict[str, str]:
    """The counts in the header of every InvokeModel answer."""
    if not reply.usage:
        return {}
    names = ("input", "output", "cache-read-input", "cache-write-input")
    counts = list(_metrics(reply).values())[: len(names)]
    return {
        f"x-amzn-bedrock-{name}-token-count": str(count)
        for name, count in zip(names, counts, strict=True)
        if count
    }


def _words(text: str) -> list[str]:
    return re.findall(r"\s*\S+", text)


def _blocks(reply: Any, number: str) -> list[dict[str, Any]]:
    calls = [
        {"toolUse": {"toolUseId": f"tool_{number}_{at}", "name": name, "input": json.loads(given)}}
        for at, (name, given) in enumerate(reply.tool_calls)
    ]
    return [{"text": reply.text}, *calls]


def _stop(reply: Any) -> str:
    return str(reply.finish_reason or ("tool_use" if reply.tool_calls else "end_turn"))


def converse_body(reply: Any, body: Body, number: str) -> dict[str, Any]:
    """A whole answer of Converse."""
    answer: dict[str, Any] = {
        "output": {"message": {"role": "assistant", "content": _blocks(reply, number)}},
        "stopReason": _stop(reply),
        "metrics": {"latencyMs": 10},
    }
    if reply.service_tier:
        answer["serviceTier"] = {"type": reply.service_tier}
    return {**answer, "usage": _usage(reply)} if reply.usage else answer


def converse_stream(reply: Any, body: Body, number: str) -> Iterator[tuple[bool, bytes]]:
    """The events of ConverseStream; usage comes with the last one."""
    for content, event in _conversed(reply, number):
        ((name, payload),) = event.items()
        yield content, frame(name, json.dumps(payload).encode())


def _conversed(reply: Any, number: str) -> Iterator[Event]:
    yield False, {"messageStart": {"role": "assistant"}}
    for at, block in enumerate(_blocks(reply, number)):
        called = block.get("toolUse")
        if called is not None:
            start = {"toolUse": {name: called[name] for name in ("toolUseId", "name")}}
            yield False, {"contentBlockStart": {"contentBlockIndex": at, "start": start}}
        for delta in _deltas(block):
            yield True, {"contentBlockDelta": {"contentBlockIndex": at, "delta": delta}}
        yield False, {"contentBlockStop": {"contentBlockIndex": at}}
    yield reply.cut_after is not None, {"messageStop": {"stopReason": _stop(reply)}}
    told = {"usage": _usage(reply)} if reply.usage else {}
    yield False, {"metadata": {**told, "metrics": {"latencyMs": 10}}}


def _deltas(block: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    if "toolUse" in block:
        yield {"toolUse": {"input": json.dumps(block["toolUse"]["input"])}}
    else:
        yield from ({"text": word} for word in _words(block["text"]))


def invoke_body(reply: Any, body: Body, number: str) -> dict[str, Any]:
    """A whole answer in the body of the model's family; some of them count nothing."""
    model = str(body.get("model"))
    for family, make in _BODIES.items():
        if family in model:
            return make(reply)
    return messages_body(reply, {**body, "model": _plain(model)}, number)


def _plain(model: str) -> str:
    """As Anthropic's body names the model: without who serves it, and without a version."""
    return re.sub(r"^.*anthropic\.|-v\d+(:\d+)?$", "", model)


def _nova_usage(reply: Any) -> dict[str, Any]:
    counts = _metrics(reply)
    return {
        "inputTokens": counts["inputTokenCount"],
        "outputTokens": counts["outputTokenCount"],
        "cacheReadInputTokenCount": counts["cacheReadInputTokenCount"],
        "cacheWriteInputTokenCount": counts["cacheWriteInputTokenCount"],
    }


def _nova(reply: Any) -> dict[str, Any]:
    return {**converse_body(reply, {}, "1"), "usage": _nova_usage(reply)}


def _llama(reply: Any) -> dict[str, Any]:
    counts = {"prompt_token_count": reply.input, "generation_token_count": reply.output}
    return {"generation": reply.text, **counts, "stop_reason": "stop"}


def _titan(reply: Any) -> dict[str, Any]:
    result = {
        "tokenCount": reply.output,
        "outputText": reply.text,
        "completionReason": "FINISH",
    }
    return {"inputTextTokenCount": reply.input, "results": [result]}


_BODIES: Mapping[str, Callable[[Any], dict[str, Any]]] = {
    "titan-embed": lambda reply: {
        "embedding": vector(reply.text),
        "inputTextTokenCount": reply.input,
    },
    "cohere.embed": lambda reply: {"id": "1", "embeddings": [vector(reply.text)]},
    "rerank": lambda reply: {"results": [{"index": 0, "relevance_score": 0.9}]},
    "amazon.nova": _nova,
    "amazon.titan": _titan,
    "meta.llama": _llama,
    "mistral.": lambda reply: {"outputs": [{"text": reply.text, "stop_reason": "stop"}]},
    "cohere.": lambda reply: {"text": reply.text, "finish_reason": "COMPLETE"},
}


def invoke_stream(reply: Any, body: Body, number: str) -> Iterator[tuple[bool, bytes]]:
    """The model's own events, each in a frame; around the last stand the counts."""
    model = str(body.get("model"))
    stream = next((make for family, make in _STREAMS.items() if family in model), None)
    named = {**body, "model": _plain(model)}
    events = [*(stream(reply) if stream else _claude(reply, named, number))]
    for at, (content, event) in enumerate(events, 1):
        last = at == len(events) and reply.usage
        counts = {"amazon-bedrock-invocationMetrics": _metrics(reply)} if last else {}
        data = base64.b64encode(json.dumps({**event, **counts}).encode()).decode()
        yield content, frame("chunk", json.dumps({"bytes": data}).encode())


def _claude(reply: Any, body: Body, number: str) -> Iterator[Event]:
    for content, event in messages_stream(reply, body, number):
        yield content, json.loads(event.partition(b"data: ")[2])


def _nova_stream(reply: Any) -> Iterator[Event]:
    events = [*_conversed(replace(reply, usage=False), "1")]
    yield from events[:-1]
    yield False, {"metadata": {"usage": _nova_usage(reply), "metrics": {}}}


def _by_word(reply: Any, word: Any, last: Mapping[str, Any]) -> Iterator[Event]:
    for one in _words(reply.text):
        yield True, word(one)
    yield reply.cut_after is not None, last


def _llama_stream(reply: Any) -> Iterator[Event]:
    return _by_word(
        reply,
        lambda word: {
            "generation": word,
            "prompt_token_count": reply.input,
            "generation_token_count": 1,
            "stop_reason": None,
        },
        {**_llama(reply), "generation": ""},
    )


_STREAMS: Mapping[str, Callable[[Any], Iterator[Event]]] = {
    "amazon.nova": _nova_stream,
    "meta.llama": _llama_stream,
    "amazon.titan": lambda reply: _by_word(
        reply,
        lambda word: {"outputText": word, "completionReason": None},
        {
            "outputText": "",
            "completionReason": "FINISH",
            "inputTextTokenCount": reply.input,
            "totalOutputTextTokenCount": reply.output,
        },
    ),
    "mistral.": lambda reply: _by_word(
        reply,
        lambda word: {"outputs": [{"text": word, "stop_reason": None}]},
        {"outputs": [{"text": "", "stop_reason": "stop"}]},
    ),
    "cohere.": lambda reply: _by_word(
        reply,
        lambda word: {"text": word, "is_finished": False},
        {"is_finished": True, "finish_reason": "COMPLETE"},
    ),
}
