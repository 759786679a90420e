"""The script of a model server: what it answers, what it was asked, and what that costs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Literal

from agentmeter.model import Usage


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
    input_audio: int = 0
    cached_audio: int = 0
    input_image: int = 0
    output_audio: int = 0
    output_image: int = 0
    """Tokens of other modalities than text; inside ``input``, ``cached`` and ``output``."""
    audio_seconds: str | None = None
    """The length of audio, such as ``"12.4"``, for models that are billed by it, not by tokens."""
    images: int = 1
    """How many pictures are made; a model that is billed by them has ``input`` and ``output`` 0."""
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
    looks: int = 1
    """How often background work is looked at before it is done."""
    usage: bool = True
    """Whether the body says what was used."""
    headers: Mapping[str, str] = field(default_factory=dict)
    told: Mapping[str, Any] = field(default_factory=dict)
    """Other fields of a response or of a picture's answer in OpenAI's shapes."""


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
    input_audio: int = 0
    cached_audio: int = 0
    input_image: int = 0
    output_audio: int = 0
    output_image: int = 0
    audio_second: int = 0
    image: int = 0
    character: int = 0

    @property
    def usage(self) -> Usage:
        """The bill by meter; what is inside another count is taken out of it."""
        written = self.written_5m + self.written_1h
        heard = self.input_audio - self.cached_audio
        drawn = self.output_audio + self.output_image
        return Usage(
            input=self.input - self.cached - written - heard - self.input_image,
            cache_read=self.cached - self.cached_audio,
            cache_read_audio=self.cached_audio,
            cache_write_5m=self.written_5m,
            cache_write_1h=self.written_1h,
            input_audio=heard,
            input_image=self.input_image,
            output=self.output - self.reasoning - drawn,
            reasoning=self.reasoning,
            output_audio=self.output_audio,
            output_image=self.output_image,
            web_search=self.web_search,
            audio_second=self.audio_second,
            image=self.image,
            character=self.character,
        )


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
        input_audio=reply.input_audio,
        cached_audio=reply.cached_audio,
        input_image=reply.input_image,
        output_audio=reply.output_audio,
        output_image=reply.output_image,
    )


def by_length(reply: Reply) -> Billed:
    """The bill of a reply over audio that is billed by its length, to the nearest second."""
    seconds = Decimal(reply.audio_seconds or 0).to_integral_value(ROUND_HALF_UP)
    return Billed(calls=1, audio_second=int(seconds))


def by_image(reply: Reply) -> Billed:
    """The bill of a reply with pictures that are billed by the piece."""
    return Billed(calls=1, image=reply.images)
