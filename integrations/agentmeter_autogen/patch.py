"""The patched methods of autogen: a team's run, an agent's turn, a tool's run, a model's answer.

Sync tools run in the event loop's threads; the ``concurrency`` integration takes the request there.
"""

from collections.abc import Mapping
from typing import Any

from autogen_agentchat.agents import BaseChatAgent
from autogen_agentchat.teams import BaseGroupChat
from autogen_core.models import ChatCompletionClient
from autogen_core.tools import BaseTool

from agentmeter.integration import (
    AgentScope,
    Call,
    Patches,
    ReportedCall,
    ToolScope,
    counted,
    current_scope,
    inside,
    reporting,
)

PATCHES = Patches()
_OBSERVER = "agentmeter.autogen"


def apply() -> None:
    """Patch; does nothing if already patched."""
    if PATCHES.on:
        return
    try:
        for name in ("on_messages", "on_messages_stream"):
            PATCHES.replace_below(BaseChatAgent, name, inside(PATCHES, _agent))
        PATCHES.replace(BaseGroupChat, "run_stream", inside(PATCHES, _agent))
        PATCHES.replace_below(BaseTool, "run_json", inside(PATCHES, _tool))
        for name in ("create", "create_stream"):
            PATCHES.replace_below(ChatCompletionClient, name, reporting(PATCHES, _asked, _facts))
    except BaseException:
        PATCHES.undo()  # half a patch would meter half
        raise


def undo() -> None:
    """Put every method back."""
    PATCHES.undo()


def _agent(agent: Any, args: Any, kwargs: Any) -> AgentScope | None:
    """One scope for an agent's turn, also where its method calls that of the class above."""
    current = current_scope()
    if isinstance(current, AgentScope) and current.given_name == agent.name:
        return None
    return AgentScope(agent.name)


def _tool(tool: Any, args: Any, kwargs: Any) -> ToolScope:
    return ToolScope(tool.name)


def _asked(client: Any, args: Any, kwargs: Any) -> ReportedCall:
    given = getattr(client, "_create_args", None)
    module = type(client).__module__.split(".")
    return ReportedCall(
        _OBSERVER,
        current_scope(),
        provider=module[2] if module[:2] == ["autogen_ext", "models"] else None,
        model=given.get("model") if isinstance(given, Mapping) else None,
        operation="chat",
    )


def _facts(result: Any) -> Call | None:
    """What a result says; of a stream's items the last is one."""
    used = getattr(result, "usage", None)
    if used is None or not (used.prompt_tokens or used.completion_tokens):
        return None
    return Call(usage=counted(used.prompt_tokens, used.completion_tokens))
