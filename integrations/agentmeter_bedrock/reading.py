"""Answers that the application reads: streams of events, and bodies of bytes."""

import copy
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from agentmeter.integration import (
    REPORTED,
    UNKNOWN,
    Accumulator,
    Call,
    Exchange,
    Tally,
    Usage,
    WatchedIterator,
    guarded,
)
from agentmeter_bedrock.answers import body_facts, facts

_METRICS = "amazon-bedrock-invocationMetrics"
_INPUT = ("prompt_token_count", "inputTextTokenCount")
"""Where models say their input before they have said the rest."""


class _Events(Accumulator):
    """Sees every event twice: as it is on the wire, which is let pass, and parsed."""

    def see(self, event: Any) -> bool:
        """Take an event; none is hidden."""
        if isinstance(event, dict):
            self.take(event)
        return False

    def take(self, event: Mapping[str, Any]) -> None:
        """Take a parsed event."""
        raise NotImplementedError


class ConverseStream(_Events):
    """The events of Converse; the last one tells what was used."""

    def __init__(self, around: Mapping[str, Any]) -> None:
        super().__init__()
        self._said: dict[str, Any] = {"ResponseMetadata": around.get("ResponseMetadata")}

    def take(self, event: Mapping[str, Any]) -> None:
        """Take a parsed event."""
        self.texts.extend(_texts(event))
        if "messageStop" in event:
            self._said["stopReason"] = event["messageStop"].get("stopReason")
            self.finished = True
        self._said.update(event.get("metadata") or {})

    def facts(self) -> Call:
        """What has been said so far."""
        return facts(self._said)


class InvokeStream(_Events):
    """The chunks of a model's own stream, of whichever family; counts stand around the last."""

    def __init__(self, around: Mapping[str, Any]) -> None:
        super().__init__()
        self._around = around
        self._usage: dict[str, Any] = {}
        self._metrics: Mapping[str, Any] | None = None
        self._input: int | None = None
        self._reason: str | None = None

    def take(self, event: Mapping[str, Any]) -> None:
        """Take a parsed event."""
        data = (event.get("chunk") or {}).get("bytes")
        document = json.loads(data) if data else None
        if isinstance(document, dict):
            self._follow(document)

    def _follow(self, document: Mapping[str, Any]) -> None:
        self.texts.extend(_texts(document))
        self._metrics = document.get(_METRICS, self._metrics)
        for place in (document, document.get("message"), document.get("metadata")):
            usage = place.get("usage") if isinstance(place, dict) else None
            self._usage.update({name: n for name, n in (usage or {}).items() if n is not None})
        for name in _INPUT:
            self._input = document.get(name) or self._input
        reason = next(_reasons(document), None)
        if reason:
            self._reason, self.finished = reason, True

    def facts(self) -> Call:
        """What has been said; until the end what the first event says of output is provisional."""
        said: dict[str, Any] = {"stopReason": self._reason}
        if self._metrics is not None:
            said[_METRICS] = self._metrics
        if self._usage and (self.finished or self._metrics is not None):
            said["usage"] = self._usage
        elif self._metrics is None:
            return self._begun(said)
        return body_facts(said, self._around, {})

    def _begun(self, said: dict[str, Any]) -> Call:
        known = body_facts({**said, "usage": self._usage}, self._around, {})
        usage = {name: n for name, n in known.usage.items() if name not in ("output", "reasoning")}
        if self._input and not usage:
            usage = {"input": self._input}
        if not usage:
            return replace(known, usage=Usage(), evidence=dict.fromkeys(_SIDES, UNKNOWN))
        evidence = {**dict.fromkeys(usage, REPORTED), "output": UNKNOWN}
        return replace(known, usage=Usage(usage), evidence=evidence)


class InvokedBody(Accumulator):
    """A model's own body, read piece by piece; the header around it has counts already."""

    def __init__(self, exchange: Exchange, around: Mapping[str, Any]) -> None:
        super().__init__()
        self._asked = exchange.body or {}
        self._around = around
        self._parts: list[bytes] = []

    def see(self, item: bytes) -> bool:
        """Keep a piece until the body is whole."""
        self._parts.append(bytes(item))
        return False

    def facts(self) -> Call:
        """What the body says once it is whole, before that what the header says."""
        try:
            document = json.loads(b"".join(self._parts))
            self.finished = True
        except ValueError:
            document = None
        return body_facts(document, self._around, self._asked)

    @property
    def text(self) -> str | None:
        """Of half a body it is not known how much was generated for it."""
        return None


_SIDES = ("input", "output")


def _texts(document: Mapping[str, Any]) -> Iterator[str]:
    """What a piece of a stream adds to what was generated, in the words of every family."""
    start = (document.get("contentBlockStart") or {}).get("start") or {}
    yield (start.get("toolUse") or {}).get("name") or ""
    block = (document.get("contentBlockDelta") or {}).get("delta") or {}
    yield (block.get("toolUse") or {}).get("input") or ""
    yield (block.get("reasoningContent") or {}).get("text") or ""
    delta = document.get("delta")
    for place in (block, delta if isinstance(delta, dict) else {}, document):
        for name in ("text", "partial_json", "thinking", "generation", "outputText", "completion"):
            if isinstance(place.get(name), str):
                yield place[name]
    for output in document.get("outputs") or ():
        yield output.get("text") or ""
    for choice in document.get("choices") or ():
        content = (choice.get("message") or choice.get("delta") or {}).get("content")
        yield content if isinstance(content, str) else ""


def _reasons(document: Mapping[str, Any]) -> Iterator[str]:
    delta = document.get("delta")
    places = [document, document.get("messageStop"), delta]
    places.extend(document.get("outputs") or ())
    places.extend(document.get("choices") or ())
    for place in places:
        for name in ("stop_reason", "stopReason", "completionReason", "finish_reason"):
            if isinstance(place, dict) and isinstance(place.get(name), str):
                yield place[name]


def watch_converse(exchange: Exchange, answer: Any) -> None:
    """Meter the events of Converse as they are read."""
    answer["stream"] = _watched(exchange, answer["stream"], ConverseStream(answer))


def watch_invoke(exchange: Exchange, answer: Any) -> None:
    """Meter the events of a model's own stream as they are read."""
    answer["body"] = _watched(exchange, answer["body"], InvokeStream(_around(answer)))


def watch_body(exchange: Exchange, answer: Any) -> None:
    """Meter a model's own body as it is read."""
    body = answer["body"]
    tally = Tally(exchange, InvokedBody(exchange, _around(answer)))
    body._raw_stream = WatchedBody(body._raw_stream, tally, body._content_length)


def _around(answer: Mapping[str, Any]) -> dict[str, Any]:
    """All of an answer but its body, which would hold what watches it."""
    return {name: value for name, value in answer.items() if name != "body"}


def _watched(exchange: Exchange, stream: Any, accumulator: Accumulator) -> Any:
    """A copy of ``stream`` that tells how it ends; only a copy is seen at once when dropped."""
    tally = Tally(exchange, accumulator)
    public = copy.copy(stream)
    public._event_generator = WatchedIterator(stream._event_generator, tally)
    public._parse_event = _seen(stream._parse_event, tally)
    public.close = _closing(stream, tally)
    return public


def _closing(stream: Any, tally: Tally) -> Callable[[], None]:
    def close() -> None:
        tally.closed()
        stream.close()

    return close


def _seen(parse: Callable[[Any], Any], tally: Tally) -> Callable[[Any], Any]:
    def parse_event(event: Any) -> Any:
        try:
            parsed = parse(event)
        except BaseException as error:
            tally.broken(error)
            raise
        if parsed:
            tally.see(parsed)
        return parsed

    return parse_event


class WatchedBody:
    """The stream below a body of bytes: tells what is read of it, and when no more will be."""

    def __init__(self, inner: Any, tally: Tally, length: Any) -> None:
        self._inner = inner
        self._tally = tally
        self._left = int(length) if length is not None else None

    def read(self, amt: int | None = None, *args: Any, **kwargs: Any) -> Any:
        """Some bytes, or all."""
        data = self._reading(lambda: self._inner.read(amt, *args, **kwargs))
        self._took(data, ended=amt is None or (not data and amt != 0))
        return data

    def readinto(self, buffer: Any) -> Any:
        """Bytes put where the caller says."""
        count = self._reading(lambda: self._inner.readinto(buffer))
        self._took(bytes(memoryview(buffer)[:count]), ended=not count and len(buffer) > 0)
        return count

    def readlines(self, *args: Any) -> Any:
        """All lines."""
        lines = self._reading(lambda: self._inner.readlines(*args))
        self._took(b"".join(lines), ended=True)
        return lines

    def close(self) -> None:
        """Read no more."""
        self._tally.closed()
        self._inner.close()

    def _reading(self, read: Callable[[], Any]) -> Any:
        try:
            return read()
        except BaseException as error:
            self._tally.broken(error)
            raise

    def _took(self, data: bytes, *, ended: bool) -> None:
        with guarded("body"):
            self._tally.see(data)
            if self._left is not None:
                self._left -= len(data)
            if ended or self._left == 0:
                self._tally.exhausted()

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._inner)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def __del__(self) -> None:
        self._tally.closed()
