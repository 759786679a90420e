"""Results of ``request``: parsed models, streams, and raw responses that are parsed later."""

import json
from typing import Any

from agentmeter.integration import Status, facts_of, guarded
from agentmeter_openai.exchange import Exchange, facts_from
from agentmeter_openai.stream import watched_stream


def watched(exchange: Exchange, result: Any) -> Any:
    """``result``, watched where its usage is still to come."""
    import openai

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
        _see_close(exchange, raw.http_response)
    return raw


def _watch_parse(exchange: Exchange, raw: Any) -> None:
    original = raw.parse
    streams: dict[int, Any] = {}

    def public(stream: Any) -> Any:
        if id(stream) not in streams:
            streams[id(stream)] = (stream, watched_stream(exchange, stream))
        return streams[id(stream)][1]

    if hasattr(raw.http_response, "aclose") and _is_coroutine(original):

        async def parse(*args: Any, **kwargs: Any) -> Any:
            return public(await original(*args, **kwargs))
    else:

        def parse(*args: Any, **kwargs: Any) -> Any:
            return public(original(*args, **kwargs))

    raw.parse = parse
    _see_close(exchange, raw.http_response)


def _is_coroutine(function: Any) -> bool:
    import inspect

    return inspect.iscoroutinefunction(function)


def _see_close(exchange: Exchange, response: Any) -> None:
    """The body has been read, or given up, when the response is closed."""
    if hasattr(response, "aclose") and "Async" in type(response.stream).__name__:
        aclose = response.aclose

        async def async_closed() -> Any:
            result = await aclose()
            _read_body(exchange, response)
            return result

        response.aclose = async_closed
        return
    close = response.close

    def closed() -> Any:
        result = close()
        _read_body(exchange, response)
        return result

    response.close = closed


def _read_body(exchange: Exchange, response: Any) -> None:
    with guarded("openai raw response"):
        content = getattr(response, "_content", None)
        if content is not None and not exchange.scope.facts.stream:
            body = json.loads(content)
            exchange.answered(facts_of({"usage": None, **body}))
            return
    exchange.ended(Status.OK)


__all__ = ["watched"]
