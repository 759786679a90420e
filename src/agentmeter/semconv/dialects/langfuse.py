"""Langfuse 3 and later: ``langfuse.observation.*``, usage packed as JSON in one attribute."""

import json

from agentmeter.model import Kind
from agentmeter.semconv.dialects.dialect import Attributes, Counts, Dialect

_USAGE = "langfuse.observation.usage_details"
_RAW = f"{_USAGE}.raw"
_PROVIDERS_OWN = {"prompt_tokens", "prompt_tokens_details", "input_tokens_details"}


def _unpacked(attributes: Attributes) -> Attributes:
    """The usage details laid beside the others; those that cannot be read stay as they are.

    Its wrappers of clients pass on the provider's own usage object, details and all.
    """
    packed = attributes.get(_USAGE)
    try:
        details = json.loads(packed) if isinstance(packed, str) else None
    except ValueError:
        return {**attributes, f"{_USAGE}.input": str(packed)}
    if not isinstance(details, dict):
        return attributes
    flat = {f"{_USAGE}.{name}": value for name, value in details.items() if value is not None}
    if details.keys() & _PROVIDERS_OWN:
        flat[_RAW] = json.dumps(details)
    return {**attributes, **flat}


def _named(*details: str) -> tuple[str, ...]:
    return tuple(f"{_USAGE}.{name}" for name in details)


LANGFUSE = Dialect(
    name="langfuse",
    recognises=lambda fields: "langfuse.observation.type" in fields.attributes,
    kind_names=("langfuse.observation.type",),
    kinds={
        "generation": Kind.CALL,
        "embedding": Kind.CALL,
        "agent": Kind.AGENT,
        "tool": Kind.TOOL,
        "chain": Kind.STEP,
        "retriever": Kind.STEP,
        "evaluator": Kind.STEP,
        "guardrail": Kind.STEP,
        "span": Kind.LINK,
        "event": Kind.LINK,
    },
    counts=Counts(
        input=_named("input", "input_tokens", "prompt_tokens"),
        output=_named("output", "output_tokens", "completion_tokens"),
        cache_read=_named(
            "input_cached_tokens",
            "cache_read_input_tokens",
            "input_cache_read",
            "prompt_tokens_details.cached_tokens",
        ),
        cache_write=_named("cache_creation_input_tokens", "input_cache_creation"),
        reasoning=_named("output_reasoning_tokens", "reasoning_tokens"),
        input_audio=_named("input_audio_tokens"),
        output_audio=_named("output_audio_tokens"),
    ),
    request_model=("langfuse.observation.model.name", "gen_ai.request.model"),
    user=("langfuse.user.id", "user.id"),
    unpack=_unpacked,
    raw_usage=_RAW,
    inclusive=lambda fields: '"cache_read_input_tokens"' not in str(fields.attributes.get(_USAGE)),
)
