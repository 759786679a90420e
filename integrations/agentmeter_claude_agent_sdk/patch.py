"""The patched methods of claude-agent-sdk: a session's start and end, a prompt, a callback.

The models are called by Claude Code, another process, so no client of ours sees the calls: what is
known is what its frames tell, which are read on their way to the application.
"""

from collections.abc import AsyncIterator
from typing import Any
from weakref import WeakKeyDictionary

import wrapt
from claude_agent_sdk import ClaudeSDKClient
from claude_agent_sdk._internal.query import Query

from agentmeter.integration import Patches, attached, current_scope, guarded
from agentmeter_claude_agent_sdk.session import Session

PATCHES = Patches()
_SESSIONS: WeakKeyDictionary[Any, Session] = WeakKeyDictionary()


def apply() -> None:
    """Patch; does nothing if already patched."""
    if PATCHES.on:
        return
    try:
        PATCHES.replace(Query, "start", _started)
        PATCHES.replace(Query, "close", _ended)
        PATCHES.replace(Query, "_handle_control_request", _called_back)
        PATCHES.replace(ClaudeSDKClient, "query", _asked)
    except BaseException:
        PATCHES.undo()  # half a patch would meter half
        raise


def undo() -> None:
    """Put every method back."""
    PATCHES.undo()


class _Seen(wrapt.ObjectProxy):  # type: ignore[type-arg]  # not at run time
    """A transport whose frames are seen as they arrive, however slowly they are read."""

    def __init__(self, transport: Any, session: Session) -> None:
        super().__init__(transport)
        self._self_session = session

    async def read_messages(self) -> AsyncIterator[Any]:
        try:
            async for frame in self.__wrapped__.read_messages():
                if PATCHES.on:
                    self._self_session.see(frame)
                yield frame
        except Exception as error:
            with guarded("claude-agent-sdk session"):
                self._self_session.give_up(error)
            raise


def _started(original: Any) -> Any:
    async def start(self: Any) -> Any:
        if PATCHES.on and self not in _SESSIONS:
            with guarded("claude-agent-sdk session"):
                session = _SESSIONS[self] = Session(current_scope())
                self.transport = _Seen(self.transport, session)
        return await original(self)

    return start


def _ended(original: Any) -> Any:
    async def close(self: Any) -> Any:
        try:
            return await original(self)
        finally:
            session = _SESSIONS.pop(self, None)
            if session is not None:
                with guarded("claude-agent-sdk session"):
                    session.give_up()

    return close


def _asked(original: Any) -> Any:
    async def query(self: Any, *args: Any, **kwargs: Any) -> Any:
        with guarded("claude-agent-sdk prompt"):
            connection = self._query  # nothing before the client is connected
            session = _SESSIONS.get(connection) if connection is not None else None
            if PATCHES.on and session is not None:
                session.asked(current_scope())
        return await original(self, *args, **kwargs)

    return query


def _called_back(original: Any) -> Any:
    """Tools, hooks and permissions of the application's own, run in the reader's context."""

    async def handle(self: Any, request: Any) -> Any:
        scope = None
        with guarded("claude-agent-sdk callback"):
            session = _SESSIONS.get(self) if PATCHES.on else None
            if session is not None:
                scope = session.scope_of(request.get("request") or {})
        if scope is None:
            return await original(self, request)
        with attached(scope):
            return await original(self, request)

    return handle
