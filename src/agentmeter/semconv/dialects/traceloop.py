"""OpenLLMetry (Traceloop): the conventions' older names beside ``llm.*`` and ``traceloop.*``."""

from dataclasses import replace

from agentmeter.model import Kind
from agentmeter.semconv.dialects.dialect import Dialect
from agentmeter.semconv.dialects.otel import COUNTS, KINDS
from agentmeter.semconv.fields import SpanFields

_OURS = ("llm.request.type", "traceloop.span.kind", "llm.usage.total_tokens")
_STATE_CACHE = ("opentelemetry.instrumentation.openai.v1", "opentelemetry.instrumentation.openai")


def _recognises(fields: SpanFields) -> bool:
    return any(name in fields.attributes for name in _OURS)


TRACELOOP = Dialect(
    name="traceloop",
    recognises=_recognises,
    kind_names=("traceloop.span.kind", "llm.request.type", "gen_ai.operation.name"),
    kinds={
        **KINDS,
        "workflow": Kind.STEP,
        "task": Kind.STEP,
        "agent": Kind.AGENT,
        "tool": Kind.TOOL,
    },
    counts=replace(
        COUNTS,
        input=(*COUNTS.input, "llm.usage.prompt_tokens"),
        output=(*COUNTS.output, "llm.usage.completion_tokens"),
        reasoning=(*COUNTS.reasoning, "llm.usage.reasoning_tokens"),
    ),
    titles=("traceloop.entity.name", "gen_ai.agent.name", "gen_ai.tool.name"),
    user=("traceloop.association.properties.user_id", "user.id", "enduser.id"),
    stream=("gen_ai.request.stream", "gen_ai.is_streaming", "llm.is_streaming"),
    states_cache=lambda fields: fields.scope in _STATE_CACHE,
)
