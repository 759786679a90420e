"""Amazon Bedrock's shapes: Converse, the models' own bodies, and the counts around a body.

After the service model of botocore 1.44 and recorded bodies of Nova, Titan, Llama and Claude.
Cache reads and writes are beside the input. Claude's own body is Anthropic's shape, Mistral's
chat body OpenAI's; a body without counts (Cohere's, Mistral's text completion) leaves the header.
"""

from agentmeter.semconv.usage.shape import Listed, Shape

_CACHE = frozenset({"cache_read", "cache_write", "cache_write_5m", "cache_write_1h"})

CONVERSE = Shape(
    api="converse",
    marks=("inputTokens", "outputTokens"),
    beside=_CACHE,
    places={
        "inputTokens": "input",
        "outputTokens": "output",
        "cacheReadInputTokens": "cache_read",
        "cacheWriteInputTokens": "cache_write",
        "cacheReadInputTokenCount": "cache_read",  # Nova's own body
        "cacheWriteInputTokenCount": "cache_write",
        "cacheDetails": Listed(
            ("inputTokens",), {"5M": "cache_write_5m", "1H": "cache_write_1h"}, key="ttl"
        ),
    },
)

TITAN = Shape(
    api="invoke_model",
    marks=("inputTextTokenCount",),
    places={
        "inputTextTokenCount": "input",
        "totalOutputTextTokenCount": "output",
        "results": Listed(("tokenCount",), {"": "output"}),
    },
)

LLAMA = Shape(
    api="invoke_model",
    marks=("generation_token_count",),
    places={"prompt_token_count": "input", "generation_token_count": "output"},
)

METRICS = Shape(
    api="invoke_model",
    marks=("inputTokenCount", "outputTokenCount"),
    beside=_CACHE,
    places={
        "inputTokenCount": "input",
        "outputTokenCount": "output",
        "cacheReadInputTokenCount": "cache_read",
        "cacheWriteInputTokenCount": "cache_write",
    },
)
"""``amazon-bedrock-invocationMetrics``, at the end of a streamed body."""

HEADERS = Shape(
    api="invoke_model",
    marks=("x-amzn-bedrock-input-token-count", "x-amzn-bedrock-output-token-count"),
    beside=_CACHE,
    digits=True,
    places={
        "x-amzn-bedrock-input-token-count": "input",
        "x-amzn-bedrock-output-token-count": "output",
        "x-amzn-bedrock-cache-read-input-token-count": "cache_read",
        "x-amzn-bedrock-cache-write-input-token-count": "cache_write",
    },
)
"""The header of an InvokeModel answer, its names in lower case."""
