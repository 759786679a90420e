"""What litellm's answers and streams say: OpenAI's shape, whoever answered."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from agentmeter.integration import (
    REPORTED,
    UNKNOWN,
    Accumulator,
    Body,
    Call,
    Exchange,
    facts_of,
    tokenizer,
)


def item(of: Any, name: str) -> Any:
    """A field of an object of litellm's, or of a mapping."""
    return of.get(name) if isinstance(of, Mapping) else getattr(of, name, None)


def facts(answer: Any, provider: str | None = None) -> Call:
    """Usage and identity, and the provider that answered in the end.

    The usage is litellm's, in one shape for all; how the provider itself would count it is settled.
    """
    hidden = item(answer, "_hidden_params") or {}
    reasons = [
        {"finish_reason": item(one, "finish_reason")} for one in item(answer, "choices") or ()
    ]
    said = {
        "usage": item(answer, "usage") or item(answer, "meta") or {},
        "id": item(answer, "id"),
        "model": item(answer, "model"),
        "service_tier": item(answer, "service_tier"),
        "choices": reasons,
    }
    found = replace(facts_of(said), provider=provider)
    if item(hidden, "cache_hit"):  # litellm's own cache: nobody was asked
        return Call(evidence={"request": REPORTED}, response_id=found.response_id)
    return found


def input_facts(answer: Any, provider: str | None = None) -> Call:
    """Of what has an input only, also where the answer says nothing of it."""
    found = facts(answer, provider)
    return found if found.usage or not found.evidence else replace(found, evidence=_NO_INPUT)


_NO_INPUT = {"input": UNKNOWN}


def _said(message: Any) -> Iterator[Any]:
    """What a message says, or a piece of one."""
    yield from (item(message, name) for name in ("content", "reasoning_content"))
    for call in item(message, "tool_calls") or ():
        yield from (item(item(call, "function"), name) for name in ("name", "arguments"))


def texts(answer: Any) -> Iterator[Any]:
    """What a whole completion or response says."""
    for choice in item(answer, "choices") or ():
        yield item(choice, "text")
        yield from _said(item(choice, "message"))
    for one in item(answer, "output") or ():
        yield from (item(part, "text") for part in item(one, "content") or ())
        yield from (item(one, name) for name in ("name", "arguments"))


class Stream(Accumulator):
    """The chunks of a stream. What a provider says of usage litellm keeps beside what it yields."""

    def __init__(self, exchange: Exchange, stream: Any) -> None:
        super().__init__()
        self._exchange = exchange
        self._stream = stream
        self._said: dict[str, Any] = {}
        self._reasons: dict[int, str] = {}

    def see(self, chunk: Any) -> bool:
        """Take a chunk; none is hidden."""
        for name in ("id", "model", "service_tier"):
            if item(chunk, name):
                self._said[name] = item(chunk, name)
        for choice in item(chunk, "choices") or ():
            if item(choice, "finish_reason"):
                self._reasons[item(choice, "index") or 0] = item(choice, "finish_reason")
            self._take(item(choice, "delta") or {})
        return False

    def _take(self, delta: Any) -> None:
        self.texts.extend(text for text in _said(delta) if text)

    def facts(self) -> Call:
        """What has been said so far; a stream that was left has its usage yet to come.

        litellm says ``stop`` at the end of any stream: what the provider said it keeps apart.
        """
        self.finished = any(getattr(self._stream, name, None) for name in _PROVIDERS_REASON)
        choices = [{"finish_reason": self._reasons[at]} for at in sorted(self._reasons)]
        usage = self._usage() if self.finished else {}
        return facts({**self._said, "choices": choices, "usage": usage}, self._exchange.provider)

    def _usage(self) -> dict[str, Any]:
        """Counts are of the whole so far; the last that says something holds."""
        told: dict[str, Any] = {}
        for chunk in self._stream.chunks:
            usage = item(chunk, "usage")
            if usage is not None:
                told.update({name: value for name, value in dict(usage).items() if value})
        return told


_PROVIDERS_REASON = ("received_finish_reason", "intermittent_finish_reason")


class ResponseEvents(Accumulator):
    """The events of a response, whoever made it; the last one carries it whole."""

    def __init__(self, exchange: Exchange) -> None:
        super().__init__()
        self._exchange = exchange
        self._said: Any = {}

    def see(self, event: Any) -> bool:
        """Take an event; none is hidden."""
        kind = str(getattr(item(event, "type"), "value", item(event, "type")))
        if kind in _ENDS:
            self.finished = True
            self._said = item(event, "response") or {}
        elif kind.endswith(".delta") and isinstance(item(event, "delta"), str):
            self.texts.append(item(event, "delta"))
        return False

    def facts(self) -> Call:
        """What the last event said; before it nobody knows."""
        return facts(self._said, self._exchange.provider)


_ENDS = ("response.completed", "response.incomplete", "response.failed")


def count_input(body: Body, model: str) -> int:
    """An estimate of a body's input tokens."""
    if isinstance(body.get("messages"), (list, tuple)):
        return tokenizer.count_chat_input(body["messages"], body.get("tools"), model).tokens
    given = body.get("input") or body.get("prompt") or ""
    if not isinstance(given, str) and any(isinstance(one, Mapping) for one in given):
        return tokenizer.count_responses_input(
            given, body.get("instructions"), body.get("tools"), model
        ).tokens
    texts = [given] if isinstance(given, str) else [one for one in given if isinstance(one, str)]
    return tokenizer.count("\n".join(texts), model).tokens
