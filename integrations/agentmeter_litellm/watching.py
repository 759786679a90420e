"""Streams of litellm's, and what stands before one for the caller."""

from collections.abc import Iterator
from functools import cache, partial
from typing import Any

from agentmeter.integration import Accumulator, Exchange, Tally, advanced, advanced_async
from agentmeter_litellm.answers import Stream


def watched_chunks(exchange: Exchange, stream: Any) -> Any:
    """What stands before a stream and tells how it ends: litellm holds on to the stream itself."""
    asked = exchange.body is not None and exchange.body.get("stream_options") is not None
    if not asked:  # what was asked for on our behalf is not for the caller
        stream.stream_options, stream.send_stream_usage = None, False
    return watched_items(exchange, stream, Stream(exchange, stream))


def watched_items(exchange: Exchange, stream: Any, accumulator: Accumulator) -> Any:
    """What stands before a stream, and tells how it ends."""
    kind: Any = type(stream)
    made: Any = _before(kind)
    public = made.__new__(made)
    tally = Tally(exchange, accumulator)
    vars(public).update(agentmeter_stream=stream, agentmeter_tally=tally)
    return public


def _close(stream: Any) -> None:
    """Litellm has no such method for a plain stream; what is below it may have."""
    below = getattr(getattr(stream, "completion_stream", None), "close", None)
    if below is not None:
        below()


@cache
def _before(kind: Any) -> type:
    """A class of streams whose items and attributes are another's, and which tell how they end."""

    class Watched(kind):  # type: ignore[misc]
        __doc__ = kind.__doc__

        def __getattr__(self, name: str) -> Any:
            return getattr(vars(self)["agentmeter_stream"], name)

        def __setattr__(self, name: str, value: Any) -> None:
            setattr(self.agentmeter_stream, name, value)

        def __iter__(self) -> Iterator[Any]:
            return self

        def __next__(self) -> Any:
            stream = self.agentmeter_stream
            return advanced(self.agentmeter_tally, stream.__next__, partial(_close, stream))

        async def __anext__(self) -> Any:
            stream = self.agentmeter_stream
            return await advanced_async(self.agentmeter_tally, stream.__anext__, self.aclose)

        async def aclose(self) -> None:
            self.agentmeter_tally.closed()
            if (close := getattr(self.agentmeter_stream, "aclose", None)) is not None:
                await close()

        def __aiter__(self) -> Any:
            return self

        def __del__(self) -> None:
            self.agentmeter_tally.closed()

    Watched.__name__, Watched.__qualname__ = kind.__name__, kind.__qualname__
    Watched.__module__ = kind.__module__
    return Watched
