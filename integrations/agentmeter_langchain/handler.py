"""The callback handler: langchain's runs as scopes, its model runs as reported calls."""

from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler

from agentmeter.integration import (
    AgentScope,
    ReportedCall,
    Runs,
    Scope,
    Status,
    StepScope,
    ToolScope,
    guarded,
)
from agentmeter_langchain.usage import facts_of_result

_OBSERVER = "agentmeter.langchain"
_HIDDEN = "langsmith:hidden"
_NODE = "graph:step:"
_LANGGRAPH_STEP = "langgraph.step"
_GRAPHS = ("langgraph", "langchain_create_agent")
_PASSED_OVER = ("prompt", "parser")
"""Runs that hold a place in a chain, and call nobody."""
_NO_ERROR = ("GraphInterrupt", "GraphBubbleUp", "NodeInterrupt", "ParentCommand")
"""What langgraph raises to stop a graph until somebody answers, or to go on elsewhere."""


class Handler(BaseCallbackHandler):
    """Registered for every run; opens and closes scopes, and attaches none."""

    ignore_retry = True
    ignore_custom_event = True

    def __init__(self) -> None:
        self.runs = Runs()
        self.calls: dict[UUID, ReportedCall] = {}

    # -- graphs, nodes and chains ----------------------------------------------------------

    def on_chain_start(self, serialized: Any, inputs: Any, *, run_id: UUID, **about: Any) -> None:
        """A graph, a node of one, or a chain begins."""
        parent_id = about.get("parent_run_id")
        with guarded("langchain run"):
            scope = _scope_of(serialized, about)
            if scope is not None and _LANGGRAPH_STEP in scope.attributes:
                self._has_nodes(parent_id)
            if scope is None:
                self.runs.pass_over(run_id, parent_id)
            else:
                self.runs.begin(run_id, scope, parent_id)

    def on_chain_end(self, outputs: Any, *, run_id: UUID, **_: Any) -> None:
        """It is over."""
        self.runs.end(run_id)

    def on_chain_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        """It raised, or was stopped on purpose."""
        self._failed(run_id, error)

    # -- tools and retrievers --------------------------------------------------------------

    def on_tool_start(self, serialized: Any, input_str: str, *, run_id: UUID, **about: Any) -> None:
        """A tool begins."""
        name = about.get("name") or (serialized or {}).get("name")
        self.runs.begin(run_id, ToolScope(name), about.get("parent_run_id"))

    def on_tool_end(self, output: Any, *, run_id: UUID, **_: Any) -> None:
        """It is over."""
        self.runs.end(run_id)

    def on_tool_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        """It raised."""
        self._failed(run_id, error)

    def on_retriever_start(
        self, serialized: Any, query: str, *, run_id: UUID, **about: Any
    ) -> None:
        """A retriever begins; it is a scope already, since its method is one."""
        self.runs.pass_over(run_id, about.get("parent_run_id"))

    def on_retriever_end(self, documents: Any, *, run_id: UUID, **_: Any) -> None:
        """It is over."""
        self.runs.end(run_id)

    def on_retriever_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        """It raised."""
        self._failed(run_id, error)

    # -- model calls -----------------------------------------------------------------------

    def on_chat_model_start(
        self, serialized: Any, messages: Any, *, run_id: UUID, **about: Any
    ) -> None:
        """A chat model is asked."""
        self._asked("chat", run_id, about)

    def on_llm_start(self, serialized: Any, prompts: Any, *, run_id: UUID, **about: Any) -> None:
        """A model that completes texts is asked."""
        self._asked("text_completion", run_id, about)

    def on_llm_end(self, response: Any, *, run_id: UUID, **_: Any) -> None:
        """It has answered."""
        call = self.calls.pop(run_id, None)
        if call is None:
            return
        with guarded("langchain answer"):
            facts = facts_of_result(response)
            if facts is None:
                call.never_made()
            else:
                call.ended(facts)

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        """It raised, or its reader had enough."""
        call = self.calls.pop(run_id, None)
        if call is not None:
            call.ended(None, error)

    def asks(self, run_ids: list[UUID]) -> None:
        """The models of these runs are called in this context, from now on."""
        for run_id in run_ids:
            if (call := self.calls.get(run_id)) is not None:
                call.asks()

    def _asked(self, operation: str, run_id: UUID, about: dict[str, Any]) -> None:
        with guarded("langchain model"):
            said = about.get("metadata") or {}
            given = about.get("invocation_params") or {}
            model = said.get("ls_model_name") or given.get("model") or given.get("model_name")
            self.calls[run_id] = ReportedCall(
                _OBSERVER,
                self.runs.place(about.get("parent_run_id")),
                provider=said.get("ls_provider"),
                model=model,
                operation=operation,
                stream=bool(given.get("stream")),
            )

    def _has_nodes(self, run_id: UUID | None) -> None:
        """What has nodes is a graph, which not every version says at its start."""
        graph = self.runs.own(run_id)
        if graph is not None and _LANGGRAPH_STEP not in graph.attributes:
            graph.kind = AgentScope.kind

    def _failed(self, run_id: UUID, error: BaseException) -> None:
        if any(kind.__name__ in _NO_ERROR for kind in type(error).__mro__):
            self.runs.end(run_id, status=Status.OK)
        else:
            self.runs.end(run_id, error)


def _scope_of(serialized: Any, about: dict[str, Any]) -> Scope | None:
    tags, said = about.get("tags") or (), about.get("metadata") or {}
    if _HIDDEN in tags or about.get("run_type") in _PASSED_OVER:
        return None
    name = about.get("name") or (serialized or {}).get("name") or "chain"
    if any(tag.startswith(_NODE) for tag in tags):
        return StepScope(name, {_LANGGRAPH_STEP: str(said.get("langgraph_step", ""))})
    outermost = said.get("ls_integration") in _GRAPHS and "langgraph_node" not in said
    if outermost or name in ("LangGraph", said.get("lc_agent_name")):
        return AgentScope(name)
    return StepScope(name)
