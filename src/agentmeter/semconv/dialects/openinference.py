"""OpenInference (Arize Phoenix): ``llm.token_count.*`` under ``openinference.span.kind``.

Counts include cached tokens; names from openinference-semantic-conventions.
"""

from agentmeter.model import Kind
from agentmeter.semconv.dialects.dialect import Counts, Dialect

OPENINFERENCE = Dialect(
    name="openinference",
    recognises=lambda fields: "openinference.span.kind" in fields.attributes,
    kind_names=("openinference.span.kind",),
    kinds={
        "llm": Kind.CALL,
        "embedding": Kind.CALL,
        "reranker": Kind.CALL,
        "agent": Kind.AGENT,
        "tool": Kind.TOOL,
        "chain": Kind.STEP,
        "retriever": Kind.STEP,
        "guardrail": Kind.STEP,
        "evaluator": Kind.STEP,
    },
    counts=Counts(
        input=("llm.token_count.prompt",),
        output=("llm.token_count.completion",),
        cache_read=("llm.token_count.prompt_details.cache_read",),
        cache_write=("llm.token_count.prompt_details.cache_write",),
        reasoning=("llm.token_count.completion_details.reasoning",),
        input_audio=("llm.token_count.prompt_details.audio",),
        output_audio=("llm.token_count.completion_details.audio",),
    ),
    provider=("llm.provider", "llm.system", "gen_ai.provider.name", "gen_ai.system"),
    request_model=("llm.model_name", "embedding.model_name", "reranker.model_name"),
    response_model=(),
    response_id=("llm.response.id", "gen_ai.response.id"),
    titles=("agent.name", "tool.name", "graph.node.name"),
    user=("user.id",),
)
