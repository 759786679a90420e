"""The tracing processor: the spans of openai-agents as scopes, its model spans as reported calls.

``turn`` and ``task`` spans repeat the usage of the calls below them; it is not read there.
"""

from collections.abc import Callable
from typing import Any

from agents.tracing import Span, Trace, TracingProcessor

from agentmeter.integration import (
    AgentScope,
    Call,
    ReportedCall,
    Runs,
    Scope,
    Status,
    StepScope,
    ToolScope,
    counted,
    facts_of,
    guarded,
)

_OBSERVER = "agentmeter.openai-agents"
_MODELS = {"generation": "chat", "response": "chat"}

_SCOPES: dict[str, Callable[[Any], Scope]] = {
    "agent": lambda data: AgentScope(data.name),
    "function": lambda data: ToolScope(data.name),
    "turn": lambda data: StepScope(f"turn {data.turn}", {"agents.turn": str(data.turn)}),
    "handoff": lambda data: StepScope("handoff"),
    "guardrail": lambda data: StepScope(data.name),
    "custom": lambda data: StepScope(data.name),
    "mcp_tools": lambda data: StepScope(data.server or "mcp tools"),
}


class Processor(TracingProcessor):  # type: ignore[misc]  # its library may not be here
    """Called where the work is, before and after it."""

    def __init__(self) -> None:
        self.runs = Runs()
        self._calls: dict[str, ReportedCall] = {}

    def on_span_start(self, span: Span[Any]) -> None:
        """Something begins."""
        data = span.span_data
        with guarded("openai-agents span"):
            if data.type in _MODELS:
                self._ask(span)
            elif data.type in _SCOPES:
                scope = _SCOPES[data.type](data)
                self.runs.begin(span.span_id, scope, span.parent_id, current=True)
            else:
                self.runs.pass_over(span.span_id, span.parent_id)

    def on_span_end(self, span: Span[Any]) -> None:
        """It is over."""
        call = self._calls.pop(span.span_id, None)
        with guarded("openai-agents span"):
            if call is not None:
                call.ended(_facts(span.span_data), status=_status(span))
                return
            scope, data = self.runs.own(span.span_id), span.span_data
            if scope is not None and data.type == "handoff" and data.to_agent:
                scope.given_name = f"handoff to {data.to_agent}"
            self.runs.end(span.span_id, status=_status(span))

    def _ask(self, span: Span[Any]) -> None:
        call = ReportedCall(
            _OBSERVER,
            self.runs.place(span.parent_id),
            model=getattr(span.span_data, "model", None),
            provider="openai" if span.span_data.type == "response" else None,
            operation=_MODELS[span.span_data.type],
        )
        call.asks()
        self._calls[span.span_id] = call

    def on_trace_start(self, trace: Trace) -> None:
        """A trace is no work by itself."""

    def on_trace_end(self, trace: Trace) -> None:
        """Its spans have ended by themselves."""

    def shutdown(self) -> None:
        """Close what is still open."""
        self.runs.give_up()

    def force_flush(self) -> None:
        """Nothing is held back."""


def _status(span: Span[Any]) -> Status:
    return Status.ERROR if span.error else Status.OK


def _facts(data: Any) -> Call:
    """What a model's span says in the end; a count of nothing is one that nobody has told."""
    response = getattr(data, "response", None)
    if response is not None and getattr(response, "usage", None) is not None:
        return facts_of(response)
    used = getattr(data, "usage", None) or {}
    model = getattr(data, "model", None)
    if not used.get("input_tokens") and not used.get("output_tokens"):
        return Call(model=model)
    into, out = used.get("input_tokens_details") or {}, used.get("output_tokens_details") or {}
    usage = counted(
        used.get("input_tokens"),
        used.get("output_tokens"),
        cache_read=into.get("cached_tokens"),
        cache_write=into.get("cache_write_tokens"),
        reasoning=out.get("reasoning_tokens"),
    )
    return Call(model=model, usage=usage)
