"""What streams of events and bodies of bytes have said so far."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from agentmeter.integration import (
    REPORTED,
    UNKNOWN,
    Accumulator,
    Call,
    Exchange,
    Usage,
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
