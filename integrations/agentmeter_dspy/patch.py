"""The patched methods of dspy: a module's call, a tool's, a language model's, and its threads.

``Parallel`` and whatever else runs in its threads would fall out of the request: dspy takes its own
settings along, and nothing else.
"""

from typing import Any

from dspy.adapters.types.tool import Tool
from dspy.clients import execution
from dspy.clients.base_lm import BaseLM
from dspy.primitives.module import Module
from dspy.utils.parallelizer import ParallelExecutor

from agentmeter.integration import (
    AgentScope,
    Call,
    Patches,
    ReportedCall,
    Scope,
    StepScope,
    ToolScope,
    attached,
    current_scope,
    facts_of,
    guarded,
    inside,
    reported_call,
    reporting,
)

PATCHES = Patches()
_OBSERVER = "agentmeter.dspy"
_AGENTS = ("ReAct", "ReActV2", "CodeAct", "ProgramOfThought", "RLM")
"""Modules that loop over a model and tools."""


def apply() -> None:
    """Patch; does nothing if already patched."""
    if PATCHES.on:
        return
    try:
        for name in ("__call__", "acall"):
            PATCHES.replace(Module, name, inside(PATCHES, _module))
            PATCHES.replace(Tool, name, inside(PATCHES, _tool))
            PATCHES.replace_below(BaseLM, name, reporting(PATCHES, _asked, lambda outputs: None))
        PATCHES.replace(execution, "finalize", _finalize)
        PATCHES.replace(ParallelExecutor, "execute", _execute)
    except BaseException:
        PATCHES.undo()  # half a patch would meter half
        raise


def undo() -> None:
    """Put every method back."""
    PATCHES.undo()


def _module(module: Any, args: Any, kwargs: Any) -> Scope:
    kinds = {kind.__name__ for kind in type(module).__mro__}
    name = type(module).__name__
    return AgentScope(name) if kinds.intersection(_AGENTS) else StepScope(name)


def _tool(tool: Any, args: Any, kwargs: Any) -> ToolScope:
    return ToolScope(tool.name)


def _asked(model: Any, args: Any, kwargs: Any) -> ReportedCall:
    provider, _, name = model.model.rpartition("/")
    return ReportedCall(
        _OBSERVER,
        current_scope(),
        provider=provider or None,
        model=name,
        operation="text_completion" if getattr(model, "model_type", "") == "text" else "chat",
    )


def _finalize(original: Any) -> Any:
    """What every call of a language model goes through with its result in the end."""

    def finalize(lm: Any, call: Any, result: Any) -> Any:
        asked = reported_call() if PATCHES.on else None
        if asked is not None:
            with guarded("dspy's usage"):
                _tell(asked, result)
        return original(lm, call, result)

    return finalize


def _tell(asked: ReportedCall, result: Any) -> None:
    if result.cache_hit:
        asked.never_made()
    elif result.usage:
        asked.tell(Call(usage=facts_of(dict(result.usage)).usage))


def _execute(original: Any) -> Any:
    def execute(self: Any, function: Any, data: Any) -> Any:
        scope = current_scope()
        if not PATCHES.on or scope is None:
            return original(self, function, data)

        def within(*args: Any, **kwargs: Any) -> Any:
            with attached(scope):
                return function(*args, **kwargs)

        return original(self, within, data)

    return execute
