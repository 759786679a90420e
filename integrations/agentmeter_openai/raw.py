"""Results of ``request``: parsed models, streams, and raw responses that are parsed later."""

import inspect
import json
from collections.abc import Callable
from typing import Any

from agentmeter.integration import Status, facts_of, guarded
from agentmeter_openai.exchange import Exchange, facts_from
from agentmeter_openai.stream import watched_stream


def watched(exchange: Exchange, result: Any) -> Any:
    """``result``, watched where its usage is still to come."""
    import openai

    if isinstance(result, openai.BaseModel):
        # first, since it is the most frequent, and asking a model for what it has not is dear
        exchange.answered(facts_from(result))
        return result
    if isinstance(result, (openai.Stream, openai.AsyncStream)):
        return watched_stream(exchange, result)
    if hasattr(result, "http_response") and hasattr(result, "parse"):
        return _watched_raw(exchange, result)
    exchange.answered(facts_from(result))
    return result


def _watched_raw(exchange: Exchange, raw: Any) -> Any:
    """A raw response: read where its body has arrived, else when it is parsed or closed."""
    if exchange.scope.facts.stream:
        _watch_parse(exchange, raw)
    elif raw.http_response.is_closed:
        _read_body(exchange, raw.http_response)
    else:
        _watch_body(exchange, raw.http_response)
    return raw


def _watch_parse(exchange: Exchange, raw: Any) -> None:
    """The stream that ``parse`` gives is watched; a response closed unparsed is unknown."""
    original = raw.parse
    streams: dict[int, Any] = {}

    def public(stream: Any) -> Any:
        if id(stream) not in streams:
            streams[id(stream)] = (stream, watched_stream(exchange, stream))
        return streams[id(stream)][1]

    if inspect.iscoroutinefunction(original):

        async def async_parse(*args: Any, **kwargs: Any) -> Any:
            return public(await original(*args, **kwargs))

        raw.parse = async_parse
    else:

        def parse(*args: Any, **kwargs: Any) -> Any:
            return public(original(*args, **kwargs))

        raw.parse = parse
    after(raw.http_response, "close", lambda: None if streams else exchange.ended(Status.OK))
    after(raw.http_response, "aclose", lambda: None if streams else exchange.ended(Status.OK))


def _watch_body(exchange: Exchange, response: Any) -> None:
    """The usage is in the body once it has been read; closed without that, it is unknown.

    Reading closes the response before the body is at hand, so a close only counts outside of it.
    """
    reading = [False]

    def begun() -> None:
        reading[0] = True

    def read() -> None:
        reading[0] = False
        _read_body(exchange, response)

    def closed() -> None:
        if not reading[0]:
            exchange.ended(Status.OK)

    for name in ("read", "aread"):
        after(response, name, read, before=begun)
    for name in ("close", "aclose"):
        after(response, name, closed)


def after(
    target: Any, name: str, then: Callable[[], object], before: Callable[[], object] | None = None
) -> None:
    """Have ``then`` run after the method ``name`` of this one object, and ``before`` before it."""
    original = getattr(target, name, None)
    if original is None:
        return
    if inspect.iscoroutinefunction(original):

        async def async_method(*args: Any, **kwargs: Any) -> Any:
            if before is not None:
                before()
            try:
                return await original(*args, **kwargs)
            finally:
                then()

        setattr(target, name, async_method)
        return

    def method(*args: Any, **kwargs: Any) -> Any:
        if before is not None:
            before()
        try:
            return original(*args, **kwargs)
        finally:
            then()

    setattr(target, name, method)


def _read_body(exchange: Exchange, response: Any) -> None:
    with guarded("openai raw response"):
        content = getattr(response, "_content", None)
        if content is not None:
            exchange.answered(facts_of({"usage": None, **json.loads(content)}))
            return
    exchange.ended(Status.OK)


__all__ = ["watched"]
