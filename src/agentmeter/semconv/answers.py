"""Providers' answers: which model gave one, under which conditions, and what it used.

The shapes are those of the clients' response objects and of the mappings on the wire.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from agentmeter.model.filled import filled_at_once
from agentmeter.semconv.usage import Stated, plain_mapping, stated
from agentmeter.semconv.usage.finding import PLACES, find
from agentmeter.semconv.usage.mapping import text_of
from agentmeter.semconv.usage.shape import Names

_MODEL = ("model", "model_version", "modelVersion")
_ID = ("id", "response_id", "responseId", "generation_id")
_TIER = ("service_tier", "serviceTier")
_REASON = ("stop_reason", "stopReason", "finish_reason", "finishReason", "done_reason")
_LISTS = ("choices", "candidates", "results")
_REASONS = ("finish_reason", "finishReason", "completionReason")


@filled_at_once
@dataclass(frozen=True, slots=True)
class Answer:
    """What a provider's answer says of itself; ``stated`` is ``None`` where it is without usage."""

    stated: Stated | None
    model: str | None = None
    id: str | None = None
    service_tier: str | None = None
    speed: str | None = None
    finish_reasons: tuple[str, ...] = ()


def answer_of(body: Mapping[str, Any], provider: str | None = None) -> Answer:
    """What an answer says, or a bare usage object. Raises ``UsageError`` as ``stated`` does."""
    said = _stated(body, provider)
    latency = body.get("performanceConfig")
    return Answer(
        said,
        _first(body, _MODEL),
        _first(body, _ID) or _request_id(body),
        (said.service_tier if said else None) or _tier(body),
        (said.speed if said else None)
        or (text_of((plain_mapping(latency) or {}).get("latency")) if latency else None),
        tuple(_reasons(body)),
    )


def _stated(body: Mapping[str, Any], provider: str | None) -> Stated | None:
    usage = plain_mapping(body.get("usage"))
    if usage and "prompt_tokens" in usage:  # by far the most of all answers
        return stated(usage, provider=provider)
    return None if _is_without_usage(body) else stated(body, provider=provider)


def _is_without_usage(body: Mapping[str, Any]) -> bool:
    """Whether a place for usage is there and holds no number.

    So it is before a background job has run, and in the first pieces of Gemini's streams.
    """
    places = [plain_mapping(body[name]) or {} for name in PLACES if name in body]
    counts = (value for place in places for value in place.values())
    empty = all(value is None or isinstance(text_of(value), str) for value in counts)
    return bool(places) and empty and find(body) is None


def _first(body: Mapping[str, Any], names: Names) -> str | None:
    for name in names:
        text = text_of(body[name]) if name in body else None
        if text is not None:
            return text
    return None


def _request_id(body: Mapping[str, Any]) -> str | None:
    """AWS's, of which there is one for every answer."""
    around = plain_mapping(body["ResponseMetadata"]) if "ResponseMetadata" in body else None
    return _first(around, ("RequestId",)) if around else None


def _tier(body: Mapping[str, Any]) -> str | None:
    """A text; Converse has a structure with a type."""
    for name in _TIER:
        value = body.get(name)
        if value is None:
            continue
        text = text_of(value) or text_of((plain_mapping(value) or {}).get("type"))
        if text is not None:
            return text
    return None


def _reasons(body: Mapping[str, Any]) -> Iterator[str]:
    for name in _LISTS:
        entries = body.get(name)
        if not isinstance(entries, (list, tuple)):
            continue
        for entry in entries:
            reason = _first(plain_mapping(entry) or {}, _REASONS)
            if reason is not None:
                yield reason
    own = _first(body, _REASON)
    if own is not None:
        yield own
