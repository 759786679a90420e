"""What answers and streams of both versions say, and how a body is counted."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from agentmeter.integration import UNKNOWN, Accumulator, Body, Call, facts_of, tokenizer


def item(of: Any, name: str) -> Any:
    """A field of an object of the client's, or of the mapping that it was made from."""
    return of.get(name) if type(of) is dict else getattr(of, name, None)


def facts(answer: Any, provider: str | None = None) -> Call:
    """What is billed, the answer's id, and why it ended; the second version has ``usage`` for it,
    the first ``meta``.
    """
    said = {
        "usage": item(answer, "usage") or item(answer, "meta") or {},
        "id": item(answer, "id") or item(answer, "response_id") or item(answer, "generation_id"),
        "finish_reason": item(answer, "finish_reason"),
    }
    return facts_of(said, provider)


def input_facts(answer: Any, provider: str | None = None) -> Call:
    """Of what has an input only, also where the answer says nothing of it."""
    said = facts(answer, provider)
    return said if said.usage else replace(said, evidence={"input": UNKNOWN})


def texts(answer: Any) -> Iterator[Any]:
    """What a whole answer says: a message of the second version, of the first a text or several."""
    message = item(answer, "message")
    yield from (item(answer, "text"), item(message, "tool_plan"))
    for one in (*(item(answer, "generations") or ()), *(item(message, "content") or ())):
        yield from (item(one, name) for name in ("text", "thinking"))
    for call in item(message, "tool_calls") or ():
        yield from (item(item(call, "function"), name) for name in ("name", "arguments"))


class ChatStream(Accumulator):
    """The events of a chat, of either version."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[str, Any] = {}

    def see(self, event: Any) -> bool:
        """Take an event; none is hidden."""
        if item(event, "event_type"):
            self._first_version(event)
            return False
        delta = item(event, "delta")
        self._take(item(delta, "message"))
        for name, value in (
            ("id", item(event, "id")),
            ("usage", item(delta, "usage")),
            ("finish_reason", item(delta, "finish_reason")),
        ):
            self._said.update({name: value} if value else {})
        self.finished = self.finished or item(event, "type") == "message-end"
        return False

    def _take(self, message: Any) -> None:
        content, calls = item(message, "content"), item(message, "tool_calls")
        said = (item(content, "text"), item(content, "thinking"), item(message, "tool_plan"))
        function = item(calls, "function")
        called = (item(function, "name"), item(function, "arguments"))
        self.texts.extend(text for text in (*said, *called) if isinstance(text, str))

    def _first_version(self, event: Any) -> None:
        text, answer = item(event, "text"), item(event, "response")
        if isinstance(text, str) and answer is None:
            self.texts.append(text)
        if item(event, "generation_id"):
            self._said["generation_id"] = item(event, "generation_id")
        if item(event, "event_type") == "stream-end" or item(event, "is_finished"):
            self.finished = True
            for name in ("meta", "response_id"):
                self._said[name] = item(answer, name)
            self._said["finish_reason"] = item(event, "finish_reason")

    def facts(self) -> Call:
        """What has been said so far."""
        return facts(self._said)


def count_input(body: Body, model: str) -> int:
    """An estimate of a body's input tokens."""
    if isinstance(body.get("messages"), (list, tuple)):
        return tokenizer.count_chat_input(body["messages"], _given(body, "tools"), model).tokens
    texts = [_given(body, name) for name in ("preamble", "message", "prompt", "text")]
    texts += [item(turn, "message") for turn in _given(body, "chat_history") or ()]
    texts += _given(body, "texts") or ()
    said = "\n".join(text for text in texts if isinstance(text, str))
    return tokenizer.count(said, model).tokens


def _given(body: Body, name: str) -> Any:
    """An argument; the client's mark for one that was left out is ``...``."""
    value = body.get(name)
    return None if value is ... else value
