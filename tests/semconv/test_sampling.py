"""What says that a pipeline drops traces: trace states, and samplers that describe themselves."""

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_ON,
    DEFAULT_ON,
    ParentBased,
    Sampler,
    TraceIdRatioBased,
)

import agentmeter as am
from agentmeter.report.report import build
from agentmeter.runtime.observe import fields_of_span
from agentmeter.runtime.state import STATE
from agentmeter.semconv import names
from agentmeter.semconv.fields import SpanFields
from agentmeter.semconv.sampling import is_sampled
from agentmeter.store.reader import Contents
from agentmeter.store.rows import read_fields
from agentmeter.testing import Kept


@pytest.mark.parametrize(
    ("state", "sampled"),
    [
        ("ot=th:8", True),
        ("ot=rv:9b8233f7e3a151;th:c", True),
        ("vendor=1,ot=p:3", True),
        ("ot=th:0", False),
        ("ot=p:0", False),
        ("ot=rv:9b8233f7e3a151", False),
        ("other=th:8", False),
        ("", False),
    ],
)
def test_a_trace_state_says_whether_traces_were_dropped(state: str, sampled: bool) -> None:
    """A threshold or a power of two above zero, among whatever else stands there."""
    fields = SpanFields("s", "a" * 32, "b" * 16, None, 0, 0, {}, trace_state=state)
    assert is_sampled(fields) is sampled


@pytest.mark.parametrize(
    ("sampler", "told"),
    [
        (ALWAYS_ON, False),
        (DEFAULT_ON, False),
        (TraceIdRatioBased(1.0), True),
        (ParentBased(TraceIdRatioBased(0.999999)), True),
    ],
)
def test_a_sampler_that_drops_is_named_on_what_it_keeps(
    meter: Kept, monkeypatch: pytest.MonkeyPatch, sampler: Sampler, told: bool
) -> None:
    """A report over the spans of such an application alone is a lower bound, and says so."""
    exported = InMemorySpanExporter()
    provider = TracerProvider(sampler=sampler)
    provider.add_span_processor(SimpleSpanProcessor(exported))
    monkeypatch.setattr("opentelemetry.trace.get_tracer_provider", lambda: provider)
    monkeypatch.setattr(STATE, "spans", True)
    with am.request(user="u"), am.call(provider="openai", model="gpt-5") as one:
        one.record(am.Usage(input=10))
    spans = exported.get_finished_spans()
    assert len(spans) == 2
    assert [names.SAMPLER in (span.attributes or {}) for span in spans] == [told, told]
    contents = Contents()
    for span in spans:
        contents.take(read_fields(fields_of_span(span), "app"))
    report = build(contents.entries, meter.tariffs, sampled=contents.sampled)
    assert report.is_lower_bound is told
    assert report.to_json()["total"]["sampled_requests"] == int(told)
    assert ("every total is a lower bound" in str(report)) is told
    for entry in meter.entries:  # the same, as they were recorded
        contents.take(read_fields(fields_of_record(entry), "ours"))
    assert contents.sampled == 0


def fields_of_record(entry: am.model.Entry) -> SpanFields:
    from agentmeter.semconv.writing import fields_of

    return fields_of(entry)
