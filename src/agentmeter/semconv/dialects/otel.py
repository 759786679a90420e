"""The OpenTelemetry GenAI conventions, current and old, and those who write them plainly.

Attribute names from opentelemetry-semantic-conventions 0.66b2 and opentelemetry-util-genai 1.3b0;
the anthropic SDK 2.12's own spans add cache writes by lifetime.
"""

from agentmeter.model import Kind
from agentmeter.semconv.dialects.dialect import Counts, Dialect
from agentmeter.semconv.fields import SpanFields

KINDS = {
    "chat": Kind.CALL,
    "completion": Kind.CALL,
    "text_completion": Kind.CALL,
    "generate_content": Kind.CALL,
    "embeddings": Kind.CALL,
    "embedding": Kind.CALL,
    "rerank": Kind.CALL,
    "invoke_agent": Kind.AGENT,
    "create_agent": Kind.AGENT,
    "invoke_workflow": Kind.STEP,
    "execute_tool": Kind.TOOL,
    "retrieval": Kind.STEP,
    "fetch_response": Kind.LINK,
}

COUNTS = Counts(
    input=("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
    output=("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
    cache_read=(
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_read_input_tokens",
        "gen_ai.usage.details.cache_read_tokens",
    ),
    cache_write=(
        "gen_ai.usage.cache_write.input_tokens",
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
        "gen_ai.usage.cache_write_input_tokens",
        "gen_ai.usage.details.cache_write_tokens",
    ),
    cache_write_5m=("anthropic.usage.cache_creation.ephemeral_5m_input_tokens",),
    cache_write_1h=("anthropic.usage.cache_creation.ephemeral_1h_input_tokens",),
    reasoning=(
        "gen_ai.usage.reasoning.output_tokens",
        "gen_ai.usage.reasoning_tokens",
        "gen_ai.usage.details.reasoning_tokens",
    ),
    input_audio=("gen_ai.usage.audio.input_tokens",),
    input_image=("gen_ai.usage.image.input_tokens",),
    output_audio=("gen_ai.usage.audio.output_tokens",),
    output_image=("gen_ai.usage.image.output_tokens",),
)

# Their spans leave a count out where it is zero, and state it where it is not.
_STATE_CACHE = (
    "opentelemetry.instrumentation.genai",
    "opentelemetry.instrumentation.openai_v2",
    "com.anthropic.sdk",
    "pydantic-ai",
    "logfire",
)


def states_cache(fields: SpanFields) -> bool:
    """Whether the writer of a span is known to state cached tokens wherever there are any."""
    return fields.scope.startswith(_STATE_CACHE)


OTEL = Dialect(
    name="opentelemetry",
    recognises=lambda fields: any(name.startswith("gen_ai.") for name in fields.attributes),
    kind_names=("gen_ai.operation.name",),
    kinds=KINDS,
    counts=COUNTS,
    service_tier=("openai.response.service_tier", "anthropic.response.service_tier"),
    kept=("http.request.resend_count", "operation.cost"),
    states_cache=states_cache,
)
