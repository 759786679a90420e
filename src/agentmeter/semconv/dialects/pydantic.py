"""Logfire and pydantic-ai: the conventions on calls, sums on agent runs.

An agent run states ``gen_ai.aggregated_usage.*`` (older versions ``gen_ai.usage.*``) over the calls
in it, and ``operation.cost``, which is a float and so only kept as text. Logfire 5 states no cache
counts but the provider's own usage object; of a stream it writes a span when it is opened and a log
with the usage when it has ended, which are two observations of one call.
"""

from dataclasses import replace

from agentmeter.model import Kind, Record
from agentmeter.semconv.dialects.dialect import Attributes, Counts, Dialect, Names
from agentmeter.semconv.dialects.otel import COUNTS, KINDS, OTEL
from agentmeter.semconv.fields import SpanFields


def _and_aggregated(among: Names) -> Names:
    aggregated = [name.replace("gen_ai.usage.", "gen_ai.aggregated_usage.") for name in among]
    return (*among, *(name for name in aggregated if name not in among))


_COUNTS = Counts(
    **{name: _and_aggregated(getattr(COUNTS, name)) for name in COUNTS.__dataclass_fields__}
)


def _recognises(fields: SpanFields) -> bool:
    return fields.scope.startswith(("logfire", "pydantic-ai")) and any(
        name.startswith("gen_ai.") for name in fields.attributes
    )


def _stream_log(record: Record, attributes: Attributes) -> Record:
    if attributes.get("logfire.span_type") != "log":
        return record
    if record.call is None or not record.call.usage:
        return replace(record, kind=Kind.LINK, call=None)
    return replace(record, observer=f"{record.observer} log")


PYDANTIC: Dialect = replace(
    OTEL,
    name="pydantic-ai",
    recognises=_recognises,
    counts=_COUNTS,
    kinds={**KINDS, "running agent": Kind.AGENT},
    raw_usage="gen_ai.usage.raw",
    adjust=_stream_log,
    titles=("gen_ai.agent.name", "agent_name", "gen_ai.tool.name"),
)
