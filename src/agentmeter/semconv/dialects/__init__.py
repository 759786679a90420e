"""Spans of other instrumentations, one module for each dialect.

Every span becomes a record with an ``observer``: calls with their usage in disjoint meters, agents
and tools, and for all else a link that only ties others together.
"""

from agentmeter.model import Kind, Record
from agentmeter.semconv.dialects.dialect import Dialect, read, record_of
from agentmeter.semconv.dialects.frameworks import FRAMEWORKS
from agentmeter.semconv.dialects.langfuse import LANGFUSE
from agentmeter.semconv.dialects.openinference import OPENINFERENCE
from agentmeter.semconv.dialects.openlit import OPENLIT
from agentmeter.semconv.dialects.otel import OTEL
from agentmeter.semconv.dialects.pydantic import PYDANTIC
from agentmeter.semconv.dialects.traceloop import TRACELOOP
from agentmeter.semconv.fields import SpanFields

DIALECTS: tuple[Dialect, ...] = (
    OPENINFERENCE,
    LANGFUSE,
    OPENLIT,
    TRACELOOP,
    PYDANTIC,
    FRAMEWORKS,
    OTEL,
)
"""In the order in which they are asked; the plain conventions come last."""

PREFIXES = ("gen_ai.", "openinference.", "langfuse.observation.", "llm.", "traceloop.")
"""What at least one attribute of every GenAI span begins with."""


def observed(fields: SpanFields) -> tuple[Record, tuple[str, ...]]:
    """What a span of another instrumentation says, and what of it could not be read."""
    for dialect in DIALECTS:
        if dialect.recognises(fields):
            return read(dialect, fields)
    return record_of(fields, Kind.LINK, None, name=fields.name), ()
