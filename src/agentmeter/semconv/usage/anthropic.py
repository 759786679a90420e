"""Anthropic's shape: cache reads and writes beside the input, thinking inside the output.

After the types of anthropic 2.12. Of ``iterations``, a ``compaction`` is not in the top-level
counts and is added; an ``advisor_message`` is of another model at that model's rates, so it is
no part of this call's usage.
"""

from agentmeter.semconv.usage.shape import Shape

MESSAGES = Shape(
    api="messages",
    marks=(
        "cache_read_input_tokens",
        "cache_creation_input_tokens",
        "cache_creation",
        "inference_geo",
        "iterations",
    ),
    beside=frozenset(
        {"cache_read", "cache_write", "cache_write_5m", "cache_write_1h"},
    ),
    further={"iterations": ("compaction",)},
    places={
        "input_tokens": "input",
        "output_tokens": "output",
        "cache_read_input_tokens": "cache_read",
        "cache_creation_input_tokens": "cache_write",
        "cache_creation": {
            "ephemeral_5m_input_tokens": "cache_write_5m",
            "ephemeral_1h_input_tokens": "cache_write_1h",
        },
        "output_tokens_details": {"thinking_tokens": "reasoning"},
        "server_tool_use": {
            "web_search_requests": "web_search",
            "web_fetch_requests": "web_fetch",
        },
    },
)
