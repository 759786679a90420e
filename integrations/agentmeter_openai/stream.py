"""Streams: what has arrived so far, and every way in which a stream can end.

The stream that the caller gets is a copy of the SDK's with our iterator in it; the SDK's own is a
reference cycle, so only a copy lets a dropped stream be seen at once. Closing is seen at the
response, since the SDK's ``.stream()`` helpers close that and not the stream.
"""

import copy
import sys
from typing import Any

from agentmeter.integration import FAULTS, Call, Status, guarded
from agentmeter_openai.exchange import Exchange, facts_from

_CONNECTION_ERRORS = (
    "APIConnectionError",
    "APITimeoutError",
    "RemoteProtocolError",
    "ReadError",
    "ReadTimeout",
)


class Tally:
    """What a stream has brought so far. Text is held until the stream ends, to be counted."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._last: Any = None
        self._facts: dict[str, Any] = {}
        self._usage: Any = None
        self._reasons: dict[int, str] = {}
        self._text: list[str] = []
        self._finished = False
        self._over = False
        self._handled = sys.exc_info()[1]
        self.inside = False
        exchange.streams(self.closed)

    def see(self, item: Any) -> bool:
        """Take a chunk or an event; whether it is ours alone and to be hidden."""
        try:
            kind = getattr(item, "type", None)
            if isinstance(kind, str):
                return self._see_event(kind, item)
            return self._see_chunk(item)
        except Exception as error:
            FAULTS.count("openai stream", error)
            return False

    def _see_chunk(self, chunk: Any) -> bool:
        self._identify(chunk)
        for choice in getattr(chunk, "choices", None) or ():
            if choice.finish_reason:
                self._reasons[choice.index] = choice.finish_reason
                self._finished = True
            self._take_delta(choice.delta)
        usage = getattr(chunk, "usage", None)
        if usage is None:
            return False
        self._usage = chunk
        return self._exchange.hides_usage and not chunk.choices

    def _take_delta(self, delta: Any) -> None:
        for text in (getattr(delta, "content", None), getattr(delta, "refusal", None)):
            if text:
                self._text.append(text)
        for call in getattr(delta, "tool_calls", None) or ():
            function = call.function
            if function is not None:
                self._text.append((function.name or "") + (function.arguments or ""))

    def _see_event(self, kind: str, event: Any) -> bool:
        response = getattr(event, "response", None)
        if response is not None:
            self._identify(response)
            if kind in ("response.completed", "response.incomplete", "response.failed"):
                self._finished = True
                self._usage = response if response.usage is not None else None
        elif kind.endswith(".delta") and isinstance(getattr(event, "delta", None), str):
            self._text.append(event.delta)
        return False

    def _identify(self, source: Any) -> None:
        for name in ("id", "model", "service_tier"):
            value = getattr(source, name, None)
            if value:
                self._facts[name] = value

    def exhausted(self) -> None:
        """The stream came to its end: whole, or cut by the server if nothing said it was done."""
        done = self._finished or self._usage is not None
        self._end(Status.OK if done else Status.CUT)

    def broken(self, error: BaseException) -> None:
        """Iterating raised."""
        name = type(error).__name__
        if name == "CancelledError":
            self._end(Status.CANCELLED, error)
        else:
            lost = name in _CONNECTION_ERRORS
            self._end(Status.CUT if lost else Status.ERROR, error)

    def closed(self) -> None:
        """The caller closed or dropped the stream; an error on its way out is why."""
        if self.inside:
            return
        if self._usage is not None:
            self._end(Status.OK)
            return
        error = sys.exc_info()[1]
        if error is None or error is self._handled or isinstance(error, GeneratorExit):
            self._end(Status.CLOSED)
        else:
            cancelled = type(error).__name__ == "CancelledError"
            self._end(Status.CANCELLED if cancelled else Status.ERROR, error)

    def _end(self, status: Status, error: BaseException | None = None) -> None:
        if self._over:
            return
        self._over = True
        with guarded("openai stream end"):
            text = "".join(self._text)
            self._text.clear()
            self._exchange.stream_ended(self._call(), text, status, error)

    def _call(self) -> Call:
        source = self._usage if self._usage is not None else _Nothing()
        facts = facts_from(source)
        return Call(
            usage=facts.usage,
            evidence=facts.evidence,
            response_model=self._facts.get("model"),
            response_id=self._facts.get("id"),
            service_tier=self._facts.get("service_tier"),
            finish_reasons=tuple(self._reasons[index] for index in sorted(self._reasons)),
        )


class _Nothing:
    """A response that says nothing."""


class _Iterator:
    """The SDK's iterator, watched."""

    def __init__(self, inner: Any, tally: Tally) -> None:
        self._inner = inner
        self._tally = tally

    def __iter__(self) -> "_Iterator":
        return self

    def __next__(self) -> Any:
        tally = self._tally
        while True:
            tally.inside = True
            try:
                item = next(self._inner)
            except StopIteration:
                tally.exhausted()
                raise
            except BaseException as error:
                tally.broken(error)
                raise
            finally:
                tally.inside = False
            if not tally.see(item):
                return item

    def __del__(self) -> None:
        self._tally.closed()


class _AsyncIterator:
    """The SDK's asynchronous iterator, watched."""

    def __init__(self, inner: Any, tally: Tally) -> None:
        self._inner = inner
        self._tally = tally

    def __aiter__(self) -> "_AsyncIterator":
        return self

    async def __anext__(self) -> Any:
        tally = self._tally
        while True:
            tally.inside = True
            try:
                item = await self._inner.__anext__()
            except StopAsyncIteration:
                tally.exhausted()
                raise
            except BaseException as error:
                tally.broken(error)
                raise
            finally:
                tally.inside = False
            if not tally.see(item):
                return item

    def __del__(self) -> None:
        self._tally.closed()


def watched_stream(exchange: Exchange, stream: Any) -> Any:
    """A copy of ``stream`` that tells how it ends.

    The proxy that another instrumentation has put around it cannot be copied; then the stream in it
    is watched in place, and one that is dropped is seen at the next collection.
    """
    import openai

    tally = Tally(exchange)
    is_own = issubclass(type(stream), (openai.Stream, openai.AsyncStream))
    public = copy.copy(stream) if is_own else stream
    is_async = isinstance(stream, openai.AsyncStream)
    public._iterator = (_AsyncIterator if is_async else _Iterator)(stream._iterator, tally)
    _see_close(stream.response, "aclose" if is_async else "close", tally)
    return public


def _see_close(response: Any, name: str, tally: Tally) -> None:
    original = getattr(response, name)
    if name == "close":

        def close() -> Any:
            tally.closed()
            return original()

        response.close = close
    else:

        async def aclose() -> Any:
            tally.closed()
            return await original()

        response.aclose = aclose
