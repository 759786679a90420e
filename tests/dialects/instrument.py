"""How each instrumentation is switched on, and which clients it covers."""

import os
from collections.abc import Callable
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
    import openlit

    openlit.init(disable_metrics=True, capture_message_content=False)
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


OWN_PROVIDER = ("logfire",)
"""Those that set a tracer provider of their own."""

INSTRUMENT: dict[str, Callable[[Provider, Any], set[str]]] = {
    "openinference": _openinference,
    "official": _official,
    "traceloop": _traceloop,
    "openlit": _openlit,
    "logfire": _logfire,
    "pydantic-ai": _pydantic_ai,
    "strands": _strands,
    "adk": _adk,
}
