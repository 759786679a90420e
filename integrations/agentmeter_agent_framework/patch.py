"""The patched methods of agent-framework: an agent's or a workflow's run, an executor's or a step's
work, a tool's invocation, a chat client's answer, a stream's updates.

Its own instrumentation makes spans, which need a provider, and repeats the usage of calls on those
of agents; these are scopes.
"""

from collections.abc import Callable
from typing import Any

import agent_framework
from agent_framework import (
    BaseAgent,
    BaseChatClient,
    BaseEmbeddingClient,
    Executor,
    FunctionTool,
    ResponseStream,
    Workflow,
)

from agentmeter.integration import (
    AgentScope,
    Patches,
    Scope,
    StepScope,
    ToolScope,
    current_scope,
    guarded,
    inside,
    reporting,
)
from agentmeter_agent_framework.answers import asked, embedded, embedding_facts, facts_by
from agentmeter_agent_framework.streams import (
    Reporting,
    Within,
    Work,
    closed,
    finished,
    followed,
    pulled,
)

PATCHES = Patches()


def apply() -> None:
    """Patch; does nothing if already patched."""
    if PATCHES.on:
        return
    try:
        PATCHES.replace_below(BaseAgent, "run", _within(_agent))
        PATCHES.replace(Workflow, "run", _within(_agent))
        PATCHES.replace(Executor, "execute", inside(PATCHES, _executor))
        PATCHES.replace_below(FunctionTool, "invoke", inside(PATCHES, _tool))
        PATCHES.replace_below(BaseChatClient, "_inner_get_response", _answer)
        embed = reporting(PATCHES, embedded, embedding_facts)
        PATCHES.replace_below(BaseEmbeddingClient, "get_embeddings", embed)
        _apply_functional()
        PATCHES.replace(ResponseStream, "__anext__", pulled)
        PATCHES.replace(ResponseStream, "get_final_response", finished)
        if hasattr(ResponseStream, "close"):
            PATCHES.replace(ResponseStream, "close", closed)
    except BaseException:
        PATCHES.undo()  # half a patch would meter half
        raise


def undo() -> None:
    """Put every method back."""
    PATCHES.undo()


def _apply_functional() -> None:
    """Workflows that are functions, which came after the first release."""
    if hasattr(agent_framework, "FunctionalWorkflow"):
        PATCHES.replace(agent_framework.FunctionalWorkflow, "run", _within(_agent))
        PATCHES.replace(agent_framework.StepWrapper, "__call__", inside(PATCHES, _step))


def _within(make: Callable[[Any], Scope | None]) -> Callable[[Any], Any]:
    """As ``inside``, for a method that gives a coroutine or a stream."""

    def wrap(original: Any) -> Any:
        def run(self: Any, *args: Any, **kwargs: Any) -> Any:
            scope = None
            if PATCHES.on:
                with guarded("framework's scope"):
                    scope = make(self)
            if scope is None:
                return original(self, *args, **kwargs)
            scope.open(current_scope())
            return _begun(Within(scope), original, self, args, kwargs)

        return run

    return wrap


def _answer(original: Any) -> Any:
    def answer(self: Any, *args: Any, **kwargs: Any) -> Any:
        work = None
        if PATCHES.on:
            with guarded("framework's call"):
                work = Reporting(asked(self, kwargs), facts_by(self))
        if work is None:
            return original(self, *args, **kwargs)
        return _begun(work, original, self, args, kwargs)

    return answer


def _begun(work: Work, original: Any, self: Any, args: Any, kwargs: Any) -> Any:
    try:
        with work.around():
            result = original(self, *args, **kwargs)
    except BaseException as error:
        work.ended(error)
        raise
    return followed(result, work)


def _agent(agent: Any) -> AgentScope | None:
    """One scope for the run of an agent or a workflow, also where its method calls that of the
    class above, or where an agent of the same name stands for a workflow.
    """
    name = agent.name or type(agent).__name__
    current = current_scope()
    if isinstance(current, AgentScope) and current.given_name == name:
        return None
    return AgentScope(name)


def _executor(executor: Any, args: Any, kwargs: Any) -> StepScope:
    return StepScope(executor.id)


def _step(step: Any, args: Any, kwargs: Any) -> StepScope:
    return StepScope(step.name)


def _tool(tool: Any, args: Any, kwargs: Any) -> ToolScope | None:
    """One scope for a tool, also where its method calls that of the class above."""
    current = current_scope()
    if isinstance(current, ToolScope) and current.given_name == tool.name:
        return None
    return ToolScope(tool.name)
