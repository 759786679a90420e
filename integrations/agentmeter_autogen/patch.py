"""The patched methods of ``autogen_agentchat``: a team's run, an agent's turn."""

from typing import Any

from autogen_agentchat.agents import BaseChatAgent
from autogen_agentchat.teams import BaseGroupChat

from agentmeter.integration import AgentScope, Patches, current_scope, inside

PATCHES = Patches()


def apply() -> None:
    """Patch; does nothing if already patched."""
    if PATCHES.on:
        return
    try:
        for name in ("on_messages", "on_messages_stream"):
            PATCHES.replace_below(BaseChatAgent, name, inside(PATCHES, _agent))
        PATCHES.replace(BaseGroupChat, "run_stream", inside(PATCHES, _agent))
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
