"""Record what an instrumentation emits: ``python -m tests.dialects.record NAME > FILE``.

Runs the real client libraries against the scripted server with the named instrumentation on, and
prints every span as one OTLP JSON line, and what was billed for each scenario.
"""

import sys
from collections.abc import Callable
from typing import Any

import orjson
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from agentmeter.runtime.observe import fields_of_span
from agentmeter.semconv.otlp import span_json
from agentmeter.testing import ModelServer, Reply
from tests.dialects.instrument import INSTRUMENT, OWN_PROVIDER
from tests.dialects.scenarios import SCENARIOS


def recorded(name: str) -> list[dict[str, Any]]:
    """One entry for each scenario: its spans as OTLP JSON, and the truth."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    processor = SimpleSpanProcessor(exporter)
    provider.add_span_processor(processor)
    if name not in OWN_PROVIDER:
        trace.set_tracer_provider(provider)
    clients = INSTRUMENT[name](provider, processor)
    entries = []
    for scenario, (client, replies, run) in SCENARIOS.items():
        if client in clients:
            exporter.clear()
            entries.append(_entry(scenario, replies, run, exporter))
    return entries


def _entry(
    scenario: str,
    replies: tuple[Reply, ...],
    run: Callable[[ModelServer], None],
    exporter: InMemorySpanExporter,
) -> dict[str, Any]:
    with ModelServer(*replies) as server:
        run(server)
        billed = server.billed()
    spans = []
    for span in exporter.get_finished_spans():
        fields = fields_of_span(span)
        status = {"code": 2} if fields.failed else {}
        spans.append({"scope": fields.scope, "span": {**span_json(fields), "status": status}})
    truth = {name: getattr(billed, name) for name in billed.__dataclass_fields__}
    return {"scenario": scenario, "billed": truth, "spans": spans}


if __name__ == "__main__":
    for one in recorded(sys.argv[1]):
        sys.stdout.write(orjson.dumps(one).decode() + "\n")
