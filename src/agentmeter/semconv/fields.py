"""A span as every carrier has it: OTLP, the SDK and a store."""

from collections.abc import Mapping
from dataclasses import dataclass

from agentmeter.model.filled import filled_at_once

Value = str | int | bool | float | tuple[str, ...]
Attributes = dict[str, Value]


@filled_at_once
@dataclass(frozen=True, slots=True)
class SpanFields:
    """A span as every carrier has it. Instants in nanoseconds since the epoch, ids in hex.

    ``scope`` is the instrumentation scope's name; ``failed`` whether its status is an error;
    ``trace_state`` as W3C has it, and samplers write into it.
    """

    name: str
    trace_id: str
    span_id: str
    parent_span_id: str | None
    started_ns: int
    ended_ns: int
    attributes: Mapping[str, Value]
    scope: str = "agentmeter"
    failed: bool = False
    trace_state: str = ""
