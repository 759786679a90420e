"""Other instrumentations beside ours, for real: stamped, read, and counted once."""

from collections.abc import Iterator
from decimal import Decimal

import openai
import pytest
from openinference.instrumentation.openai import OpenAIInstrumentor as OpenInference
from opentelemetry import trace
from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor as Official
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import agentmeter as am
from agentmeter.runtime.faults import FAULTS
from agentmeter.testing import Kept, ModelServer, Reply, metered

SAID = [{"role": "user", "content": "hello"}]
CACHED = Reply(input=1200, cached=1000, output=60, reasoning=16)


@pytest.fixture
def exported() -> Iterator[InMemorySpanExporter]:
    """A tracer provider of its own, and the spans that it exports."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    before, trace._TRACER_PROVIDER = trace._TRACER_PROVIDER, provider
    try:
        yield exporter
    finally:
        trace._TRACER_PROVIDER = before


@pytest.fixture
def meter(exported: InMemorySpanExporter) -> Iterator[Kept]:
    """A meter whose spans are on, with a real clock so that times are comparable."""
    with metered(spans=True, fixed=False) as kept:
        yield kept
        assert FAULTS.counts() == {}


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer(default=CACHED) as running:
        yield running


def client(server: ModelServer) -> openai.OpenAI:
    return openai.OpenAI(base_url=server.base_url, api_key="test", max_retries=0)


@pytest.fixture(params=["ours first", "ours last", "without ours"])
def instrumented(request: pytest.FixtureRequest, exported: InMemorySpanExporter) -> Iterator[str]:
    """Two other instrumentations and ours, in either order, and the two alone."""
    provider = trace.get_tracer_provider()
    others = (Official(), OpenInference())
    if request.param == "ours first":
        am.instrument("openai")
    for other in others:
        other.instrument(tracer_provider=provider)
    if request.param == "ours last":
        am.instrument("openai")
    yield request.param
    am.uninstrument("openai")
    for other in reversed(others):
        other.uninstrument()


def ask(server: ModelServer, *, stream: bool = False) -> None:
    options = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
    answer = client(server).chat.completions.create(model="gpt-5", messages=SAID, **options)
    if stream:
        for _ in answer:
            pass


@pytest.mark.parametrize("stream", [False, True])
def test_one_call_seen_by_three_counts_once(
    meter: Kept, server: ModelServer, instrumented: str, stream: bool
) -> None:
    """Live and from what was written, a call is one call with the usage that was billed."""
    with am.request(user="u") as request, am.agent("planner"):
        ask(server, stream=stream)
        ask(server, stream=stream)
    for report in (request.report(), meter.report()):
        (one,) = report.requests
        assert one.calls == 2, str(report)
        assert one.usage.total_tokens == 2520
        assert one.usage["cache_read"] == 2000
        assert one.missing == ()
        assert one.amounts["USD"] == Decimal("0.00195")
        assert report.unattributed is None


def test_the_report_says_who_saw_a_call(
    meter: Kept, server: ModelServer, instrumented: str
) -> None:
    """The observers that were merged are named with the call."""
    with am.request(user="u") as request:
        ask(server)
    (call,) = request.report().requests[0].tree.children
    others = {"openinference.instrumentation.openai", "opentelemetry.instrumentation.genai.openai"}
    ours = set() if instrumented == "without ours" else {"agentmeter"}
    assert set(call.node.seen_by) == others | ours
    assert call.node.only_observed == (instrumented == "without ours")


def test_a_refused_call_and_a_closed_stream_count_once(
    meter: Kept, server: ModelServer, instrumented: str
) -> None:
    """A failure seen by three is one call, and a stream closed early is unknown or counted once."""
    server.script(Reply(status=400), Reply(text="one two three", input=12, output=3))
    with am.request(user="u") as request:
        with pytest.raises(openai.BadRequestError):
            ask(server)
        stream = client(server).chat.completions.create(model="gpt-5", messages=SAID, stream=True)
        next(iter(stream))
        stream.close()
    (one,) = request.report().requests
    assert one.calls == 2, str(request.report())
    if instrumented != "without ours":
        assert "unknown" not in one.evidence


def test_one_span_alone_carries_the_usage_of_a_call(
    meter: Kept, server: ModelServer, instrumented: str, exported: InMemorySpanExporter
) -> None:
    """Ours does not repeat the conventions' usage beside a span of another that has it."""
    with am.request(user="u"):
        ask(server)
    telling = [
        span
        for span in exported.get_finished_spans()
        if "gen_ai.usage.input_tokens" in (span.attributes or {})
    ]
    assert len(telling) == 1
    assert all(
        "agentmeter.request.id" in (s.attributes or {}) for s in exported.get_finished_spans()
    )


def test_calls_outside_of_any_request_are_unattributed_once(
    meter: Kept, server: ModelServer, instrumented: str
) -> None:
    """Without a request the call is one unattributed call, whoever saw it."""
    with am.request():
        pass  # the provider is watched from the first scope on
    ask(server)
    unattributed = meter.report().unattributed
    assert unattributed is not None
    assert unattributed.calls == 1
    assert unattributed.usage.total_tokens == 1260
