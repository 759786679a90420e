"""The patched methods of smolagents: an agent's steps, a tool's call, a model's generation."""

from typing import Any

from smolagents import local_python_executor
from smolagents.agents import MultiStepAgent
from smolagents.models import Model
from smolagents.tools import Tool

from agentmeter.integration import (
    AgentScope,
    Call,
    Patches,
    ReportedCall,
    ToolScope,
    attached,
    counted,
    current_scope,
    facts_of,
    inside,
    reporting,
)

PATCHES = Patches()
_OBSERVER = "agentmeter.smolagents"


def apply() -> None:
    """Patch; does nothing if already patched."""
    if PATCHES.on:
        return
    try:
        PATCHES.replace_below(MultiStepAgent, "_run_stream", inside(PATCHES, _agent))
        PATCHES.replace_below(Tool, "__call__", inside(PATCHES, _tool))
        if "timeout" in vars(local_python_executor):
            PATCHES.replace(local_python_executor, "timeout", _timeout)
        for name in ("generate", "generate_stream"):
            PATCHES.replace_below(Model, name, reporting(PATCHES, _generation, _facts))
    except BaseException:
        PATCHES.undo()  # half a patch would meter half
        raise


def undo() -> None:
    """Put every method back."""
    PATCHES.undo()


def _agent(agent: Any, args: Any, kwargs: Any) -> AgentScope:
    return AgentScope(agent.name or type(agent).__name__)


def _tool(tool: Any, args: Any, kwargs: Any) -> ToolScope | None:
    """One scope for a tool, also where its method calls that of the class above."""
    current = current_scope()
    if isinstance(current, ToolScope) and current.given_name == tool.name:
        return None
    return ToolScope(tool.name)


def _timeout(original: Any) -> Any:
    """An agent's code runs in a thread of its own, so that it can be given up."""

    def timeout(seconds: int) -> Any:
        decorate = original(seconds)

        def decorated(function: Any) -> Any:
            scope = current_scope()
            if not PATCHES.on or scope is None:
                return decorate(function)

            def within(*args: Any, **kwargs: Any) -> Any:
                with attached(scope):
                    return function(*args, **kwargs)

            return decorate(within)

        return decorated

    return timeout


def _generation(model: Any, args: Any, kwargs: Any) -> ReportedCall:
    return ReportedCall(_OBSERVER, current_scope(), model=model.model_id, operation="chat")


def _facts(message: Any) -> Call | None:
    """What a message says; its own count knows no cache, the provider's answer in it does."""
    raw, used = getattr(message, "raw", None), message.token_usage
    if getattr(raw, "usage", None) is not None:
        return facts_of(raw)
    if used is None or not (used.input_tokens or used.output_tokens):
        return None
    return Call(usage=counted(used.input_tokens, used.output_tokens))
