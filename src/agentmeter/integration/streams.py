"""Streams: every way in which one can end, whatever library brings it.

``watched`` and ``watched_async`` give an iterator in the place of a library's own. The application
gets the same items, and the exchange is told once how the stream ended: read to its end, closed,
dropped, cancelled, left by an error, or cut by the server.
"""

import sys
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from agentmeter.integration.cutting import cutter_of
from agentmeter.integration.endpoint import Accumulator
from agentmeter.integration.exchange import Exchange, status_of
from agentmeter.integration.sides import is_whole
from agentmeter.model import UNKNOWN, Call, Status
from agentmeter.runtime.faults import FAULTS, guarded
from agentmeter.runtime.state import STATE

_LOST = (
    *("APIConnectionError", "APITimeoutError", "RemoteProtocolError", "ReadError", "ReadTimeout"),
    *("ConnectionError", "ProtocolError", "IncompleteRead", "ChunkedEncodingError"),
    *("ClientPayloadError", "TimeoutError"),
)
"""The names of errors, or of what they derive from, that say that a connection was lost."""


_MOST_CAUSES = 8


class Tally:
    """Follows one stream for its exchange, and ends it once."""

    def __init__(self, exchange: Exchange, accumulator: Accumulator) -> None:
        self._exchange = exchange
        self._accumulator = accumulator
        self._over = False
        self._handled = sys.exc_info()[1]
        self.inside = False
        """Whether the library is at work for the stream: what it closes then is no reader's end."""
        self._cutter = cutter_of(exchange.scope, accumulator) if STATE.gate is not None else None
        exchange.streams(self.closed)

    def see(self, item: Any) -> bool:
        """Take an item; whether it is ours alone and to be hidden."""
        try:
            return self._accumulator.see(item)
        except Exception as error:
            FAULTS.count("stream", error)
            return False

    def is_cut(self) -> bool:
        """Whether a budget has had enough of the stream; then it has ended here."""
        if self._cutter is None or self._over:
            return False
        reason = self._cutter.reason()
        if reason is None:
            return False
        with guarded("cut stream"):
            self._exchange.scope.attributes["cut"] = reason
        self._end(self._facts(), Status.CUT)
        return True

    def exhausted(self) -> None:
        """The stream came to its end: whole, or cut by the server if nothing said it was done."""
        facts = self._facts()
        done = self._accumulator.finished or is_whole(facts)
        self._end(facts, Status.OK if done else Status.CUT)

    def broken(self, error: BaseException) -> None:
        """Iterating raised."""
        lost = any(kind.__name__ in _LOST for one in _causes(error) for kind in type(one).__mro__)
        self._end(self._facts(), Status.CUT if lost else status_of(error), error)

    def closed(self) -> None:
        """The caller closed or dropped the stream; an error on its way out is why."""
        if self.inside or self._over:
            return
        facts = self._facts()
        error = _leaving(sys.exc_info()[1])
        if is_whole(facts):
            self._end(facts, Status.OK)
        elif error is None or error is self._handled or isinstance(error, GeneratorExit):
            self._end(facts, Status.CLOSED)
        else:
            self._end(facts, status_of(error), error)

    def _facts(self) -> Call:
        try:
            return self._accumulator.facts()
        except Exception as error:
            FAULTS.count("stream's usage", error)
            return Call(evidence=dict.fromkeys(("input", "output"), UNKNOWN))

    def _end(self, facts: Call, status: Status, error: BaseException | None = None) -> None:
        if self._over:
            return
        self._over = True
        with guarded("stream's end"):
            text = self._accumulator.text
            self._accumulator.texts.clear()
            self._exchange.stream_ended(facts, text, status, error)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and what led to it, since clients put errors of their own over those of HTTP."""
    at: BaseException | None = error
    for _ in range(_MOST_CAUSES):
        if at is None:
            return
        yield at
        at = at.__cause__ or at.__context__


def _leaving(error: BaseException | None) -> BaseException | None:
    """Why a reader leaves: a generator that is closed on the way out of an error hides that."""
    while isinstance(error, GeneratorExit) and error.__context__ is not None:
        error = error.__context__
    return error


def advanced(tally: Tally, fetch: Callable[[], Any], close: Callable[[], Any]) -> Any:
    """The next item that ``fetch`` gives for the caller, seen on its way; ``close`` where a budget
    cuts the stream.
    """
    while True:
        if tally.is_cut():
            with guarded("closing a cut stream"):
                close()
            raise StopIteration
        tally.inside = True
        try:
            item = fetch()
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


async def advanced_async(tally: Tally, fetch: Callable[[], Any], close: Callable[[], Any]) -> Any:
    """As ``advanced``, of an asynchronous stream."""
    while True:
        if tally.is_cut():
            with guarded("closing a cut stream"):
                await close()
            raise StopAsyncIteration
        tally.inside = True
        try:
            item = await fetch()
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


class WatchedIterator:
    """A library's iterator, watched."""

    def __init__(self, inner: Any, tally: Tally) -> None:
        self._inner = inner
        self.tally = tally

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return advanced(self.tally, self._inner.__next__, self._inner.close)

    def close(self) -> None:
        """Close the library's iterator."""
        self.tally.closed()
        self._inner.close()

    def __del__(self) -> None:
        self.tally.closed()


class WatchedAsyncIterator:
    """A library's asynchronous iterator, watched."""

    def __init__(self, inner: Any, tally: Tally) -> None:
        self._inner = inner
        self.tally = tally

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        return await advanced_async(self.tally, self._inner.__anext__, self._inner.aclose)

    async def aclose(self) -> None:
        """Close the library's iterator."""
        self.tally.closed()
        await self._inner.aclose()

    def __del__(self) -> None:
        self.tally.closed()


def tally_of(exchange: Exchange) -> Tally:
    """The tally of a stream that answers ``exchange``, as its endpoint follows streams."""
    make = exchange.endpoint.accumulator
    if make is None:
        raise TypeError(f"the endpoint for {exchange.endpoint.operation} has no accumulator")
    return Tally(exchange, make(exchange))


def watched(exchange: Exchange, stream: Iterator[Any]) -> WatchedIterator:
    """``stream`` for the caller: the same items, and its end is the exchange's."""
    return WatchedIterator(stream, tally_of(exchange))


def watched_async(exchange: Exchange, stream: AsyncIterator[Any]) -> WatchedAsyncIterator:
    """``stream`` for the caller: the same items, and its end is the exchange's."""
    return WatchedAsyncIterator(stream, tally_of(exchange))


def see_close(response: Any, tally: Tally) -> None:
    """Tell ``tally`` when this one ``response`` is closed, by whatever name."""
    if close := getattr(response, "close", None):

        def closing(*args: Any, **kwargs: Any) -> Any:
            tally.closed()
            return close(*args, **kwargs)

        response.close = closing
    if aclose := getattr(response, "aclose", None):

        async def aclosing(*args: Any, **kwargs: Any) -> Any:
            tally.closed()
            return await aclose(*args, **kwargs)

        response.aclose = aclosing
