"""One contender of ``overhead.py``, in an environment of its own: the same openai calls against one
server, bare or with one instrumentation on, in blocks that the parent asks for.

Reads a line ``plain 50`` or ``stream 50`` and answers with a line of JSON: the CPU nanoseconds that
the block took on the caller's thread, and in the whole process until all was handed on.

    python benchmarks/overhead_peers.py NAME bare|metered BASE_URL
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

NOBODY = "http://127.0.0.1:9"
"""Nobody listens there."""
ASKED: Any = {"model": "gpt-5", "messages": [{"role": "user", "content": "hello"}]}
STREAMED: Any = {"stream": True, "stream_options": {"include_usage": True}}

Create = Callable[..., Any]


class Nowhere(SpanExporter):
    """Takes spans, counts and drops them."""

    taken = 0

    def export(self, spans: Any) -> SpanExportResult:
        Nowhere.taken += len(spans)
        return SpanExportResult.SUCCESS


class Contender(NamedTuple):
    """What makes a call, what hands on what it left, and what is around a block of calls."""

    create: Create
    flush: Callable[[], object]
    around: Callable[[], AbstractContextManager[object]] = nullcontext


def provided() -> TracerProvider:
    """The process's provider, with the SDK's batch processor."""
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Nowhere()))
    trace.set_tracer_provider(provider)
    return provider


def openai_client(base_url: str) -> Create:
    import openai

    return openai.OpenAI(api_key="x", base_url=base_url, max_retries=0).chat.completions.create


def span(base_url: str, provider: TracerProvider) -> Contender:
    """The floor: one span by hand with 15 attributes."""
    tracer, create = provider.get_tracer("bench"), openai_client(base_url)
    attributes = {f"gen_ai.attribute.{number}": f"value {number}" for number in range(15)}

    def spanned(**asked: Any) -> Any:
        with tracer.start_as_current_span("chat gpt-5") as one:
            answer = create(**asked)
            answer = list(answer) if "stream" in asked else answer
            one.set_attributes(attributes)
            return answer

    return Contender(spanned, provider.force_flush)


def agentmeter(base_url: str, provider: TracerProvider, **settings: Any) -> Contender:
    import agentmeter as am

    am.configure(directory=tempfile.mkdtemp(), **settings)
    am.instrument("openai")

    def flush() -> None:
        am.flush()
        provider.force_flush()

    return Contender(openai_client(base_url), flush, lambda: am.request(user="u"))


def without_provenance(base_url: str, provider: TracerProvider) -> Contender:
    return agentmeter(base_url, provider, provenance=False)


def openinference(base_url: str, provider: TracerProvider) -> Contender:
    from openinference.instrumentation.openai import OpenAIInstrumentor

    OpenAIInstrumentor().instrument(tracer_provider=provider)
    return Contender(openai_client(base_url), provider.force_flush)


def traceloop(base_url: str, provider: TracerProvider) -> Contender:
    from opentelemetry.instrumentation.openai import OpenAIInstrumentor

    OpenAIInstrumentor().instrument(tracer_provider=provider)
    return Contender(openai_client(base_url), provider.force_flush)


def langfuse(base_url: str, provider: TracerProvider) -> Contender:
    from langfuse import Langfuse

    keys = {"public_key": "pk-test", "secret_key": "sk-test"}  # nobody's
    own = TracerProvider()  # to which it adds a batch processor itself
    Langfuse(**keys, base_url=NOBODY, tracer_provider=own, span_exporter=Nowhere())
    import langfuse.openai  # noqa: F401  # replaces the client's methods

    return Contender(openai_client(base_url), own.force_flush)


def logfire(base_url: str, provider: TracerProvider) -> Contender:
    import logfire

    processor = BatchSpanProcessor(Nowhere())
    logfire.configure(send_to_logfire=False, console=False, additional_span_processors=[processor])
    logfire.instrument_openai()
    return Contender(openai_client(base_url), processor.force_flush)


def openlit(base_url: str, provider: TracerProvider) -> Contender:
    import openlit

    with tempfile.NamedTemporaryFile("w", suffix=".json", delete=False) as prices:
        prices.write("{}")
    openlit.init(
        otlp_endpoint=NOBODY,
        disable_metrics=True,
        disable_events=True,
        pricing_json=prices.name,
    )
    return Contender(openai_client(base_url), provider.force_flush)


def litellm(base_url: str, provider: TracerProvider) -> Contender:
    """The callback for OpenTelemetry of litellm, on its own call."""
    import litellm
    from litellm.integrations.opentelemetry import OpenTelemetry, OpenTelemetryConfig

    litellm.callbacks = [OpenTelemetry(OpenTelemetryConfig(exporter=Nowhere()))]
    return Contender(litellm_client(base_url), provider.force_flush)


def litellm_client(base_url: str) -> Create:
    import litellm

    def create(**asked: Any) -> Any:
        return litellm.completion(custom_llm_provider="openai", api_base=base_url, **asked)

    return create


PEERS = {
    "one span of 15": span,
    "agentmeter": agentmeter,
    "agentmeter, provenance off": without_provenance,
    "openinference": openinference,
    "langfuse": langfuse,
    "traceloop": traceloop,
    "logfire": logfire,
    "openlit": openlit,
    "litellm": litellm,
}


def bare(name: str, base_url: str) -> Contender:
    client = litellm_client if name == "litellm" else openai_client
    return Contender(client(base_url), lambda: None)


def block(contender: Contender, way: str, calls: int) -> dict[str, int]:
    create, asked = contender.create, {**ASKED, **STREAMED} if way == "stream" else ASKED
    process, thread = time.process_time_ns(), time.thread_time_ns()
    with contender.around():
        for _ in range(calls):
            answer = create(**asked)
            if way == "stream":
                for _ in answer:
                    pass
    caller = time.thread_time_ns() - thread
    contender.flush()
    return {
        "caller": caller // calls,
        "process": (time.process_time_ns() - process) // calls,
        "spans": Nowhere.taken,
    }


def main() -> None:
    name, mode, base_url = sys.argv[1:]
    os.environ.update(
        OPENAI_API_KEY="x", LITELLM_LOCAL_MODEL_COST_MAP="True", OTEL_TRACES_EXPORTER="none"
    )
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what peers print is no answer
    contender = bare(name, base_url) if mode == "bare" else PEERS[name](base_url, provided())
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        way, calls = line.split()
        print(json.dumps(block(contender, way, int(calls))), file=answers, flush=True)


if __name__ == "__main__":
    main()
