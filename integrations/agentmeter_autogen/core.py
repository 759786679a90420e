"""The patched methods of ``autogen_core``: a message's way to an agent, an agent's work on it, a
tool's run, a model's answer.

Sync tools run in the event loop's threads; the ``concurrency`` integration takes the request there.
"""

import weakref
from collections.abc import Mapping
from typing import Any

from autogen_core import BaseAgent, SingleThreadedAgentRuntime
from autogen_core import _single_threaded_agent_runtime as runtime
from autogen_core.models import ChatCompletionClient
from autogen_core.tools import BaseTool

from agentmeter.integration import (
    AgentScope,
    Call,
    Patches,
    ReportedCall,
    Scope,
    ToolScope,
    attached,
    counted,
    current_scope,
    inside,
    reporting,
)

PATCHES = Patches()
_OBSERVER = "agentmeter.autogen"
_USERS: set[str] = set()
_SENT_IN: dict[int, Scope] = {}
"""The scopes that messages were sent in, by the identity of their envelopes."""


def apply(user: str) -> None:
    """Patch for the integration of this name; does nothing if already patched."""
    _USERS.add(user)
    if PATCHES.on:
        return
    try:
        for kind in (runtime.SendMessageEnvelope, runtime.PublishMessageEnvelope):
            PATCHES.replace(kind, "__init__", _sent)
        for name in ("_process_send", "_process_publish"):
            PATCHES.replace(SingleThreadedAgentRuntime, name, _processed)
        PATCHES.replace_below(BaseAgent, "on_message_impl", inside(PATCHES, _agent))
        PATCHES.replace_below(BaseTool, "run_json", inside(PATCHES, _tool))
        for name in ("create", "create_stream"):
            PATCHES.replace_below(ChatCompletionClient, name, reporting(PATCHES, _asked, _facts))
    except BaseException:
        PATCHES.undo()  # half a patch would meter half
        raise


def undo(user: str) -> None:
    """Put every method back, once nobody needs it any more."""
    _USERS.discard(user)
    if not _USERS:
        PATCHES.undo()


def _agent(agent: Any, args: Any, kwargs: Any) -> AgentScope | None:
    """An agent handles a message; the actors that chat agents stand in are no agents themselves."""
    if type(agent).__module__.startswith("autogen_agentchat."):
        return None
    return AgentScope(agent.id.type)


def _sent(original: Any) -> Any:
    """A message waits in a queue, and is handled in a task of the runtime: it takes along what it
    was sent in.
    """

    def envelope(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        scope = current_scope() if PATCHES.on else None
        if scope is not None:
            _SENT_IN[id(self)] = scope
            weakref.finalize(self, _SENT_IN.pop, id(self), None)

    return envelope


def _processed(original: Any) -> Any:
    async def process(self: Any, message_envelope: Any) -> Any:
        scope = _SENT_IN.get(id(message_envelope))
        if scope is None:
            return await original(self, message_envelope)
        with attached(scope):
            return await original(self, message_envelope)

    return process


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
