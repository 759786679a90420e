"""Usage over web sockets: realtime sessions, and responses that are asked for over a connection.

Every message passes ``recv_bytes`` of its connection, sync or async. A response is a call from the
event that creates it to the one that ends it, and that one tells its usage. The transcript of what
the user said is made by another model, and is a call of its own.
"""

import json
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit
from weakref import WeakKeyDictionary

import wrapt

from agentmeter.integration import (
    REPORTED,
    Call,
    CallScope,
    Endpoint,
    Patches,
    Scope,
    Status,
    current_scope,
    facts_of,
    guarded,
    leave_beside,
    until_exit,
)

_MODULES = tuple(
    f"openai.resources.{name}"
    for name in (
        "realtime.realtime",
        "beta.realtime.realtime",
        "responses.responses",
        "beta.responses.responses",
    )
)
"""Where connections are, in the versions that have them."""
_CONNECTIONS = ("RealtimeConnection", "ResponsesConnection")
"""Each has an asynchronous twin."""

_TRANSCRIBED = "conversation.item.input_audio_transcription.completed"
_TELLING = re.compile(
    rb'"type"\s*:\s*"(?:session\.(?:created|updated)'
    rb"|response\.(?:created|done|completed|incomplete|failed)"
    rb'|conversation\.item\.input_audio_transcription\.completed)"'
)
"""What is worth being parsed; most messages carry audio, or a word."""

Served = Callable[[str, str | None], dict[str, Any]]
"""Who serves a model at an address."""


class _Session:
    """What is known of one connection: its models, and the responses that are being made."""

    def __init__(self, socket: Any, endpoint: Endpoint, served: Served) -> None:
        request = getattr(socket, "request", None)
        self._url = f"wss://{request.headers['Host']}{request.path}" if request else ""
        self._model = next(iter(parse_qs(urlsplit(self._url).query).get("model", ())), None)
        self._transcriber: str | None = None
        self._endpoint = endpoint
        self._served = served
        self._scope = current_scope()
        self._open: dict[str, CallScope] = {}
        until_exit(self)

    def see(self, data: bytes | str) -> None:
        """A message has arrived."""
        data = data.encode() if isinstance(data, str) else data
        if not _TELLING.search(data):
            return
        event = json.loads(data)
        kind = event.get("type", "")
        if kind.startswith("session."):
            self._configured(event.get("session") or {})
        elif kind == _TRANSCRIBED:
            self._transcribed(event)
        elif kind == "response.created":
            response = event["response"]
            self._open[response["id"]] = self._begun(response.get("model") or self._model, "chat")
        elif kind.startswith("response."):
            self._done(event["response"])

    def _configured(self, session: dict[str, Any]) -> None:
        self._model = session.get("model") or self._model
        listening = ((session.get("audio") or {}).get("input") or {}).get("transcription")
        listening = listening or session.get("input_audio_transcription") or {}
        self._transcriber = listening.get("model") or self._transcriber

    def _begun(self, model: str | None, operation: str) -> CallScope:
        place = self._served(self._url, model)
        call = CallScope(model=model, operation=operation, stream=True, **place)
        call.open(self._parent())
        return call

    def _parent(self) -> Scope | None:
        scope = current_scope()
        return self._scope if scope is None else scope

    def _done(self, response: dict[str, Any]) -> None:
        call = self._open.pop(response["id"], None)
        call = call or self._begun(response.get("model") or self._model, "chat")
        said = self._endpoint.facts({"usage": None, **response}, call.facts.provider)
        failed = response.get("status") == "failed"
        _end(call, said, Status.ERROR if failed else Status.OK)
        leave_beside(call, self._endpoint, response)

    def _transcribed(self, event: dict[str, Any]) -> None:
        call = self._begun(self._transcriber, "transcription")
        _end(call, facts_of({"usage": event.get("usage")}, call.facts.provider), Status.OK)

    def give_up(self) -> None:
        """The connection is closed: what was being made is known no further."""
        while self._open:
            self._open.popitem()[1].close(status=Status.CLOSED)


def _end(call: CallScope, said: Call, status: Status) -> None:
    known = said.evidence or dict.fromkeys(said.usage, REPORTED)
    names = ("response_model", "response_id", "service_tier")
    told = {name: value for name in names if (value := getattr(said, name))}
    call.update(usage=said.usage, evidence=known, **told)
    call.close(status=status)


class Sockets:
    """Meters every connection of the installed client, made before or after."""

    def __init__(self, endpoint: Endpoint, served: Served) -> None:
        self._endpoint = endpoint
        self._served = served
        self._patches = Patches()
        self._closing: set[type] = set()
        self._sessions: WeakKeyDictionary[Any, _Session] = WeakKeyDictionary()
        self._wanted = self._waiting = False

    def apply(self) -> None:
        """Patch, each module when it is imported, since all of them take a second or two."""
        if self._wanted:
            return
        self._wanted = True
        for name in _MODULES:
            if name in sys.modules:
                self._patch(sys.modules[name])
            elif not self._waiting:
                wrapt.register_post_import_hook(self._imported, name)
        self._waiting = True

    def undo(self) -> None:
        """Put every method back."""
        self._wanted = False
        self._patches.undo()
        self._closing.clear()

    def _imported(self, module: Any) -> None:
        if self._wanted:
            with guarded("openai connection"):
                self._patch(module)

    def _patch(self, module: Any) -> None:
        for connection, is_async in _connections(module):
            received = self._received_async if is_async else self._received
            self._patches.replace(connection, "recv_bytes", received)
            owner = next(one for one in connection.__mro__ if "close" in vars(one))
            if owner not in self._closing:
                self._closing.add(owner)
                self._patches.replace(owner, "close", self._closed)

    def _see(self, connection: Any, data: Any) -> None:
        with guarded("openai message"):
            session = self._sessions.get(connection)
            if session is None:
                session = _Session(connection._connection, self._endpoint, self._served)
                self._sessions[connection] = session
            session.see(data)

    def _received(self, original: Any) -> Any:
        def recv_bytes(connection: Any) -> Any:
            data = original(connection)
            self._see(connection, data)
            return data

        return recv_bytes

    def _received_async(self, original: Any) -> Any:
        async def recv_bytes(connection: Any) -> Any:
            data = await original(connection)
            self._see(connection, data)
            return data

        return recv_bytes

    def _closed(self, original: Any) -> Any:
        def close(connection: Any, *args: Any, **kwargs: Any) -> Any:
            with guarded("openai connection"):
                if (session := self._sessions.pop(connection, None)) is not None:
                    session.give_up()
            return original(connection, *args, **kwargs)

        return close


def _connections(module: Any) -> Iterator[tuple[type, bool]]:
    """The classes of connections in a module, and whether they are asynchronous."""
    for name in _CONNECTIONS:
        for made, is_async in ((name, False), (f"Async{name}", True)):
            connection = getattr(module, made, None)
            if connection is not None and "recv_bytes" in vars(connection):
                yield connection, is_async
