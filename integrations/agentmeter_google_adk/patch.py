"""The patched methods of the Agent Development Kit: an agent's run, a tool's, a model's answer."""

from typing import Any

from google.adk.agents.base_agent import BaseAgent
from google.adk.models.base_llm import BaseLlm
from google.adk.tools.base_tool import BaseTool

from agentmeter.integration import (
    AgentScope,
    Call,
    Patches,
    ReportedCall,
    ToolScope,
    current_scope,
    facts_of,
    inside,
    reporting,
)

PATCHES = Patches()
_OBSERVER = "agentmeter.google-adk"
_PROVIDERS = {
    "Gemini": "google",
    "Gemma": "google",
    "Claude": "anthropic",
    "AnthropicLlm": "anthropic",
}


def apply() -> None:
    """Patch; does nothing if already patched."""
    if PATCHES.on:
        return
    try:
        PATCHES.replace(BaseAgent, "run_async", inside(PATCHES, _agent))
        PATCHES.replace_below(BaseTool, "run_async", inside(PATCHES, _tool))
        answer = reporting(PATCHES, _asked, _facts)
        PATCHES.replace_below(BaseLlm, "generate_content_async", answer)
    except BaseException:
        PATCHES.undo()  # half a patch would meter half
        raise


def undo() -> None:
    """Put every method back."""
    PATCHES.undo()


def _agent(agent: Any, args: Any, kwargs: Any) -> AgentScope:
    return AgentScope(agent.name)


def _tool(tool: Any, args: Any, kwargs: Any) -> ToolScope | None:
    """One scope for a tool, also where its method calls that of the class above."""
    current = current_scope()
    if isinstance(current, ToolScope) and current.given_name == tool.name:
        return None
    return ToolScope(tool.name)


def _asked(model: Any, args: Any, kwargs: Any) -> ReportedCall:
    request = args[0] if args else kwargs["llm_request"]
    kinds = (kind.__name__ for kind in type(model).__mro__)
    return ReportedCall(
        _OBSERVER,
        current_scope(),
        provider=next((_PROVIDERS[kind] for kind in kinds if kind in _PROVIDERS), None),
        model=request.model or model.model,
        operation="chat",
        stream=bool(args[1] if len(args) > 1 else kwargs.get("stream")),
    )


def _facts(response: Any) -> Call | None:
    """What an answer says, or a part of one: the last part that tells of the usage holds."""
    used = response.usage_metadata
    if used is None or not used.total_token_count:
        return None
    facts = facts_of(used, "google")
    return Call(usage=facts.usage, response_model=getattr(response, "model_version", None))
