"""Which shape a usage object has, and where in an answer it stands."""

from collections.abc import Iterator, Mapping
from typing import Any

from agentmeter.model.providers import canonical
from agentmeter.semconv.usage import anthropic, bedrock, cohere, google, local, openai
from agentmeter.semconv.usage.mapping import plain_mapping
from agentmeter.semconv.usage.shape import Shape

SHAPES = (
    openai.PERPLEXITY_CHAT,
    openai.MISTRAL_CONVERSATION,
    openai.XAI_CHAT,
    openai.CHAT,
    cohere.BILLED_UNITS,
    cohere.TOKENS,
    cohere.BILLED,
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
    openai.EMBEDDINGS,
)
"""The first one that has a mark in the object is its shape, unless the ``api`` names another."""

_OTHERS = frozenset().union(
    openai.PERPLEXITY_CHAT.marks, openai.MISTRAL_CONVERSATION.marks, openai.XAI_CHAT.marks
)
_HOSTS = {
    "perplexity": openai.PERPLEXITY_CHAT,
    "x-ai": openai.XAI_CHAT,
    "google": openai.GOOGLE_CHAT,
}
"""Providers that answer in OpenAI's chat shape and mean something else by it."""

ENVELOPES = (
    "usage",
    "usageMetadata",
    "usage_metadata",
    "usage_info",
    "x_groq",
    "meta",
    "metadata",
    "message",
    "response",
    "result",
    "amazon-bedrock-invocationMetrics",
    "timings",
    "ResponseMetadata",
    "HTTPHeaders",
)
"""Fields of an answer, or of an event of a stream, that hold the usage object or lead to it."""

_DEEPEST = 3

Found = tuple[Shape, Mapping[str, Any]]


def shape_of(raw: Mapping[str, Any], provider: str | None, api: str | None) -> Shape | None:
    """The shape of a usage object; ``None`` where it has no mark of any."""
    if "prompt_tokens" in raw:
        if provider is None and _OTHERS.isdisjoint(raw):
            return openai.CHAT
        host = _HOSTS.get(canonical(provider) or "")
        if host is not None:
            return host
    fitting = [shape for shape in SHAPES if any(mark in raw for mark in shape.marks)]
    named = [shape for shape in fitting if shape.api == api]
    shape = next(iter(named or fitting), None)
    return openai.IMAGES if shape is openai.RESPONSES and _draws(raw) else shape


def _draws(raw: Mapping[str, Any]) -> bool:
    """Whether usage is that of image generation, with an output that is not told apart."""
    details = plain_mapping(raw.get("input_tokens_details")) or {}
    drawn = "image_tokens" in details and "cached_tokens" not in details
    return drawn and raw.get("output_tokens_details") is None


def find(
    raw: Mapping[str, Any], provider: str | None, api: str | None, depth: int = 0
) -> Found | None:
    """The usage object in ``raw``, which is it or holds it, and its shape."""
    for candidate in _readings(raw):
        shape = shape_of(candidate, provider, api)
        if shape is not None:
            return shape, candidate
    if depth < _DEEPEST:
        for name in ENVELOPES:
            inner = plain_mapping(raw.get(name))
            found = find(inner, provider, api, depth + 1) if inner else None
            if found is not None:
                return found
    return None


def _readings(raw: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """``raw``, and with its names in lower case where it is the header of an answer."""
    yield raw
    if any(str(name)[:15].lower() == "x-amzn-bedrock-" for name in raw):
        yield {str(name).lower(): value for name, value in raw.items()}
