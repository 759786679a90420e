"""The names that one provider goes by, as a table."""

import re
from functools import lru_cache

_KNOWN_AS = {
    "amazon": "aws",
    "amazon.bedrock": "aws",
    "aws.bedrock": "aws",
    "bedrock": "aws",
    "azure.ai.inference": "azure",
    "azure.ai.openai": "azure",
    "azure.ai": "azure",
    "azure.openai": "azure",
    "az.ai.inference": "azure",
    "az.ai.openai": "azure",
    "gcp.gemini": "google",
    "gcp.gen.ai": "google",
    "gcp.vertex.ai": "google",
    "gemini": "google",
    "google.genai": "google",
    "google.vertexai": "google",
    "vertex": "google",
    "vertex.ai": "google",
    "vertexai": "google",
    "mistral.ai": "mistral",
    "mistralai": "mistral",
    "moonshot.ai": "moonshotai",
    "x.ai": "x-ai",
    "xai": "x-ai",
}
"""``gen_ai.provider.name`` and ``gen_ai.system`` values and SDK names → genai-prices' id."""


@lru_cache(maxsize=256)
def canonical(provider: str | None) -> str | None:
    """The one name of a provider, whatever its case and separators; others in lower case."""
    if provider is None:
        return None
    name = provider.strip().lower()
    return _KNOWN_AS.get(re.sub(r"[-_. ]+", ".", name), name)
