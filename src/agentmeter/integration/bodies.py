"""Bodies that the application reads as bytes, lines or text: metered from what passes by.

Whatever a caller reads of an httpx response comes through its ``iter_bytes``, so that is watched,
on the one object. The caller gets the provider's bytes; only an event that was asked for on our
behalf is taken out.
"""

import json
import re
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from typing import Any

from agentmeter.integration.endpoint import Accumulator
from agentmeter.integration.exchange import Exchange
from agentmeter.integration.streams import (
    Tally,
    WatchedAsyncIterator,
    WatchedIterator,
    see_close,
)
from agentmeter.model import UNKNOWN, Call, Status
from agentmeter.runtime.faults import FAULTS, guarded

_END_OF_EVENT = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_EVENTS = "text/event-stream"


class WholeBody(Accumulator):
    """A JSON body, read piece by piece."""

    def __init__(self, exchange: Exchange) -> None:
        super().__init__()
        self._exchange = exchange
        self._parts: list[bytes] = []
        self._text: str | None = None

    def see(self, item: bytes) -> bool:
        """Keep a piece until the body is whole."""
        self._parts.append(item)
        return False

    def facts(self) -> Call:
        """What the body says, once it is whole."""
        try:
            answer = json.loads(b"".join(self._parts))
        except ValueError:
            return Call(evidence=dict.fromkeys(("input", "output"), UNKNOWN))
        self.finished = True
        self._text = self._exchange.endpoint.text_in(answer)
        return self._exchange.read(answer)

    @property
    def text(self) -> str | None:
        """What the whole body says; of half a one it is not known how much was generated for it."""
        return self._text


class EventTally(Tally):
    """Follows the server-sent events in the bytes of a stream."""

    def __init__(self, exchange: Exchange, accumulator: Accumulator) -> None:
        super().__init__(exchange, accumulator)
        self._hides = accumulator.hides
        self._held = b""

    def see(self, item: Any) -> bool:
        """Bytes that come to the caller have been followed on their way."""
        return False

    def take(self, data: bytes) -> bytes:
        """The bytes to hand on for ``data``; only where events are hidden, half ones are held."""
        self._held += data
        shown, at = b"", 0
        for end in _END_OF_EVENT.finditer(self._held):
            event, at = self._held[at : end.end()], end.end()
            if not self._see_event(event):
                shown += event
        self._held = self._held[at:]
        return shown if self._hides else data

    def rest(self) -> bytes:
        """What is left to hand on when the stream is over."""
        held, self._held = self._held, b""
        return held if self._hides else b""

    def _see_event(self, event: bytes) -> bool:
        lines = (line for line in event.splitlines() if line.startswith(b"data:"))
        data = b"\n".join(line[5:].strip() for line in lines)
        if data == b"[DONE]":
            self.exhausted()
            return False
        try:
            return bool(data) and super().see(json.loads(data))
        except ValueError as error:
            FAULTS.count("stream", error)
            return False


def _followed(tally: EventTally, inner: Iterator[bytes]) -> Iterator[bytes]:
    for data in inner:
        if shown := tally.take(data):
            yield shown
    if rest := tally.rest():
        yield rest


async def _followed_async(
    tally: EventTally, inner: AsyncGenerator[bytes, None]
) -> AsyncGenerator[bytes, None]:
    async with aclosing(inner):
        async for data in inner:
            if shown := tally.take(data):
                yield shown
    if rest := tally.rest():
        yield rest


class Content(Accumulator):
    """An answer that is no JSON: nothing in it tells whether it is whole, or what was used."""

    def __init__(self, exchange: Exchange) -> None:
        super().__init__()
        self._exchange = exchange

    def see(self, item: bytes) -> bool:
        """Let a piece pass."""
        return False

    def facts(self) -> Call:
        """What is known without reading it."""
        self.finished = True
        return self._exchange.read(None)

    @property
    def text(self) -> str | None:
        """None that could be counted."""
        return None


def read_body(exchange: Exchange, content: bytes) -> None:
    """A body that is at hand already: JSON, or whatever the endpoint's answers are."""
    with guarded("body"):
        try:
            answer = json.loads(content)
        except ValueError:
            if exchange.endpoint.content is None:
                raise
            answer = content
        exchange.answered(answer)
    exchange.ended(Status.OK)


def watch_body(exchange: Exchange, response: Any) -> None:
    """Meter what is read of an httpx ``response``, however it is read."""
    make = exchange.endpoint.accumulator
    if make is not None and _EVENTS in response.headers.get("content-type", ""):
        tally = EventTally(exchange, make(exchange))
        _replace(response, "iter_bytes", lambda i: WatchedIterator(_followed(tally, i), tally))
        _replace(
            response,
            "aiter_bytes",
            lambda i: WatchedAsyncIterator(_followed_async(tally, i), tally),
        )
        see_close(response, tally)
        return
    whole = Tally(exchange, _unfolding(exchange, response))
    _replace(response, "iter_bytes", lambda inner: WatchedIterator(inner, whole))
    _replace(response, "aiter_bytes", lambda inner: WatchedAsyncIterator(inner, whole))
    see_close(response, whole)


def _unfolding(exchange: Exchange, response: Any) -> Accumulator:
    """What follows a body: by its type, where the endpoint answers in others than JSON."""
    content = exchange.endpoint.content
    if content is None or "json" in response.headers.get("content-type", ""):
        return WholeBody(exchange)
    return content(exchange)


def _replace(response: Any, name: str, watch: Callable[[Any], Any]) -> None:
    """Watch what a method of this one object yields; a body that is at hand is seen no more."""
    original = getattr(response, name)

    def iterate(*args: Any, **kwargs: Any) -> Any:
        inner = original(*args, **kwargs)
        return inner if hasattr(response, "_content") else watch(inner)

    setattr(response, name, iterate)
