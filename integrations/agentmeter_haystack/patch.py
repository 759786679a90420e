"""The patched methods of haystack: a pipeline's run, a component's, an agent's, a tool's.

Its generators have no class in common; what they use is metered at the clients that they call.
"""

from typing import Any

from haystack import Pipeline
from haystack.components.agents.agent import Agent
from haystack.tools.tool import Tool

from agentmeter.integration import AgentScope, Patches, StepScope, ToolScope, current_scope, inside

PATCHES = Patches()


def apply() -> None:
    """Patch; does nothing if already patched."""
    if PATCHES.on:
        return
    try:
        for name in ("run", "run_async"):
            PATCHES.replace(Pipeline, name, inside(PATCHES, _pipeline))
            PATCHES.replace(Agent, name, inside(PATCHES, _agent))
        for name in ("_run_component", "_run_component_async"):
            PATCHES.replace(Pipeline, name, inside(PATCHES, _component))
        for name in ("invoke", "invoke_async"):
            PATCHES.replace(Tool, name, inside(PATCHES, _tool))
    except BaseException:
        PATCHES.undo()  # half a patch would meter half
        raise


def undo() -> None:
    """Put every method back."""
    PATCHES.undo()


def _pipeline(pipeline: Any, args: Any, kwargs: Any) -> StepScope:
    return StepScope("pipeline")


def _agent(agent: Any, args: Any, kwargs: Any) -> AgentScope:
    return AgentScope(getattr(agent, "__component_name__", None) or "agent")


def _component(first: Any, args: Any, kwargs: Any) -> StepScope:
    """The methods are static in some versions, so that the name comes first or after the object."""
    named = (one for one in (kwargs.get("component_name"), first, *args) if isinstance(one, str))
    return StepScope(next(named, "component"))


def _tool(tool: Any, args: Any, kwargs: Any) -> ToolScope | None:
    """One scope for a tool, also where one of its methods calls the other."""
    current = current_scope()
    if isinstance(current, ToolScope) and current.given_name == tool.name:
        return None
    return ToolScope(tool.name)
