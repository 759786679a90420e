"""The names that one provider goes by, as a table."""

import re
from functools import lru_cache

_KNOWN_AS = {
    "amazon": "aws",
    "amazon.bedrock": "aws",
    "amazon.nova": "aws",
    "aws.bedrock": "aws",
    "az.ai.inference": "azure",
    "az.ai.openai": "azure",
    "azure.ai": "azure",
    "azure.ai.inference": "azure",
    "azure.ai.openai": "azure",
    "azure.openai": "azure",
    "azure.text": "azure",
    "bedrock": "aws",
    "bedrock.converse": "aws",
    "bedrock.mantle": "aws",
    "codestral": "mistral",
    "cohere.chat": "cohere",
    "fireworks.ai": "fireworks",
    "fireworks.ai.embedding.models": "fireworks",
    "gcp.gemini": "google",
    "gcp.gen.ai": "google",
    "gcp.vertex.ai": "google",
    "gemini": "google",
    "gemini.live": "google",
    "github.copilot": "github-copilot",
    "google.ai": "google",
    "google.ai.studio": "google",
    "google.gemini": "google",
    "google.genai": "google",
    "google.generative.ai": "google",
    "google.vertex": "google",
    "google.vertex.ai": "google",
    "google.vertexai": "google",
    "grok": "x-ai",
    "meta.llama": "meta",
    "mistral.ai": "mistral",
    "mistral.chat": "mistral",
    "mistralai": "mistral",
    "moonshot": "moonshotai",
    "moonshot.ai": "moonshotai",
    "novita.ai": "novita",
    "text.completion.codestral": "mistral",
    "text.completion.openai": "openai",
    "together.ai": "together",
    "togetherai": "together",
    "vertex": "google",
    "vertex.ai": "google",
    "vertexai": "google",
    "voyage": "voyageai",
    "voyage.ai": "voyageai",
    "x.ai": "x-ai",
    "xai": "x-ai",
    "z.ai": "zai",
}
"""``gen_ai.provider.name`` and ``gen_ai.system`` values and SDK names → genai-prices' id."""


@lru_cache(maxsize=256)
def canonical(provider: str | None) -> str | None:
    """The one name of a provider, whatever its case and separators; others in lower case."""
    if provider is None:
        return None
    name = provider.strip().lower()
    dotted = re.sub(r"[-_. ]+", ".", name)
    if dotted.startswith("vertex.ai."):  # litellm has one for each maker: vertex_ai-zai_models
        return "google"
    return _KNOWN_AS.get(dotted, name)
