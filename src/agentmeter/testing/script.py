"""The script of a model server: what it answers, what it was asked, and what that costs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One scripted answer; token counts in the provider's shape (cached inside input …)."""

    text: str = "ok"
    input: int = 12
    cached: int = 0
    written_5m: int = 0
    written_1h: int = 0
    """Written to the cache for five minutes, for one hour; inside ``input``, as ``cached`` is."""
    output: int = 5
    reasoning: int = 0
    tool_calls: tuple[tuple[str, str], ...] = ()
    """(name, JSON arguments) of each tool call."""
    finish_reason: str | None = None
    model: str | None = None
    service_tier: str | None = None
    region: str | None = None
    """Where it was served, and how fast, as Anthropic's usage states it."""
    speed: str | None = None
    web_search: int = 0
    """Searches that the provider made for the model; Anthropic's usage states them."""
    status: int = 200
    retry_after_ms: int | None = 1
    delay: float = 0.0
    """Seconds before the first byte."""
    chunk_delay: float = 0.0
    """Seconds before each chunk of a stream."""
    cut_after: int | None = None
    """End a stream after so many content chunks."""
    cut: Literal["clean", "reset"] = "clean"
    disconnect: bool = False
    """Close the connection before any byte of the answer."""
    usage: bool = True
    """Whether the body says what was used."""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Received:
    """One request that the server got, and how it was answered."""

    path: str
    body: Mapping[str, Any]
    headers: Mapping[str, str]
    reply: Reply


@dataclass(frozen=True, slots=True)
class Billed:
    """What the provider bills: tokens of answered calls; ``failed`` requests are not billed."""

    calls: int = 0
    input: int = 0
    cached: int = 0
    output: int = 0
    reasoning: int = 0
    failed: int = 0
    written_5m: int = 0
    written_1h: int = 0
    web_search: int = 0


def whole(reply: Reply) -> Billed:
    """The bill of a reply that was sent whole."""
    return Billed(
        calls=1,
        input=reply.input,
        cached=reply.cached,
        output=reply.output,
        reasoning=reply.reasoning,
        written_5m=reply.written_5m,
        written_1h=reply.written_1h,
        web_search=reply.web_search,
    )
