"""The shapes of servers that one runs oneself; vLLM answers in OpenAI's.

After the types of ollama 0.6 and the server's source of llama.cpp. Durations are no meters: what
a machine's time costs is shared out over its calls afterwards.
"""

from agentmeter.semconv.usage.shape import Shape

OLLAMA = Shape(
    api="chat",
    marks=("prompt_eval_count", "eval_count"),
    places={
        "prompt_eval_count": "input",
        "prompt_eval_cached_count": "cache_read",
        "eval_count": "output",
    },
)
"""Top-level counts; a cached prompt is in ``prompt_eval_count`` too."""

LLAMA_CPP = Shape(
    api="completion",
    marks=("tokens_evaluated", "tokens_predicted"),
    places={
        "tokens_evaluated": "input",
        "tokens_predicted": "output",
        "timings": {"cache_n": "cache_read"},
    },
)
"""``tokens_evaluated`` is the whole prompt. ``tokens_cached`` is what the slot holds in the end,
the answer included, and so no count of cache reads."""

TIMINGS = Shape(
    api="completion",
    marks=("prompt_n", "predicted_n"),
    beside=frozenset({"cache_read"}),
    places={"prompt_n": "input", "cache_n": "cache_read", "predicted_n": "output"},
)
"""llama.cpp's timings alone: ``prompt_n`` is what was evaluated anew."""
