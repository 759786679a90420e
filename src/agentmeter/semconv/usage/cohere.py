"""Cohere's shapes: what is billed, apart from what was processed.

After the types of cohere 7.3, where every count is a float. ``billed_units`` is what the bill says;
``tokens`` counts the provider's own preamble too and is read only where nothing billed is stated,
and ``cached_tokens`` is a part of those.
"""

from agentmeter.semconv.usage.shape import Places, Shape

_BILLED: Places = {
    "input_tokens": "input",
    "output_tokens": "output",
    "image_tokens": "input_image",
    "search_units": "search_unit",
    "classifications": "classification",
    "images": "image",
    "pages": "page",
}

BILLED_UNITS = Shape(
    api="chat",
    marks=("billed_units",),
    beside=frozenset({"input_image"}),
    places={"billed_units": _BILLED},
)

BILLED = Shape(
    api="chat",
    marks=("search_units", "classifications", "images", "pages"),
    beside=BILLED_UNITS.beside,
    places=_BILLED,
)
"""The billed units themselves."""

TOKENS = Shape(
    api="chat",
    marks=("tokens",),
    places={
        "tokens": {"input_tokens": "input", "output_tokens": "output"},
        "cached_tokens": "cache_read",
    },
)
