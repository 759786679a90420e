"""Messages: what an answer says, what a stream has said so far, and how a body is counted."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from agentmeter.integration import (
    REPORTED,
    UNKNOWN,
    Accumulator,
    Body,
    Call,
    Evidence,
    Extent,
    Source,
    Usage,
    facts_of,
    tokenizer,
)

_OUTPUT = ("output", "reasoning")
_SO_FAR = Evidence(Source.REPORTED, Extent.AT_LEAST)
_SEEN = Evidence(Source.ESTIMATED, Extent.AT_LEAST)


def item(of: Any, name: str) -> Any:
    """A field of an object of the client's, or of the mapping that it was made from."""
    return of.get(name) if type(of) is dict else getattr(of, name, None)


def facts(message: Any, provider: str | None = None) -> Call:
    """Usage, identity and conditions of a message, without dumping all of it."""
    said = facts_of(
        {
            "usage": item(message, "usage"),
            "id": item(message, "id"),
            "model": item(message, "model"),
            "stop_reason": item(message, "stop_reason"),
        },
        provider,
    )
    return replace(said, service_tier=None, batch=True) if said.service_tier == "batch" else said


def texts(message: Any) -> Iterator[Any]:
    """What a whole message says, thinks and asks of tools."""
    for block in item(message, "content") or ():
        yield from (item(block, name) for name in ("text", "thinking", "name"))
        if item(block, "input"):
            yield json.dumps(item(block, "input"), default=str)


class MessageStream(Accumulator):
    """The events of a message. The first one tells the input, and the last but one the output;
    what the first says of the output is provisional.
    """

    def __init__(self) -> None:
        super().__init__()
        self._message: dict[str, Any] = {}
        self._usage: dict[str, Any] = {}
        self._counted = False
        self._searches = 0

    def see(self, event: Any) -> bool:
        """Take an event; none is hidden."""
        take = _EVENTS.get(item(event, "type") or "")
        if take is not None:
            take(self, event)
        return False

    def _start(self, event: Any) -> None:
        message = item(event, "message")
        self._message = {name: item(message, name) for name in ("id", "model", "stop_reason")}
        self._say(item(message, "usage"))

    def _block(self, event: Any) -> None:
        block = item(event, "content_block")
        name = item(block, "name") or ""
        self.texts.append(name)
        self._searches += item(block, "type") == "server_tool_use" and name == "web_search"

    def _delta(self, event: Any) -> None:
        delta = item(event, "delta")
        for name in ("text", "partial_json", "thinking"):
            self.texts.append(item(delta, name) or "")

    def _end(self, event: Any) -> None:
        reason = item(item(event, "delta"), "stop_reason")
        if reason:
            self._message["stop_reason"] = reason
            self.finished = True
        usage = item(event, "usage")
        if usage is not None:
            self._say(usage)
            self._counted = True

    def _say(self, usage: Any) -> None:
        """Counts are of the whole message so far; what is left out holds as it was said before."""
        self._usage.update(
            {name: value for name, value in dict(usage).items() if value is not None}
        )
        by_age = self._usage.get("cache_creation")
        total = self._usage.get("cache_creation_input_tokens")
        if by_age is not None and total is not None and _sum(by_age) > total:
            del self._usage["cache_creation"]

    def facts(self) -> Call:
        """What has been said; the output only once it is more than provisional."""
        if not self._usage:
            unknown = dict.fromkeys(("input", "output"), UNKNOWN)
            return replace(facts(self._message), evidence=unknown)
        said = facts({**self._message, "usage": self._usage})
        if self._counted and self.finished:
            return said
        return self._partial(said)

    def _partial(self, said: Call) -> Call:
        usage = {
            meter: n for meter, n in said.usage.items() if self._counted or meter not in _OUTPUT
        }
        evidence = {meter: _SO_FAR if meter in _OUTPUT else REPORTED for meter in usage}
        if not self._counted:
            evidence["output"] = UNKNOWN
        if self._searches > usage.get("web_search", 0):
            usage["web_search"], evidence["web_search"] = self._searches, _SEEN
        return replace(said, usage=Usage(usage), evidence=evidence)


_EVENTS: Mapping[str, Callable[[MessageStream, Any], None]] = {
    "message_start": MessageStream._start,
    "content_block_start": MessageStream._block,
    "content_block_delta": MessageStream._delta,
    "message_delta": MessageStream._end,
}


def _sum(by_age: Any) -> int:
    return sum(count for count in dict(by_age).values() if isinstance(count, int))


def count_input(body: Body, model: str) -> int:
    """An estimate of a body's input tokens, as of the chat request that says the same."""
    system = [{"role": "system", "content": body["system"]}] if body.get("system") else []
    messages = [*system, *map(dict, body.get("messages") or ())]
    for message in messages:
        if not isinstance(message.get("content"), str):
            message["content"] = list(_parts(message.get("content") or ()))
    return tokenizer.count_chat_input(messages, body.get("tools"), model).tokens


def _parts(content: Any) -> Iterator[Any]:
    """Parts as a chat request has them: calls of tools and their results are text there."""
    for part in content:
        kind = item(part, "type")
        if kind == "tool_result":
            inner = item(part, "content")
            yield from ([_text(inner)] if isinstance(inner, str) else _parts(inner or ()))
        elif kind == "tool_use":
            yield _text(f"{item(part, 'name')} {json.dumps(item(part, 'input'), default=str)}")
        elif kind == "thinking":
            yield _text(str(item(part, "thinking")))
        else:
            yield part


def _text(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}
