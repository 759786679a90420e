"""Spans: the conventions' names on leaves, the request on every span, and records out of them."""

from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import format_span_id, format_trace_id

import agentmeter as am
from agentmeter.model import Record
from agentmeter.runtime import spans
from agentmeter.runtime.faults import FAULTS
from agentmeter.semconv.fields import SpanFields
from agentmeter.semconv.reading import entry_of
from agentmeter.testing import Kept, metered


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Kept, InMemorySpanExporter]]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    monkeypatch.setattr(spans, "_current", None)
    with metered(spans=True) as kept:
        yield kept, exporter


def work() -> None:
    with am.request("ask", user="u", tenant="acme"), am.agent("planner"):
        with am.call(provider="openai", model="gpt-5") as call:
            call.record(am.Usage(input=200, cache_read=1000, output=44, reasoning=16))
        am.charge("search", usd="0.005")


def test_records_come_back_out_of_spans(traced: tuple[Kept, InMemorySpanExporter]) -> None:
    """Every record is found again in its SDK span, the same value."""
    kept, exporter = traced
    work()
    found = [
        entry_of(
            SpanFields(
                span.name,
                format_trace_id(span.context.trace_id),
                format_span_id(span.context.span_id),
                format_span_id(span.parent.span_id) if span.parent else None,
                span.start_time,
                span.end_time,
                dict(span.attributes),
            )
        )
        for span in exporter.get_finished_spans()
    ]
    assert found == kept.records


def test_leaves_carry_usage_and_cost_and_parents_do_not(
    traced: tuple[Kept, InMemorySpanExporter],
) -> None:
    """Conventional, inclusive counts and the cost stand on the leaf alone."""
    _, exporter = traced
    work()
    by_name = {span.name: span for span in exporter.get_finished_spans()}
    leaf = by_name["chat gpt-5"].attributes
    assert leaf is not None
    assert leaf["gen_ai.usage.input_tokens"] == 1200
    assert leaf["gen_ai.usage.cache_read.input_tokens"] == 1000
    assert leaf["gen_ai.usage.output_tokens"] == 60
    assert leaf["gen_ai.usage.cost.amount"] == "0.000975"
    parents = [by_name["ask"].attributes, by_name["invoke_agent planner"].attributes]
    assert not [name for one in parents for name in one or () if name.startswith("gen_ai.usage")]


def test_foreign_spans_are_stamped(traced: tuple[Kept, InMemorySpanExporter]) -> None:
    """A span of another library inside a request carries the request's id and owner."""
    _, exporter = traced
    with am.request(user="u") as request:
        with trace.get_tracer_provider().get_tracer("other").start_as_current_span("GET /"):
            pass
        identity = request.id
    attributes = exporter.get_finished_spans()[0].attributes
    assert attributes is not None
    assert attributes["agentmeter.request.id"] == identity
    assert attributes["agentmeter.owner.user"] == "u"


def test_sampling_and_absence_do_not_touch_records(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sampled out, or without an SDK, the records carry the same usage, tree and owner."""
    seen = []
    for provider in (TracerProvider(sampler=ALWAYS_OFF), trace.NoOpTracerProvider()):
        monkeypatch.setattr(trace, "get_tracer_provider", lambda found=provider: found)
        monkeypatch.setattr(spans, "_current", None)
        with metered(spans=True) as kept:
            work()
        seen.append(
            [(r.kind, r.name, r.owner, r.call, r.scope_id, r.parent_id) for r in kept.records]
        )
        assert all(isinstance(r, Record) and len(r.span_id) == 16 for r in kept.records)
    shape = [(kind, name, owner) for kind, name, owner, *_ in seen[0]]
    assert shape == [(kind, name, owner) for kind, name, owner, *_ in seen[1]]
    assert [one[3] for one in seen[0]] == [one[3] for one in seen[1]]


@pytest.mark.parametrize("method", ["on_start", "on_end"])
def test_a_span_processor_that_fails_costs_no_record(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Records have ids and their usage, whatever the application has added to its provider."""

    class Failing(SpanProcessor):
        pass

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(method)

    setattr(Failing, method, fail)
    provider = TracerProvider()
    provider.add_span_processor(Failing())
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    monkeypatch.setattr(spans, "_current", None)
    with metered(spans=True) as kept:
        work()
        (one,) = kept.report().requests
        assert one.usage.total_tokens == 1260
        assert [record.kind for record in kept.records] == ["call", "call", "agent", "request"]
        assert all(len(r.trace_id) == 32 and len(r.span_id) == 16 for r in kept.records)
        assert FAULTS.counts() == {f"span.{method[3:]}: RuntimeError": 4}


def test_what_the_sdks_limits_drop_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A span that may hold four attributes drops the rest, which is counted; the record is whole."""
    provider = TracerProvider(span_limits=SpanLimits(max_span_attributes=4))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    monkeypatch.setattr(spans, "_current", None)
    with metered(spans=True) as kept:
        with am.request("ask", user="u"), am.call(provider="openai", model="gpt-5") as call:
            call.record(am.Usage(input=7))
        faults = FAULTS.counts()
        FAULTS.clear()
    assert list(faults) == ["span attributes dropped by the limits of the SDK"]
    assert kept.report().requests[0].usage == {"input": 7}
