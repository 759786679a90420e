"""The patched methods of strands: an agent's loop, a tool's execution, a model's stream."""

from typing import Any

from strands.agent.agent import Agent
from strands.models.model import Model
from strands.tools.executors._executor import ToolExecutor

from agentmeter.integration import (
    AgentScope,
    Call,
    Patches,
    ReportedCall,
    ToolScope,
    counted,
    current_scope,
    facts_of,
    inside,
    reporting,
)

PATCHES = Patches()
_OBSERVER = "agentmeter.strands"
_PROVIDERS = {"bedrock": "aws", "gemini": "google"}
"""Modules of ``strands.models`` that are called otherwise than their providers."""


def apply() -> None:
    """Patch; does nothing if already patched."""
    if PATCHES.on:
        return
    try:
        PATCHES.replace(Agent, "_run_loop", inside(PATCHES, _agent))
        PATCHES.replace(ToolExecutor, "_stream_with_trace", inside(PATCHES, _tool))
        PATCHES.replace_below(Model, "stream", reporting(PATCHES, _stream, _facts))
    except BaseException:
        PATCHES.undo()  # half a patch would meter half
        raise


def undo() -> None:
    """Put every method back."""
    PATCHES.undo()


def _agent(agent: Any, args: Any, kwargs: Any) -> AgentScope:
    return AgentScope(agent.name)


def _tool(agent: Any, args: Any, kwargs: Any) -> ToolScope:
    used = args[0] if args else kwargs["tool_use"]
    return ToolScope(used["name"])


def _provider(model: Any) -> str | None:
    parent, _, module = type(model).__module__.rpartition(".")
    return _PROVIDERS.get(module, module) if parent == "strands.models" else None


def _stream(model: Any, args: Any, kwargs: Any) -> ReportedCall:
    provider = _provider(model)
    return ReportedCall(
        _OBSERVER,
        current_scope(),
        provider=provider.partition("_")[0] if provider else None,
        model=(model.get_config() or {}).get("model_id"),
        operation="chat",
        stream=True,
    )


def _facts(event: Any) -> Call | None:
    """What an event of a stream says; the last but one tells of the usage."""
    used = (event.get("metadata") or {}).get("usage") if isinstance(event, dict) else None
    if not used or not (used.get("inputTokens") or used.get("outputTokens")):
        return None
    if used.get("totalTokens", 0) > used.get("inputTokens", 0) + used.get("outputTokens", 0):
        return Call(usage=facts_of(used, "aws").usage)  # what is cached stands beside the input
    usage = counted(
        used.get("inputTokens"),
        used.get("outputTokens"),
        cache_read=used.get("cacheReadInputTokens"),
        cache_write=used.get("cacheWriteInputTokens"),
    )
    return Call(usage=usage)
