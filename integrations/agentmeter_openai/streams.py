"""OpenAI's streams: a chat completion's chunks, and the events of a response."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from agentmeter.integration import Accumulator, Call


def item(of: Any, name: str) -> Any:
    """A field of an object of the client's, or of the mapping that it was made from."""
    return of.get(name) if type(of) is dict else getattr(of, name, None)


def _said(message: Any) -> Iterator[Any]:
    """What a message says, or a piece of one."""
    for name in ("content", "refusal"):
        yield item(message, name)
    for call in item(message, "tool_calls") or ():
        function = item(call, "function")
        for name in ("name", "arguments"):
            yield item(function, name)


def chat_texts(answer: Any) -> Iterator[Any]:
    """What a whole completion says, of the legacy endpoint as well."""
    for choice in item(answer, "choices") or ():
        yield item(choice, "text")
        yield from _said(item(choice, "message"))


def response_texts(answer: Any) -> Iterator[Any]:
    """What a whole response says; one in the background has yet to."""
    for one in item(answer, "output") or ():
        for part in (*(item(one, "content") or ()), *(item(one, "summary") or ())):
            yield from (item(part, name) for name in ("text", "refusal"))
        yield from (item(one, name) for name in ("name", "arguments", "input"))


class _Stream(Accumulator):
    """What both kinds of streams say: who answers, and at last what was used."""

    def __init__(self, read: Callable[[Any], Call]) -> None:
        super().__init__()
        self._read = read
        self._identity: dict[str, Any] = {}
        self._reasons: dict[int, str] = {}
        self._telling: Any = None
        """What carries the usage, once it has come."""

    def facts(self) -> Call:
        """The usage of what carries it, and the identity that came with the first items."""
        return replace(
            self._read(self._telling if self._telling is not None else {}),
            response_model=self._identity.get("model"),
            response_id=self._identity.get("id"),
            service_tier=self._identity.get("service_tier"),
            finish_reasons=tuple(self._reasons[index] for index in sorted(self._reasons)),
        )

    def _identify(self, source: Any) -> None:
        for name in ("id", "model", "service_tier"):
            value = item(source, name)
            if value:
                self._identity[name] = value


class ChatStream(_Stream):
    """A chat completion's chunks; the last one, without choices, tells the usage."""

    def __init__(self, read: Callable[[Any], Call], *, hides: bool) -> None:
        super().__init__(read)
        self.hides = hides

    def see(self, chunk: Any) -> bool:
        """Take a chunk; the one that was asked for on our behalf is hidden."""
        self._identify(chunk)
        choices = item(chunk, "choices") or ()
        for choice in choices:
            reason = item(choice, "finish_reason")
            if reason:
                self._reasons[item(choice, "index")] = reason
                self.finished = True
            self.texts.extend(text for text in _said(item(choice, "delta")) if text)
            self.texts.append(item(choice, "text") or "")  # of the legacy endpoint
        if item(chunk, "usage") is None:
            return False
        self._telling = chunk
        return self.hides and not choices


class ResponsesStream(_Stream):
    """The events of a response; the last one carries it whole."""

    def see(self, event: Any) -> bool:
        """Take an event; none is hidden."""
        kind = item(event, "type") or ""
        response = item(event, "response")
        if response is not None:
            self._identify(response)
            if kind in ("response.completed", "response.incomplete", "response.failed"):
                self.finished = True
                self._telling = response if item(response, "usage") is not None else None
        elif kind.endswith(".delta") and isinstance(item(event, "delta"), str):
            self.texts.append(item(event, "delta"))
        return False
