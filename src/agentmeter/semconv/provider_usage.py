"""Provider usage shapes → disjoint meters.

OpenAI counts cached, audio and cache-write tokens inside ``prompt_tokens`` and reasoning and audio
inside ``completion_tokens``; Anthropic counts cache reads and writes beside ``input_tokens``.
Shapes as in the openai 3.54 and anthropic 2.12 type definitions.
"""

from collections.abc import Mapping
from typing import Any

from agentmeter.exceptions import UsageError
from agentmeter.model.meters import METERS
from agentmeter.model.usage import Usage

_INPUT_PARTS = {
    "cached_tokens": "cache_read",
    "audio_tokens": "input_audio",
    "cache_write_tokens": "cache_write",
}
_OUTPUT_PARTS = {"reasoning_tokens": "reasoning", "audio_tokens": "output_audio"}


def plain_mapping(value: object) -> Mapping[str, Any] | None:
    """``value`` as a mapping: itself, the stated fields of a pydantic model, or ``None``.

    One level only: a response is mostly content, and dumping all of it costs more than metering.
    """
    if isinstance(value, Mapping):
        return value
    stated = getattr(value, "model_fields_set", None)
    if not isinstance(stated, set):
        return None
    fields = {name: getattr(value, name) for name in stated}
    return {**fields, **(getattr(value, "model_extra", None) or {})}


def normalise(raw: Mapping[str, Any]) -> Usage:
    """Disjoint meters out of a provider's usage object, or out of a mapping by meter.

    Raises ``UsageError`` for an unknown shape, a negative or fractional quantity, and a part
    that is larger than its whole; the message carries the arithmetic.
    """
    if "cache_read_input_tokens" in raw or "cache_creation_input_tokens" in raw:
        return _anthropic(raw)
    if "prompt_tokens" in raw:
        return _openai(raw, "prompt_tokens", "completion_tokens")
    if "input_tokens" in raw:
        return _openai(raw, "input_tokens", "output_tokens")
    if raw and all(name in METERS or "." in str(name) for name in raw):
        return Usage(raw)
    raise UsageError(
        f"usage with the fields {sorted(map(str, raw))} is of no known shape; "
        "pass agentmeter.Usage(input=…, output=…) instead"
    )


def _openai(raw: Mapping[str, Any], whole_in: str, whole_out: str) -> Usage:
    quantities = _taken_out(raw, whole_in, "input", _INPUT_PARTS)
    quantities.update(_taken_out(raw, whole_out, "output", _OUTPUT_PARTS))
    return Usage(quantities)


def _taken_out(
    raw: Mapping[str, Any], whole: str, rest: str, parts: Mapping[str, str]
) -> dict[str, int]:
    details = plain_mapping(raw.get(f"{whole}_details")) or {}
    found = {
        meter: count
        for field, meter in parts.items()
        if field in details and (count := _count(details, field))
    }
    total = _count(raw, whole)
    remaining = total - sum(found.values())
    if remaining < 0:
        arithmetic = " + ".join(f"{name} ({count})" for name, count in found.items())
        raise UsageError(f"{arithmetic} cannot exceed {whole} ({total})")
    return {rest: remaining, **found}


def _anthropic(raw: Mapping[str, Any]) -> Usage:
    written = plain_mapping(raw.get("cache_creation")) or {}
    by_ttl = {
        "cache_write_5m": _count(written, "ephemeral_5m_input_tokens"),
        "cache_write_1h": _count(written, "ephemeral_1h_input_tokens"),
    }
    total_written = _count(raw, "cache_creation_input_tokens")
    unstated = total_written - sum(by_ttl.values()) if total_written else 0
    if unstated < 0:
        raise UsageError(
            f"cache writes by lifetime {by_ttl} cannot exceed "
            f"cache_creation_input_tokens ({total_written})"
        )
    return Usage(
        input=_count(raw, "input_tokens"),
        cache_read=_count(raw, "cache_read_input_tokens"),
        cache_write=unstated,
        output=_count(raw, "output_tokens"),
        **by_ttl,
    )


def _count(raw: Mapping[str, Any], name: str) -> int:
    value = raw.get(name)
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int):
        raise UsageError(f"{name}: a quantity is an int, got {value!r}")
    if value < 0:
        raise UsageError(f"{name}: a quantity cannot be negative, got {value}")
    return value
