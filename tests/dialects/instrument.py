"""How each instrumentation is switched on, and which clients it covers."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

Provider = Any


def _openinference(provider: Provider, processor: Any) -> set[str]:
    from openinference.instrumentation.anthropic import AnthropicInstrumentor
    from openinference.instrumentation.openai import OpenAIInstrumentor

    OpenAIInstrumentor().instrument(tracer_provider=provider)
    AnthropicInstrumentor().instrument(tracer_provider=provider)
    return {"openai", "anthropic"}


def _official(provider: Provider, processor: Any) -> set[str]:
    from opentelemetry.instrumentation.genai.anthropic import AnthropicInstrumentor
    from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor

    OpenAIInstrumentor().instrument(tracer_provider=provider)
    AnthropicInstrumentor().instrument(tracer_provider=provider)
    return {"openai", "anthropic"}


def _traceloop(provider: Provider, processor: Any) -> set[str]:
    os.environ["TRACELOOP_TRACE_CONTENT"] = "false"
    from opentelemetry.instrumentation.anthropic import AnthropicInstrumentor
    from opentelemetry.instrumentation.openai import OpenAIInstrumentor

    OpenAIInstrumentor().instrument(tracer_provider=provider)
    AnthropicInstrumentor().instrument(tracer_provider=provider)
    return {"openai", "anthropic"}


def _openlit(provider: Provider, processor: Any) -> set[str]:
    import tempfile

    import openlit
    from opentelemetry import trace

    prices = Path(tempfile.mkdtemp()) / "prices.json"
    prices.write_text("{}")
    openlit.init(
        otlp_endpoint="http://127.0.0.1:9",  # nobody listens there
        disable_metrics=True,
        disable_events=True,
        capture_message_content=False,
        pricing_json=str(prices),
    )
    trace.get_tracer_provider().add_span_processor(processor)  # type: ignore[attr-defined]
    return {"openai"}


def _langfuse(provider: Provider, processor: Any) -> set[str]:
    from langfuse import Langfuse
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    Langfuse(
        public_key="pk-test",
        secret_key="sk-test",  # nobody's
        base_url="http://127.0.0.1:9",
        tracer_provider=provider,
        span_exporter=InMemorySpanExporter(),
    )
    import langfuse.openai  # noqa: F401  # replaces the client's methods

    return {"openai"}


def _logfire(provider: Provider, processor: Any) -> set[str]:
    import logfire

    logfire.configure(send_to_logfire=False, console=False, additional_span_processors=[processor])
    logfire.instrument_openai()
    return {"openai"}


def _pydantic_ai(provider: Provider, processor: Any) -> set[str]:
    from pydantic_ai import Agent
    from pydantic_ai.models.instrumented import InstrumentationSettings

    Agent.instrument_all(InstrumentationSettings(tracer_provider=provider))
    return {"pydantic-ai"}


def _strands(provider: Provider, processor: Any) -> set[str]:
    return {"strands"}


def _adk(provider: Provider, processor: Any) -> set[str]:
    return {"adk"}


OWN_PROVIDER = ("logfire", "openlit")
"""Those that set a tracer provider of their own."""

INSTRUMENT: dict[str, Callable[[Provider, Any], set[str]]] = {
    "openinference": _openinference,
    "official": _official,
    "traceloop": _traceloop,
    "openlit": _openlit,
    "langfuse": _langfuse,
    "logfire": _logfire,
    "pydantic-ai": _pydantic_ai,
    "strands": _strands,
    "adk": _adk,
}
