"""The patched methods of llama-index: an agent's run and steps, a tool's call, a model's answer."""

from collections.abc import Mapping
from typing import Any

from llama_index.core.agent.workflow import AgentWorkflow
from llama_index.core.agent.workflow.base_agent import BaseWorkflowAgent
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.base.llms.base import BaseLLM

from agentmeter.integration import (
    AgentScope,
    Call,
    Patches,
    ReportedCall,
    StepScope,
    ToolScope,
    attach,
    current_scope,
    detach,
    facts_of,
    guarded,
    inside,
    reporting,
)

PATCHES = Patches()
_OBSERVER = "agentmeter.llama-index"
_CHAT = ("chat", "achat", "stream_chat", "astream_chat")
_TEXT = ("complete", "acomplete", "stream_complete", "astream_complete")


def apply() -> None:
    """Patch; does nothing if already patched."""
    if PATCHES.on:
        return
    try:
        for kind in (BaseWorkflowAgent, AgentWorkflow):
            PATCHES.replace(kind, "run", _run)
            PATCHES.replace(kind, "_call_tool", inside(PATCHES, _tool))
        PATCHES.replace_below(BaseWorkflowAgent, "take_step", inside(PATCHES, _step))
        for name in ("retrieve", "aretrieve"):
            PATCHES.replace(BaseRetriever, name, inside(PATCHES, _retrieval))
        for name in (*_CHAT, *_TEXT):
            PATCHES.replace_below(BaseLLM, name, reporting(PATCHES, _asked, _facts))
    except BaseException:
        PATCHES.undo()  # half a patch would meter half
        raise


def undo() -> None:
    """Put every method back."""
    PATCHES.undo()


def _run(original: Any) -> Any:
    """A run goes on in tasks of its own, which take the context along that they are made in."""

    def run(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not PATCHES.on:
            return original(self, *args, **kwargs)
        scope = AgentScope(getattr(self, "name", None) or type(self).__name__)
        scope.open(current_scope())
        token = attach(scope)
        try:
            handler = original(self, *args, **kwargs)
        except BaseException as error:
            scope.close(error)
            raise
        finally:
            detach(token)
        with guarded("llama-index run"):
            handler._result_task.add_done_callback(lambda task: scope.close(_error_of(task)))
        return handler

    return run


def _error_of(task: Any) -> BaseException | None:
    from asyncio import CancelledError

    if task.cancelled():
        return CancelledError()
    error: BaseException | None = task.exception()
    return error


def _step(agent: Any, args: Any, kwargs: Any) -> AgentScope | None:
    """In a workflow of several agents each has a scope; the run of one alone is that already."""
    current = current_scope()
    if isinstance(current, AgentScope) and current.given_name == agent.name:
        return None
    return AgentScope(agent.name)


def _tool(agent: Any, args: Any, kwargs: Any) -> ToolScope:
    tool = args[1] if len(args) > 1 else kwargs["tool"]
    return ToolScope(tool.metadata.name)


def _retrieval(retriever: Any, args: Any, kwargs: Any) -> StepScope:
    return StepScope(type(retriever).__name__)


def _asked(model: Any, args: Any, kwargs: Any) -> ReportedCall:
    module = type(model).__module__.split(".")
    return ReportedCall(
        _OBSERVER,
        current_scope(),
        provider=module[2] if module[:2] == ["llama_index", "llms"] else None,
        model=model.metadata.model_name,
        operation="chat",
    )


def _facts(response: Any) -> Call | None:
    """What a response says, or a part of one: the provider's own answer is in it."""
    raw = getattr(response, "raw", None)
    used = raw.get("usage") if isinstance(raw, Mapping) else getattr(raw, "usage", None)
    return facts_of(raw) if used else None
