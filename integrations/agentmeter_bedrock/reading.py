"""Answers that the application reads, watched as it reads them: events, and bodies of bytes."""

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from agentmeter.integration import (
    Accumulator,
    Exchange,
    Tally,
    WatchedAsyncIterator,
    WatchedIterator,
    guarded,
)
from agentmeter_bedrock.accumulators import ConverseStream, InvokedBody, InvokeStream


def watch_converse(exchange: Exchange, answer: Any) -> None:
    """Meter the events of Converse as they are read."""
    answer["stream"] = _watched(exchange, answer["stream"], ConverseStream(answer))


def watch_invoke(exchange: Exchange, answer: Any) -> None:
    """Meter the events of a model's own stream as they are read."""
    answer["body"] = _watched(exchange, answer["body"], InvokeStream(_around(answer)))


def watch_body(exchange: Exchange, answer: Any) -> None:
    """Meter a model's own body as it is read."""
    body = answer["body"]
    tally = Tally(exchange, InvokedBody(exchange, _around(answer)))
    body._raw_stream = WatchedBody(body._raw_stream, tally, body._content_length)


def _around(answer: Mapping[str, Any]) -> dict[str, Any]:
    """All of an answer but its body, which would hold what watches it."""
    return {name: value for name, value in answer.items() if name != "body"}


def watch_converse_async(exchange: Exchange, answer: Any) -> None:
    """Meter the events of Converse as aiobotocore reads them."""
    stream = answer["stream"]
    answer["stream"] = _watched(exchange, stream, ConverseStream(answer), is_async=True)


def watch_invoke_async(exchange: Exchange, answer: Any) -> None:
    """Meter the events of a model's own stream as aiobotocore reads them."""
    accumulator = InvokeStream(_around(answer))
    answer["body"] = _watched(exchange, answer["body"], accumulator, is_async=True)


def watch_body_async(exchange: Exchange, answer: Any) -> None:
    """Meter a model's own body as aiobotocore reads it: all its ways end in ``read``."""
    body = answer["body"]
    watched = WatchedReads(body.read, Tally(exchange, InvokedBody(exchange, _around(answer))))
    body.read = watched.read


class WatchedReads:
    """The reads of an asynchronous body, watched."""

    def __init__(self, read: Callable[..., Any], tally: Tally) -> None:
        self._read = read
        self._tally = tally

    async def read(self, amt: int | None = None) -> Any:
        """Some bytes, or all."""
        try:
            data = await self._read(amt)
        except BaseException as error:
            self._tally.broken(error)
            raise
        with guarded("body"):
            self._tally.see(data)
            if amt is None or amt < 0 or not data:
                self._tally.exhausted()
        return data

    def __del__(self) -> None:
        self._tally.closed()


def _watched(
    exchange: Exchange, stream: Any, accumulator: Accumulator, *, is_async: bool = False
) -> Any:
    """A copy of ``stream`` that tells how it ends; only a copy is seen at once when dropped."""
    tally = Tally(exchange, accumulator)
    watch, seen = (WatchedAsyncIterator, _seen_async) if is_async else (WatchedIterator, _seen)
    public = copy.copy(stream)
    public._event_generator = watch(stream._event_generator, tally)
    public._parse_event = seen(stream._parse_event, tally)
    public.close = _closing(stream, tally)
    return public


def _closing(stream: Any, tally: Tally) -> Callable[[], None]:
    def close() -> None:
        tally.closed()
        stream.close()

    return close


def _seen(parse: Callable[[Any], Any], tally: Tally) -> Callable[[Any], Any]:
    def parse_event(event: Any) -> Any:
        try:
            parsed = parse(event)
        except BaseException as error:
            tally.broken(error)
            raise
        if parsed:
            tally.see(parsed)
        return parsed

    return parse_event


def _seen_async(parse: Callable[[Any], Any], tally: Tally) -> Callable[[Any], Any]:
    async def parse_event(event: Any) -> Any:
        try:
            parsed = await parse(event)
        except BaseException as error:
            tally.broken(error)
            raise
        if parsed:
            tally.see(parsed)
        return parsed

    return parse_event


class WatchedBody:
    """The stream below a body of bytes: tells what is read of it, and when no more will be."""

    def __init__(self, inner: Any, tally: Tally, length: Any) -> None:
        self._inner = inner
        self._tally = tally
        self._left = int(length) if length is not None else None

    def read(self, amt: int | None = None, *args: Any, **kwargs: Any) -> Any:
        """Some bytes, or all."""
        data = self._reading(lambda: self._inner.read(amt, *args, **kwargs))
        self._took(data, ended=amt is None or (not data and amt != 0))
        return data

    def readinto(self, buffer: Any) -> Any:
        """Bytes put where the caller says."""
        count = self._reading(lambda: self._inner.readinto(buffer))
        self._took(bytes(memoryview(buffer)[:count]), ended=not count and len(buffer) > 0)
        return count

    def readlines(self, *args: Any) -> Any:
        """All lines."""
        lines = self._reading(lambda: self._inner.readlines(*args))
        self._took(b"".join(lines), ended=True)
        return lines

    def close(self) -> None:
        """Read no more."""
        self._tally.closed()
        self._inner.close()

    def _reading(self, read: Callable[[], Any]) -> Any:
        try:
            return read()
        except BaseException as error:
            self._tally.broken(error)
            raise

    def _took(self, data: bytes, *, ended: bool) -> None:
        with guarded("body"):
            self._tally.see(data)
            if self._left is not None:
                self._left -= len(data)
            if ended or self._left == 0:
                self._tally.exhausted()

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._inner)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def __del__(self) -> None:
        self._tally.closed()
