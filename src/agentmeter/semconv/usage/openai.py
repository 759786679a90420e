"""OpenAI's shapes, and those of the many hosts that answer in them.

Cached, audio, image and cache-write tokens are inside the input; reasoning, audio and predictions
inside the output. After the types of openai 3.57 (chat, Responses, images, transcription,
realtime), mistralai 3.7, groq 1.7, together 3.1, openrouter 1.3 and perplexityai 0.46, DeepSeek's
and xAI's API references, and genai-prices' extractors.
"""

from agentmeter.semconv.usage.shape import Places, Seconds, Shape

_TTL: Places = {"ttl_30m_tokens": "cache_write_30m", "ttl_12h_tokens": "cache_write_12h"}
_CACHED: Places = {
    "audio_tokens": "cache_read_audio",
    "image_tokens": "cache_read_image",
    "video_tokens": "cache_read_video",
}
_IN: Places = {
    "cached_tokens": "cache_read",
    "cached_tokens_details": _CACHED,
    "cache_write_tokens": "cache_write",
    "cache_write_tokens_details": _TTL,
    "cache_creation_tokens": "cache_write",  # LiteLLM, of whichever provider
    "cache_creation_token_details": {
        "ephemeral_5m_input_tokens": "cache_write_5m",
        "ephemeral_1h_input_tokens": "cache_write_1h",
    },
    "audio_tokens": "input_audio",
    "image_tokens": "input_image",
    "video_tokens": "input_video",
    # Perplexity's Responses interface, and the mappings that LangChain makes of any provider's
    "cache_read_input_tokens": "cache_read",
    "cache_creation_input_tokens": "cache_write",
    "cache_read": "cache_read",
    "cache_creation": "cache_write",
    "audio": "input_audio",
}
_OUT: Places = {
    "reasoning_tokens": "reasoning",
    "thinking_tokens": "reasoning",  # Anthropic, where an object is without its cache fields
    "accepted_prediction_tokens": "accepted_prediction",
    "rejected_prediction_tokens": "rejected_prediction",
    "audio_tokens": "output_audio",
    "image_tokens": "output_image",
    "video_tokens": "output_video",
    "reasoning": "reasoning",
    "audio": "output_audio",
}
_TOOLS: Places = {"web_search_requests": "web_search", "web_fetch_requests": "web_fetch"}
_AROUND: Places = {
    "server_tool_use": _TOOLS,  # OpenRouter
    "server_tool_use_details": _TOOLS,
    "num_sources_used": "source",  # xAI's live search
    "server_side_tool_usage_details": {  # xAI
        "web_search_calls": "web_search",
        "x_search_calls": "x_search",
        "code_interpreter_calls": "code_interpreter",
        "file_search_calls": "file_search",
        "document_search_calls": "file_search",
    },
}

CHAT = Shape(
    api="chat",
    marks=("prompt_tokens",),
    total=("total_tokens",),
    places={
        "prompt_tokens": "input",
        "completion_tokens": "output",
        "prompt_tokens_details": _IN,
        "completion_tokens_details": _OUT,
        "reasoning_tokens": "reasoning",  # Databricks, Modal
        "cached_tokens": "cache_read",  # Moonshot, Together
        "prompt_cache_hit_tokens": "cache_read",  # DeepSeek; the misses are the rest
        "cache_read_input_tokens": "cache_read",  # Databricks, LiteLLM
        "cache_creation_input_tokens": "cache_write",
        "prompt_audio_seconds": "audio_second",  # Mistral bills audio by its length, not its tokens
        **_AROUND,
    },
)
"""Whether reasoning is inside the completion is told by the total: xAI counts it beside."""

XAI_CHAT = Shape(
    api="chat",
    marks=("num_sources_used", "cost_in_usd_ticks", "cached_prompt_text_tokens"),
    total=("total_tokens",),
    beside=frozenset({"reasoning"}),
    places={
        **CHAT.places,
        "cached_prompt_text_tokens": "cache_read",
        "prompt_image_tokens": "input_image",
    },
)
"""xAI: "reasoning tokens are counted separately from completion_tokens, but in total_tokens"."""

GOOGLE_CHAT = Shape(
    api="chat",
    marks=(),
    total=("total_tokens",),
    remainder="reasoning",
    places=CHAT.places,
)
"""Gemini's OpenAI-compatible interface: thoughts are in the total only."""

PERPLEXITY_CHAT = Shape(
    api="chat",
    marks=("search_context_size", "citation_tokens", "num_search_queries"),
    beside=frozenset({"reasoning", "citation"}),
    places={
        **CHAT.places,
        "citation_tokens": "citation",
        "num_search_queries": "web_search",
    },
)
"""Perplexity: reasoning and citation tokens are in neither the completion nor the total."""

MISTRAL_CONVERSATION = Shape(
    api="conversations",
    marks=("connector_tokens", "connectors"),
    beside=frozenset({"input_tool_use"}),
    places={
        **CHAT.places,
        "connector_tokens": "input_tool_use",
        "connectors": {
            "web_search": "web_search",
            "web_search_premium": "web_search",
            "code_interpreter": "code_interpreter",
            "image_generation": "image",
            "document_library": "file_search",
        },
    },
)
"""Mistral's agents: what connectors bring in is beside the prompt, and in the total."""

RESPONSES = Shape(
    api="responses",
    marks=("input_tokens", "output_tokens"),
    places={
        "input_tokens": "input",
        "output_tokens": "output",
        "input_tokens_details": _IN,
        "output_tokens_details": _OUT,
        "input_token_details": _IN,  # transcription, realtime
        "output_token_details": _OUT,
        "seconds": Seconds("audio_second"),
        "tool_calls_details": {"search_web": {"invocation": "web_search"}},  # Perplexity
        **_AROUND,
    },
)

IMAGES = Shape(
    api="images",
    marks=("input_tokens", "output_tokens"),
    output="output_image",
    places=RESPONSES.places,
)
"""Image generation where the output is not told apart: all of it is image tokens."""

DURATION = Shape(api="transcription", marks=("seconds",), places=RESPONSES.places)
"""OpenAI's transcription by length of the audio, which it bills to the nearest second."""

XAI_REALTIME = Shape(
    api="realtime",
    marks=("billable_audio_seconds",),
    places={
        "billable_audio_seconds": Seconds("audio_second"),
        "input_text_messages": "text_message",
    },
)
"""xAI's voice sessions, billed by seconds and messages; their token counts are not billed."""

OCR = Shape(api="ocr", marks=("pages_processed",), places={"pages_processed": "page"})
"""Mistral's OCR."""

EMBEDDINGS = Shape(
    api="embeddings",
    marks=("total_tokens",),
    places={"total_tokens": "input", "image_tokens": "input_image"},
)
"""Voyage, Jina: embeddings and reranks that state a total, all of it input."""

MULTIMODAL_EMBEDDINGS = Shape(
    api="embeddings",
    marks=("image_pixels", "video_pixels"),
    total=("total_tokens",),
    remainder="input_image",
    places={"text_tokens": "input"},
)
"""Voyage: the total is the text's tokens and one for every 560 pixels."""
