"""The patched methods of crewai: a crew's kick-off, a task, an agent's work, a tool, a model."""

from typing import Any

from crewai import Agent, Crew, Task
from crewai.llms.base_llm import BaseLLM
from crewai.tools.base_tool import BaseTool
from crewai.tools.structured_tool import CrewStructuredTool

from agentmeter.integration import (
    AgentScope,
    Call,
    Patches,
    ReportedCall,
    StepScope,
    ToolScope,
    counted,
    current_scope,
    guarded,
    inside,
    reported_call,
    reporting,
)

PATCHES = Patches()
_OBSERVER = "agentmeter.crewai"


def apply() -> None:
    """Patch; does nothing if already patched."""
    if PATCHES.on:
        return
    try:
        for name in ("kickoff", "akickoff"):
            PATCHES.replace(Crew, name, inside(PATCHES, _crew))
        for name in ("_execute_core", "_aexecute_core"):
            PATCHES.replace(Task, name, inside(PATCHES, _task))
        for name in ("execute_task", "aexecute_task"):
            PATCHES.replace(Agent, name, inside(PATCHES, _agent))
        for name in ("run", "arun"):
            PATCHES.replace_below(BaseTool, name, inside(PATCHES, _tool))
        for name in ("invoke", "ainvoke"):
            PATCHES.replace(CrewStructuredTool, name, inside(PATCHES, _tool))
        for name in ("call", "acall"):
            PATCHES.replace_below(BaseLLM, name, reporting(PATCHES, _asked, lambda text: None))
        PATCHES.replace(BaseLLM, "_track_token_usage_internal", _tracks)
    except BaseException:
        PATCHES.undo()  # half a patch would meter half
        raise


def undo() -> None:
    """Put every method back."""
    PATCHES.undo()


def _crew(crew: Any, args: Any, kwargs: Any) -> AgentScope:
    return AgentScope(crew.name or "crew")


def _task(task: Any, args: Any, kwargs: Any) -> StepScope:
    return StepScope(task.name or "task")


def _agent(agent: Any, args: Any, kwargs: Any) -> AgentScope:
    return AgentScope(agent.role)


def _tool(tool: Any, args: Any, kwargs: Any) -> ToolScope | None:
    """One scope for a tool, also where one of its faces calls another."""
    current = current_scope()
    if isinstance(current, ToolScope) and current.given_name == tool.name:
        return None
    return ToolScope(tool.name)


def _asked(model: Any, args: Any, kwargs: Any) -> ReportedCall:
    return ReportedCall(
        _OBSERVER,
        current_scope(),
        provider=getattr(model, "provider", None),
        model=model.model,
        operation="chat",
    )


def _tracks(original: Any) -> Any:
    """Where every provider's counts come by, while its call is on."""

    def track(self: Any, usage_data: dict[str, Any]) -> Any:
        call = reported_call() if PATCHES.on else None
        if call is not None:
            with guarded("crewai's usage"):
                call.tell(_facts(usage_data))
        return original(self, usage_data)

    return track


def _facts(data: dict[str, Any]) -> Call:
    from crewai.types.usage_metrics import UsageMetrics

    used = UsageMetrics.from_provider_dict(data)
    if used is None:
        return Call()
    usage = counted(
        used.prompt_tokens,
        used.completion_tokens,
        cache_read=used.cached_prompt_tokens,
        cache_write=used.cache_creation_tokens,
        reasoning=used.reasoning_tokens,
    )
    return Call(usage=usage)
