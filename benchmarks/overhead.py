"""Added microseconds per call on the real openai client with a mock transport.

Three variants in turn, in blocks, in one run: the bare client, the client inside one hand-made
OpenTelemetry span of 15 attributes, and the client metered with everything on (spans, journal,
live price). Prints the median of the paired block differences and the ratio of the two.

    python benchmarks/overhead.py [BLOCKS]
"""

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable

import httpx2
import openai
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

import agentmeter as am

BODY = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-5",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}
    ],
    "usage": {
        "prompt_tokens": 1200,
        "completion_tokens": 60,
        "total_tokens": 1260,
        "prompt_tokens_details": {"cached_tokens": 1000},
        "completion_tokens_details": {"reasoning_tokens": 16},
    },
}
BLOCK = 50


class Nowhere(SpanExporter):
    """Takes spans and drops them."""

    def export(self, spans: object) -> SpanExportResult:
        return SpanExportResult.SUCCESS


def exporting() -> TracerProvider:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(Nowhere()))
    return provider


def main() -> None:
    blocks = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    trace.set_tracer_provider(exporting())
    tracer = exporting().get_tracer("bench")  # a provider that agentmeter does not watch
    content = json.dumps(BODY).encode()
    headers = {"content-type": "application/json"}
    transport = httpx2.MockTransport(
        lambda _: httpx2.Response(200, headers=headers, content=content)
    )
    client = openai.OpenAI(api_key="x", http_client=httpx2.Client(transport=transport))
    messages = [{"role": "user", "content": "hello"}]

    def call() -> None:
        client.chat.completions.create(model="gpt-5", messages=messages)  # type: ignore[arg-type]

    attributes = {f"gen_ai.attribute.{number}": f"value {number}" for number in range(15)}

    def spanned() -> None:
        with tracer.start_as_current_span("chat gpt-5") as span:
            call()
            span.set_attributes(attributes)

    with tempfile.TemporaryDirectory() as folder:
        am.configure(directory=folder)
        measure(blocks, call, spanned)
        am.flush()


def measure(blocks: int, call: Callable[[], None], spanned: Callable[[], None]) -> None:
    span_added, meter_added, base = [], [], []
    for number in range(blocks + 4):
        bare = block(call)
        span = block(spanned)
        am.instrument("openai")
        with am.request(user="u"):
            metered = block(call)
        am.uninstrument("openai")
        if number >= 4:
            base.append(bare)
            span_added.append(span - bare)
            meter_added.append(metered - bare)
    span_us, meter_us = statistics.median(span_added), statistics.median(meter_added)
    print(f"bare client          {statistics.median(base):8.1f} us a call")
    print(f"one span of 15       {span_us:+8.1f} us  quartiles {quartiles(span_added)}")
    print(f"agentmeter, all on   {meter_us:+8.1f} us  quartiles {quartiles(meter_added)}")
    print(f"ratio                {meter_us / span_us:8.2f}")


def quartiles(values: list[float]) -> str:
    low, _, high = statistics.quantiles(values, n=4)
    return f"{low:.1f} to {high:.1f}"


def block(call: Callable[[], None]) -> float:
    start = time.perf_counter()
    for _ in range(BLOCK):
        call()
    return (time.perf_counter() - start) / BLOCK * 1e6


if __name__ == "__main__":
    main()
