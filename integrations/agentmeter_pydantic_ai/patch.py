"""The patched methods of pydantic-ai: an agent's run, a tool's execution, a model's request.

Its own instrumentation makes spans, which need a provider; these are scopes, which need none. Where
both are on, its spans of calls are merged with ours.
"""

from typing import Any

from pydantic_ai import Agent
from pydantic_ai.models import Model
from pydantic_ai.tool_manager import ToolManager

from agentmeter.integration import (
    AgentScope,
    Call,
    Patches,
    ReportedCall,
    ToolScope,
    counted,
    current_scope,
    inside,
    inside_context,
    reporting,
    reporting_context,
)

PATCHES = Patches()
_OBSERVER = "agentmeter.pydantic-ai"


def apply() -> None:
    """Patch; does nothing if already patched."""
    if PATCHES.on:
        return
    try:
        PATCHES.replace(Agent, "iter", inside_context(PATCHES, _agent))
        PATCHES.replace(ToolManager, "execute_tool_call", inside(PATCHES, _tool))
        PATCHES.replace_below(Model, "request", reporting(PATCHES, _request, facts_of_response))
        stream = reporting_context(
            PATCHES, _request, lambda stream: facts_of_response(stream.get())
        )
        PATCHES.replace_below(Model, "request_stream", stream)
    except BaseException:
        PATCHES.undo()  # half a patch would meter half
        raise


def undo() -> None:
    """Put every method back."""
    PATCHES.undo()


def _agent(agent: Any, args: Any, kwargs: Any) -> AgentScope:
    return AgentScope(agent.name or "agent")


def _tool(manager: Any, args: Any, kwargs: Any) -> ToolScope:
    validated = args[0] if args else kwargs["validated"]
    return ToolScope(validated.call.tool_name)


def _request(model: Any, args: Any, kwargs: Any) -> ReportedCall:
    return ReportedCall(
        _OBSERVER,
        current_scope(),
        provider=model.system,
        model=model.model_name,
        operation="chat",
    )


def facts_of_response(response: Any) -> Call:
    """What a ``ModelResponse`` says; a usage of nothing is one that nobody has told."""
    used = response.usage
    thought = getattr(used, "output_reasoning_tokens", None) or used.details.get("reasoning_tokens")
    told = used.input_tokens or used.output_tokens
    usage = counted(
        used.input_tokens,
        used.output_tokens,
        cache_read=used.cache_read_tokens,
        cache_write=used.cache_write_tokens,
        reasoning=thought or 0,
    )
    return Call(
        usage=usage if told else Call().usage,
        response_model=response.model_name,
        response_id=response.provider_response_id,
    )
