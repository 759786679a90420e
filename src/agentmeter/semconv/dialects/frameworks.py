"""Agent frameworks that write the conventions by themselves: Google ADK, Strands, agent-framework.

They put usage on agent spans as well as on the calls below them; what such a span reports beyond
its calls shows as a residual. Their zeros are left out, and cached tokens are stated where there
are any.
"""

from dataclasses import replace

from agentmeter.model import Kind
from agentmeter.semconv.dialects.dialect import Dialect
from agentmeter.semconv.dialects.otel import COUNTS, KINDS, OTEL
from agentmeter.semconv.fields import SpanFields

_SCOPES = (
    "gcp.vertex.agent",
    "strands",
    "agent_framework",
    "opentelemetry.instrumentation.strands",
)


def _recognises(fields: SpanFields) -> bool:
    genai = any(name.startswith("gen_ai.") for name in fields.attributes)
    return genai and fields.scope.startswith(_SCOPES)


FRAMEWORKS: Dialect = replace(
    OTEL,
    name="framework",
    recognises=_recognises,
    kinds={
        **KINDS,
        "call_llm": Kind.CALL,
        "invoke_model": Kind.CALL,
        "execute_event_loop_cycle": Kind.STEP,
        "invoke_swarm": Kind.AGENT,
        "invoke_graph": Kind.AGENT,
    },
    counts=replace(
        COUNTS,
        reasoning=(*COUNTS.reasoning, "gen_ai.usage.experimental.reasoning_tokens"),
        cache_read=(*COUNTS.cache_read, "gen_ai.usage.cached_content_tokens"),
    ),
    states_cache=lambda fields: True,
)
