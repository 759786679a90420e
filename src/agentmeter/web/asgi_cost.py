"""The cost of an answer on the answer, over ASGI: in its headers, or else in its trailers."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from agentmeter.runtime.scope import Scope
from agentmeter.web.cost import COST, TIMING, Shown, cost_headers

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]


class CostSend:
    """Sends an answer on, with its cost.

    Where a ``content-length`` says that the answer is not a stream, its head is held back until the
    body has come; all of the body in one piece is an answer whose cost is known.
    """

    def __init__(self, send: Send, request: Scope, shown: Shown, *, trailers: bool) -> None:
        self._send = send
        self._request = request
        self._shown = shown
        self._trailers = trailers
        self._held: Message | None = None
        self._ours = self._theirs = False
        """Whether trailers are to follow, and whether the application sends some itself."""

    async def __call__(self, message: Message) -> None:
        """Send one message of the application's."""
        kind = message["type"]
        if kind == "http.response.start":
            self._held = message
            if _length(message) is None:
                await self._stream()
        elif kind == "http.response.body":
            await self._body(message)
        elif kind == "http.response.trailers" and self._ours:
            await self._last(message)
        else:
            await self.flush()
            await self._send(message)

    async def flush(self) -> None:
        """Send a head that is still held back, as it is."""
        held, self._held = self._held, None
        if held is not None:
            await self._send(held)

    async def _body(self, message: Message) -> None:
        if self._held is not None:
            await (self._whole() if _is_whole(self._held, message) else self._stream())
        await self._send(message)
        if self._ours and not self._theirs and not message.get("more_body", False):
            await self._last({"type": "http.response.trailers", "headers": []})

    async def _whole(self) -> None:
        held = self._held or {}
        self._held = {**held, "headers": [*held.get("headers", ()), *await self._cost()]}
        await self.flush()

    async def _stream(self) -> None:
        held = self._held or {}
        if self._trailers:
            self._ours, self._theirs = True, bool(held.get("trailers", False))
            named = (b"trailer", f"{COST}, {TIMING}".encode())
            self._held = {**held, "headers": [*held.get("headers", ()), named], "trailers": True}
        await self.flush()

    async def _last(self, message: Message) -> None:
        if not message.get("more_trailers", False):
            self._ours = False
            headers = [*message.get("headers", ()), *await self._cost()]
            message = {**message, "headers": headers}
        await self._send(message)

    async def _cost(self) -> list[tuple[bytes, bytes]]:
        """The headers; a charge may have to be looked up in the journal, which takes a thread."""
        if self._shown == "charge":
            told = await asyncio.to_thread(cost_headers, self._request, self._shown)
        else:
            told = cost_headers(self._request, self._shown)
        return [(name.lower().encode(), value.encode()) for name, value in told]


def _length(start: Message) -> int | None:
    for name, value in start.get("headers", ()):
        if name.lower() == b"content-length" and value.isdigit():
            return int(value)
    return None


def _is_whole(start: Message, body: Message) -> bool:
    return not body.get("more_body", False) or len(body.get("body", b"")) == _length(start)
