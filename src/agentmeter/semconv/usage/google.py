"""Gemini's and Vertex AI's shapes: cached content inside the prompt, thoughts and the results of
tools beside it.

After the types of google-genai 3.6, in their own spelling and in that of the wire. ``DOCUMENT``
tokens are those of pages read as images.
"""

import re

from agentmeter.semconv.usage.shape import Listed, Places, Shape

_NUMBERS = {"2": "image", "3": "video", "4": "audio", "5": "image"}
"""Modalities as the numbers of Vertex AI's protocol."""
_WORDS = {"IMAGE": "image", "VIDEO": "video", "AUDIO": "audio", "DOCUMENT": "image"}


def _by_modality(prefix: str) -> Listed:
    meters = {key: f"{prefix}_{kind}" for key, kind in {**_WORDS, **_NUMBERS}.items()}
    return Listed(("tokenCount", "token_count", "tokens"), meters, key="modality")


def _spelt_both_ways(places: Places) -> Places:
    snake = {re.sub(r"([A-Z])", r"_\1", name).lower(): place for name, place in places.items()}
    return {**places, **snake}


GENERATE_CONTENT = Shape(
    api="generate_content",
    marks=(
        "promptTokenCount",
        "prompt_token_count",
        "candidatesTokenCount",
        "candidates_token_count",
        "totalTokenCount",
        "total_token_count",
    ),
    beside=frozenset({"reasoning", "input_tool_use"}),
    total=("totalTokenCount", "total_token_count"),
    places=_spelt_both_ways(
        {
            "promptTokenCount": "input",
            "cachedContentTokenCount": "cache_read",
            "toolUsePromptTokenCount": "input_tool_use",
            "candidatesTokenCount": "output",
            "responseTokenCount": "output",  # Live API
            "thoughtsTokenCount": "reasoning",
            "promptTokensDetails": _by_modality("input"),
            "cacheTokensDetails": _by_modality("cache_read"),
            "candidatesTokensDetails": _by_modality("output"),
            "responseTokensDetails": _by_modality("output"),
        }
    ),
)

INTERACTIONS = Shape(
    api="interactions",
    marks=("total_input_tokens", "total_output_tokens"),
    beside=frozenset({"reasoning", "input_tool_use"}),
    total=("total_tokens",),
    places={
        "total_input_tokens": "input",
        "total_cached_tokens": "cache_read",
        "total_tool_use_tokens": "input_tool_use",
        "total_output_tokens": "output",
        "total_thought_tokens": "reasoning",
        "input_tokens_by_modality": _by_modality("input"),
        "cached_tokens_by_modality": _by_modality("cache_read"),
        "output_tokens_by_modality": _by_modality("output"),
        "grounding_tool_count": Listed(
            ("count",),
            {
                "GOOGLE_SEARCH": "web_search",
                "GOOGLE_MAPS": "maps_grounding",
                "RETRIEVAL": "file_search",
            },
            key="type",
        ),
    },
)

VERTEX_PREDICT = Shape(
    api="embeddings",
    marks=("billableCharacterCount", "billable_character_count"),
    places={"billableCharacterCount": "character", "billable_character_count": "character"},
)
"""Vertex AI's embeddings that are billed by character."""
