"""Which shape a usage object has, and where in an answer it stands."""

from collections.abc import Mapping
from typing import Any

from agentmeter.model.providers import canonical
from agentmeter.semconv.usage import anthropic, bedrock, cohere, google, local, openai
from agentmeter.semconv.usage.mapping import plain_mapping
from agentmeter.semconv.usage.shape import Names, Shape

SHAPES = (
    openai.CHAT,
    cohere.BILLED_UNITS,
    cohere.TOKENS,
    anthropic.MESSAGES,
    openai.RESPONSES,
    openai.IMAGES,
    openai.XAI_REALTIME,
    bedrock.LLAMA,
    google.GENERATE_CONTENT,
    google.INTERACTIONS,
    bedrock.CONVERSE,
    bedrock.TITAN,
    bedrock.METRICS,
    bedrock.HEADERS,
    local.OLLAMA,
    local.LLAMA_CPP,
    local.TIMINGS,
    openai.OCR,
    google.VERTEX_PREDICT,
    openai.MULTIMODAL_EMBEDDINGS,
    openai.DURATION,
    cohere.BILLED,
    openai.EMBEDDINGS,
)
"""The first one that has a mark in the object is its shape, unless the ``api`` names another."""

_VARIANTS = (openai.PERPLEXITY_CHAT, openai.MISTRAL_CONVERSATION, openai.XAI_CHAT)
_VARYING = frozenset(mark for shape in _VARIANTS for mark in shape.marks)
_HOSTS = {
    "perplexity": openai.PERPLEXITY_CHAT,
    "x-ai": openai.XAI_CHAT,
    "google": openai.GOOGLE_CHAT,
}
"""Providers that answer in OpenAI's chat shape and mean something else by it."""

PLACES = ("usage", "usageMetadata", "usage_metadata", "usage_info", "meta")
"""Fields of an answer that are the usage object, or hold it beside other things."""

_EVENTS = ("x_groq", "message", "metadata", "response", "result", "ResponseMetadata")
"""Fields that hold what has one of ``PLACES``; they are not usage objects themselves."""

_LAST = ("amazon-bedrock-invocationMetrics", "timings")
"""Counts around an answer, for one that has none of its own."""

_DEEPEST = 2

Found = tuple[Shape, Mapping[str, Any]]


def shape_of(raw: Mapping[str, Any], provider: str | None, api: str | None) -> Shape | None:
    """The shape of a usage object; ``None`` where it has no mark of any."""
    if "prompt_tokens" in raw:
        host = None if provider is None else _HOSTS.get(canonical(provider) or "")
        if host is not None or _VARYING.isdisjoint(raw):
            return host or openai.CHAT
        return next((shape for shape in _VARIANTS if _marked(shape, raw)), openai.CHAT)
    fitting = [shape for shape in SHAPES if _marked(shape, raw)]
    named = [shape for shape in fitting if shape.api == api]
    shape = next(iter(named or fitting), None)
    return openai.IMAGES if shape is openai.RESPONSES and _draws(raw) else shape


def _marked(shape: Shape, raw: Mapping[str, Any]) -> bool:
    return any(raw.get(mark) is not None for mark in shape.marks)


def _draws(raw: Mapping[str, Any]) -> bool:
    """Whether usage is that of image generation, with an output that is not told apart."""
    details = plain_mapping(raw.get("input_tokens_details")) or {}
    drawn = "image_tokens" in details and "cached_tokens" not in details
    return drawn and raw.get("output_tokens_details") is None


def find(
    raw: Mapping[str, Any], provider: str | None = None, api: str | None = None
) -> Found | None:
    """The usage object that ``raw`` holds or is, and its shape.

    What an answer holds goes first: its other fields may bear the name of a count.
    """
    return _held(raw, provider, api, 0) or _itself(raw, provider, api, _LAST)


def _held(
    raw: Mapping[str, Any], provider: str | None, api: str | None, depth: int
) -> Found | None:
    for name in PLACES:
        inner = plain_mapping(raw.get(name))
        found = _itself(inner, provider, api) if inner else None
        if found is not None:
            return found
    header = plain_mapping(raw.get("HTTPHeaders"))
    if header:
        return _itself({str(line).lower(): n for line, n in header.items()}, provider, api)
    for name in _EVENTS if depth < _DEEPEST else ():
        inner = plain_mapping(raw.get(name))
        found = _held(inner, provider, api, depth + 1) if inner else None
        if found is not None:
            return found
    return None


def _itself(
    raw: Mapping[str, Any], provider: str | None, api: str | None, within: Names = ()
) -> Found | None:
    shape = shape_of(raw, provider, api)
    if shape is not None:
        return shape, raw
    for name in within:
        inner = plain_mapping(raw.get(name))
        found = _itself(inner, provider, api) if inner else None
        if found is not None:
            return found
    return None
