"""What litellm's functions bill, and where their arguments have their limits."""

from agentmeter.integration import (
    NO_OUTPUT,
    Bounds,
    Endpoint,
    chat_bounds,
    count_spoken,
    heard_facts,
    heard_from,
    image_facts,
    limit,
    spoken_facts,
    spoken_from,
    uncounted,
)
from agentmeter_litellm.answers import ResponseEvents, count_input, facts, input_facts, texts

_LIMITS = chat_bounds("max_tokens", "max_completion_tokens")
CHAT = Endpoint(
    operation="chat",
    facts=facts,
    texts=texts,
    count_input=count_input,
    shape="openai.chat",
    bounds=_LIMITS,
)
TEXT = Endpoint(
    operation="text_completion",
    facts=facts,
    texts=texts,
    count_input=count_input,
    bounds=_LIMITS,
)
_EMBEDDINGS = Endpoint(
    operation="embeddings", facts=input_facts, count_input=count_input, bounds=NO_OUTPUT
)
_RERANK = Endpoint(operation="rerank", facts=facts, bounds=NO_OUTPUT)
RESPONSES = Endpoint(
    operation="chat",
    facts=facts,
    texts=texts,
    accumulator=ResponseEvents,
    count_input=count_input,
    shape="openai.responses",
    bounds=Bounds(
        limit_of=lambda body: limit(body.get("max_output_tokens")),
        with_limit=lambda body, tokens: {**body, "max_output_tokens": tokens},
        uncounted=uncounted("input", prompt="a stored prompt"),
    ),
)
_IMAGES = Endpoint(operation="image_generation", facts=image_facts)
_HEARD = Endpoint(operation="transcription", facts=heard_facts, from_body=heard_from)
_SPEECH = Endpoint(
    operation="speech", facts=spoken_facts, from_body=spoken_from, count_input=count_spoken
)
FUNCTIONS: dict[str, tuple[Endpoint, tuple[str, ...]]] = {
    "completion": (CHAT, ("model", "messages")),
    "text_completion": (TEXT, ("prompt", "model")),
    "embedding": (_EMBEDDINGS, ("model", "input")),
    "rerank": (_RERANK, ("model", "query", "documents")),
    "responses": (RESPONSES, ("input", "model")),
    "image_generation": (_IMAGES, ("prompt", "model")),
    "image_edit": (_IMAGES, ("image", "prompt", "model")),
    "transcription": (_HEARD, ("model", "file")),
    "speech": (_SPEECH, ("model", "input", "voice")),
}
"""Each has an asynchronous twin that begins with an ``a``. Its endpoint, and the names of its first
arguments.
"""
