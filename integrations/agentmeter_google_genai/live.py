"""Live sessions: every turn is a call, from its first message to the one that ends it.

A turn ends when the model has said all, or waits for what a function gives; what it took is told in
one of its messages, or in one that comes after its end.
"""

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from agentmeter.integration import (
    REPORTED,
    CallScope,
    Patches,
    Scope,
    Status,
    current_scope,
    facts_of,
    guarded,
    until_exit,
)

Place = Callable[[Any, str], dict[str, Any]]
"""Who serves a model to a client: ``provider`` and ``region``."""


class _Turns:
    """What is known of one session."""

    def __init__(self, model: str, place: dict[str, Any]) -> None:
        self._model = model
        self._place = place
        self._scope = current_scope()
        self._open: CallScope | None = None
        self._untold: CallScope | None = None
        """The turn that ended last, if nothing was told of what it took."""
        until_exit(self)

    def see(self, message: Any) -> None:
        """A message has arrived."""
        content, usage = message.server_content, message.usage_metadata
        waits = message.tool_call is not None
        if usage is not None and self._open is None and self._untold is not None and not content:
            call, self._untold = self._untold, None
            said = facts_of({"usageMetadata": usage}, "google")
            call.amend(said.usage, said.evidence or dict.fromkeys(said.usage, REPORTED))
            return
        if content is None and usage is None and not waits:
            return
        call = self._open = self._open or self._begun()
        if usage is not None:
            call.record({"usageMetadata": usage})
        if waits or (content is not None and content.turn_complete):
            self._ended(call, Status.OK)

    def _begun(self) -> CallScope:
        scope: Scope | None = current_scope()
        call = CallScope(
            model=self._model, operation="generate_content", stream=True, **self._place
        )
        call.open(self._scope if scope is None else scope)
        return call

    def _ended(self, call: CallScope, status: Status) -> None:
        self._open = None
        self._untold = None if call.facts.evidence else call
        call.close(status=status)

    def give_up(self) -> None:
        """The session is over: of a turn that was under way nobody says how it would have ended."""
        if self._open is not None:
            self._ended(self._open, Status.CLOSED)


class Sessions:
    """Meters every live session of the installed client."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._turns: WeakKeyDictionary[Any, _Turns] = WeakKeyDictionary()

    def replace(self, patches: Patches, live: Any) -> None:
        """Patch the module of sessions."""
        for owner, name, make in (
            (live.AsyncLive, "connect", self._connect),
            (live.AsyncSession, "_receive", self._receive),
            (live.AsyncSession, "close", self._close),
        ):
            if name in vars(owner):
                patches.replace(owner, name, make)

    def _connect(self, original: Any) -> Any:
        def connect(module: Any, *args: Any, **kwargs: Any) -> Any:
            inner = original(module, *args, **kwargs)
            client = getattr(module, "_api_client", None)
            return _Connecting(inner, self, client, str(kwargs.get("model", "")))

        return connect

    def entered(self, session: Any, client: Any, model: str) -> None:
        """A session has begun."""
        with guarded("google-genai session"):
            name = model.rpartition("/")[2]
            self._turns[session] = _Turns(name, self._place(client, name))

    def left(self, session: Any) -> None:
        """A session is over."""
        with guarded("google-genai session"):
            if (turns := self._turns.pop(session, None)) is not None:
                turns.give_up()

    def _receive(self, original: Any) -> Any:
        async def receive(session: Any) -> Any:
            message = await original(session)
            with guarded("google-genai message"):
                if (turns := self._turns.get(session)) is not None:
                    turns.see(message)
            return message

        return receive

    def _close(self, original: Any) -> Any:
        async def close(session: Any) -> Any:
            self.left(session)
            return await original(session)

        return close


class _Connecting:
    """The library's context manager, whose session is followed."""

    def __init__(self, inner: Any, sessions: Sessions, client: Any, model: str) -> None:
        self._inner = inner
        self._sessions = sessions
        self._about = client, model
        self._session: Any = None

    async def __aenter__(self) -> Any:
        self._session = await self._inner.__aenter__()
        self._sessions.entered(self._session, *self._about)
        return self._session

    async def __aexit__(self, *raised: Any) -> Any:
        self._sessions.left(self._session)
        return await self._inner.__aexit__(*raised)
