"""What a request used, by agentmeter and by the spans of other instrumentations, from one run.

Runs each scenario on the real ``openai`` client against the scripted model server: with agentmeter,
with each other instrumentation alone, and with both of those at once. Writes the table of
``docs/scenarios.md``; the last column of each is compared with what the server billed.

    python benchmarks/scenarios.py > docs/scenarios.md
"""

import contextlib
import importlib.metadata
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
from openinference.instrumentation.openai import OpenAIInstrumentor as OpenInference
from opentelemetry import trace
from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor as Official
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import agentmeter as am
from agentmeter.report.report import RequestReport
from agentmeter.testing import ModelServer, Reply, metered

SAID: Any = [{"role": "user", "content": "hello"}]
USED = Reply(text="one two three four five", input=8, output=5)
INPUT = ("gen_ai.usage.input_tokens", "llm.token_count.prompt")
OUTPUT = ("gen_ai.usage.output_tokens", "llm.token_count.completion")

HEAD = """# What a request used: agentmeter, and the spans of other instrumentations

One run of `benchmarks/scenarios.py` on the real client against the scripted model server:
{}.

Tokens are input and output together. The figure of another instrumentation is the sum of the usage
attributes on the spans of the request's own trace, and in brackets that over all spans. *Beside
both* is agentmeter with both others switched on as well.

| scenario | billed | agentmeter | beside both | openinference | otel genai | both of those |
|---|---|---|---|---|---|---|"""

Ask = Callable[..., Any]


def plain(ask: Ask) -> None:
    ask()


def cut_stream(ask: Ask) -> None:
    stream = ask(stream=True)
    for _ in zip(range(3), stream, strict=False):
        pass
    stream.close()


def stream_without_usage(ask: Ask) -> None:
    for _ in ask(stream=True):
        pass


def thread_pool(ask: Ask) -> None:
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: ask(), range(3)))


def late_work(ask: Ask) -> Callable[[], None]:
    go = threading.Event()
    thread = threading.Thread(target=lambda: (go.wait(5), ask()))
    thread.start()

    def finish() -> None:
        go.set()
        thread.join()

    return finish


def parent_totals(ask: Ask) -> None:
    """A framework's agent span that repeats the sum of its two calls."""
    with trace.get_tracer("framework").start_as_current_span("invoke_agent planner") as span:
        ask()
        ask()
        span.set_attribute("gen_ai.operation.name", "invoke_agent")
        span.set_attribute("gen_ai.usage.input_tokens", 2 * USED.input)
        span.set_attribute("gen_ai.usage.output_tokens", 2 * USED.output)


SCENARIOS: dict[str, tuple[tuple[Reply, ...], Callable[[Ask], Any]]] = {
    "one call": ((), plain),
    "a retried call (500, then an answer)": ((Reply(status=500),), plain),
    "a stream closed after three chunks": ((), cut_stream),
    "a stream that was not asked for usage": ((), stream_without_usage),
    "three calls in a thread pool": ((), thread_pool),
    "a call after the request has ended": ((), late_work),
    "two calls under an agent span with their sum": ((), parent_totals),
}


def main() -> None:
    print(HEAD.format(versions()))
    for name, (replies, run) in SCENARIOS.items():
        billed, ours = with_agentmeter(replies, run)
        _, beside = with_agentmeter(replies, run, OpenInference, Official)
        others = [
            with_others(replies, run, which)
            for which in ((OpenInference,), (Official,), (OpenInference, Official))
        ]
        print(f"| {name} | {billed} | {ours} | {beside} | {' | '.join(others)} |")


def versions() -> str:
    names = (
        "openai",
        "openinference-instrumentation-openai",
        "opentelemetry-instrumentation-genai-openai",
    )
    return ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)


@contextlib.contextmanager
def serving(replies: tuple[Reply, ...]) -> Iterator[tuple[ModelServer, Ask]]:
    with ModelServer(*replies, default=USED) as server:
        client = openai.OpenAI(base_url=server.base_url, api_key="test")

        def ask(**more: Any) -> Any:
            return client.chat.completions.create(model="gpt-5", messages=SAID, **more)

        yield server, ask


def with_agentmeter(
    replies: tuple[Reply, ...], run: Callable[[Ask], Any], *others: type[Any]
) -> tuple[str, str]:
    provider = TracerProvider()
    trace._TRACER_PROVIDER = provider
    with serving(replies) as (server, ask), metered(fixed=False, spans=True):
        am.instrument("openai", "concurrency")
        on = [instrumentor() for instrumentor in others]
        for one in on:
            one.instrument(tracer_provider=provider)
        with am.request(user="u") as request:
            finish = run(ask)
        if finish is not None:
            finish()
        for one in reversed(on):
            one.uninstrument()
        am.uninstrument()
        (report,) = request.report().requests
        billed = server.billed()
    return f"{billed.input + billed.output}", told(report)


def told(one: RequestReport) -> str:
    """The figure as the report has it, with what it says of it."""
    notes = [f"{n} {kind.replace('_', ' ')}" for kind, n in one.evidence.items()]
    if one.attempts > one.calls:
        notes.append(f"{one.attempts} attempts")
    if any(call.record.late for call in one.tree.children):
        notes.append("late")
    return f"{one.usage.total_tokens} ({', '.join(notes)})"


def with_others(
    replies: tuple[Reply, ...], run: Callable[[Ask], Any], which: tuple[type[Any], ...]
) -> str:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace._TRACER_PROVIDER = provider
    on = [instrumentor() for instrumentor in which]
    for one in on:
        one.instrument(tracer_provider=provider)
    with serving(replies) as (_, ask):
        with provider.get_tracer("app").start_as_current_span("request") as root:
            finish = run(ask)
        if finish is not None:
            finish()
    for one in reversed(on):
        one.uninstrument()
    spans = exporter.get_finished_spans()
    own = [span for span in spans if span.context.trace_id == root.get_span_context().trace_id]
    return f"{tokens(own)} ({tokens(spans)})"


def tokens(spans: Any) -> int:
    return sum(count(span, INPUT) + count(span, OUTPUT) for span in spans)


def count(span: ReadableSpan, among: tuple[str, ...]) -> int:
    attributes = span.attributes or {}
    return next((int(str(attributes[name])) for name in among if name in attributes), 0)


if __name__ == "__main__":
    main()
