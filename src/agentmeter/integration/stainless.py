"""Clients that Stainless generated, openai and anthropic among them, share one choke point:
``request`` of the sync and the async base client, patched on the class.

Another instrumentation may have put a ``request`` of its own on a subclass, past which ours on the
base would never be called; so that is wrapped as well. What such a one puts back later may still be
our wrapper: it does nothing while metering is off, and nothing inside another wrapper of ours.

Attempts are seen by two more methods of the base client: ``_build_request`` begins one, and
``_sleep_for_retry`` ends one that failed.
"""

import copy
import sys
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from agentmeter.integration.bodies import read_body, watch_body
from agentmeter.integration.endpoint import Body, Endpoint
from agentmeter.integration.exchange import Exchange, begin, begin_async, current_exchange
from agentmeter.integration.streams import (
    WatchedAsyncIterator,
    WatchedIterator,
    see_close,
    tally_of,
)
from agentmeter.model import Status
from agentmeter.runtime.faults import FAULTS, guarded
from agentmeter.runtime.patches import Patches

_SENT: ContextVar[Any] = ContextVar("agentmeter_sent", default=None)
"""The options of the request that is being sent, by which a wrapper knows that it is inside one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StainlessLibrary:
    """What one generated client has of its own."""

    package: str
    """Its import name."""
    endpoints: Mapping[str, Endpoint]
    """What a POST bills, by the end of its path."""
    served: Callable[[Any, Body], Mapping[str, Any]]
    """The fields of a ``Call`` that a client and a body state: ``provider``, ``region`` …"""
    passing: Callable[[Any, Any, Any], Any] | None = None
    """Given a client, the options of a request that bills nothing and its result: the result for
    the caller. Where usage comes by another way: the results of a batch."""


class StainlessPatch:
    """Meters every client of one library, made before or after."""

    def __init__(self, library: StainlessLibrary) -> None:
        self._library = library
        self._patches = Patches()
        self._module: Any = None

    def apply(self) -> None:
        """Patch; does nothing if already patched."""
        if self._patches.on:
            return
        base = import_module(f"{self._library.package}._base_client")
        self._module = import_module(self._library.package)
        try:
            self._replace(base.SyncAPIClient, self._request, _sleep_for_retry)
            self._replace(base.AsyncAPIClient, self._async_request, _async_sleep_for_retry)
            self._patches.replace(base.BaseClient, "_build_request", _build_request)
        except BaseException:
            self._patches.undo()  # half a patch would meter half
            raise

    def _replace(self, client: type, request: Any, sleep_for_retry: Any) -> None:
        for one in _with_request(client):
            self._patches.replace(one, "request", request)
        if "_sleep_for_retry" in vars(client):  # before, a client's retries are not seen
            self._patches.replace(client, "_sleep_for_retry", sleep_for_retry)

    def undo(self) -> None:
        """Put every method back."""
        self._patches.undo()

    def _request(self, original: Any) -> Any:
        def request(client: Any, cast_to: Any, options: Any, **kwargs: Any) -> Any:
            bound = original.__get__(client, type(client))  # it may be the wrapper of another
            if self._inside(options):
                return bound(cast_to, options, **kwargs)
            exchange, options = self._begun(client, options)
            token = _SENT.set(options)
            try:
                if exchange is None:
                    return self._passing(client, options, bound(cast_to, options, **kwargs))
                with exchange.sending():
                    result = bound(cast_to, options, **kwargs)
            finally:
                _SENT.reset(token)
            return self._watched(exchange, result)

        return request

    def _async_request(self, original: Any) -> Any:
        async def request(client: Any, cast_to: Any, options: Any, **kwargs: Any) -> Any:
            bound = original.__get__(client, type(client))
            if self._inside(options):
                return await bound(cast_to, options, **kwargs)
            exchange, options = await self._begun_async(client, options)
            token = _SENT.set(options)
            try:
                if exchange is None:
                    return self._passing(client, options, await bound(cast_to, options, **kwargs))
                with exchange.sending():
                    result = await bound(cast_to, options, **kwargs)
            finally:
                _SENT.reset(token)
            return self._watched(exchange, result)

        return request

    def _inside(self, options: Any) -> bool:
        """Whether metering is off, or has begun further out."""
        return not self._patches.on or _SENT.get() is options

    def _begun(self, client: Any, options: Any) -> tuple[Exchange | None, Any]:
        """The exchange of a request that bills, and the options to send."""
        asked = self._asked(client, options)
        exchange = begin(**asked) if asked is not None else None
        return exchange, self._to_send(exchange, options)

    async def _begun_async(self, client: Any, options: Any) -> tuple[Exchange | None, Any]:
        asked = self._asked(client, options)
        exchange = await begin_async(**asked) if asked is not None else None
        return exchange, self._to_send(exchange, options)

    def _asked(self, client: Any, options: Any) -> dict[str, Any] | None:
        """What ``begin`` takes for a request; ``None`` for one that bills nothing."""
        try:
            return self._read(client, options)
        except Exception as error:
            FAULTS.count(f"{self._library.package} request", error)
            return None

    def _read(self, client: Any, options: Any) -> dict[str, Any] | None:
        path = str(options.url).partition("?")[0]
        body = options.json_data
        endpoints = self._library.endpoints
        endpoint = next((one for end, one in endpoints.items() if path.endswith(end)), None)
        if endpoint is None or options.method.lower() != "post" or not isinstance(body, Mapping):
            return None
        model = body.get("model")
        return {
            "endpoint": endpoint,
            "body": body,
            "model": model if isinstance(model, str) else None,
            "stream": bool(body.get("stream")),
            **self._library.served(client, body),
        }

    def _to_send(self, exchange: Exchange | None, options: Any) -> Any:
        """The options with the body that is to be sent."""
        if exchange is None:
            return options
        try:
            body = exchange.body_to_send(options.json_data)
            if body is not None:
                options = options.model_copy()
                options.json_data = body
        except Exception as error:
            FAULTS.count(f"{self._library.package} request", error)
        return options

    def _passing(self, client: Any, options: Any, result: Any) -> Any:
        passing = self._library.passing
        if passing is None:
            return result
        try:
            return passing(client, options, result)
        except Exception as error:
            FAULTS.count(f"{self._library.package} response", error)
            return result

    def _watched(self, exchange: Exchange, result: Any) -> Any:
        """``result`` for the caller; should watching fail, the call still ends, as unknown."""
        try:
            return self._watch(exchange, result)
        except Exception as error:
            FAULTS.count(f"{self._library.package} response", error)
            exchange.ended(Status.OK)
            return result

    def _watch(self, exchange: Exchange, result: Any) -> Any:
        module = self._module
        if isinstance(result, module.BaseModel):
            # first, since it is the most frequent, and asking a model for what it has not is dear
            exchange.answered(result)
        elif isinstance(result, (module.Stream, module.AsyncStream)):
            own = issubclass(type(result), (module.Stream, module.AsyncStream))
            is_async = isinstance(result, module.AsyncStream)
            return watched_stream(exchange, result, is_async=is_async, own=own)
        elif hasattr(result, "http_response") and hasattr(result, "parse"):
            _watch_raw(exchange, result.http_response)
        else:
            exchange.answered(result)
        return result


def _with_request(client: type) -> list[type]:
    """``client`` and those of its subclasses that have a ``request`` of their own."""
    found, every = [], [client]
    for one in every:
        every.extend(one.__subclasses__())
        if "request" in one.__dict__ and one not in found:
            found.append(one)
    return found


def watched_stream(exchange: Exchange, stream: Any, *, is_async: bool, own: bool) -> Any:
    """A copy of ``stream`` that tells how it ends.

    The client's may be a reference cycle, and only a copy lets a dropped one be seen at once.
    The proxy that another instrumentation has put around it cannot be copied; then the stream in it
    is watched in place, and one that is dropped is seen at the next collection. Closing is seen at
    the response, since the ``.stream()`` helpers close that and not the stream.
    """
    tally = tally_of(exchange)
    public = copy.copy(stream) if own else stream
    public._iterator = (WatchedAsyncIterator if is_async else WatchedIterator)(
        stream._iterator, tally
    )
    see_close(stream.response, tally)
    return public


def _watch_raw(exchange: Exchange, response: Any) -> None:
    """A raw response: what it says where its body is at hand, else what is read of it."""
    content = getattr(response, "_content", None)
    if content is None:
        watch_body(exchange, response)
    else:
        read_body(exchange, content)


def _build_request(original: Any) -> Any:
    def build_request(self: Any, *args: Any, **kwargs: Any) -> Any:
        exchange = current_exchange()
        if exchange is not None:
            exchange.attempts.begin()
        return original(self, *args, **kwargs)

    return build_request


def _retried(kwargs: Any) -> None:
    exchange = current_exchange()
    if exchange is not None:
        with guarded("attempt"):
            response = kwargs.get("response")
            error = sys.exc_info()[1]
            if response is None and error is not None:
                exchange.attempts.failed(error, _as_raised(error))
            else:
                exchange.attempts.end(response.status_code)


def _as_raised(error: BaseException) -> str:
    """The name that ``error`` would have, were it the last one and raised."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    timed_out = not kinds.isdisjoint(("TimeoutException", "APITimeoutError"))
    return "APITimeoutError" if timed_out else "APIConnectionError"


def _sleep_for_retry(original: Any) -> Any:
    def sleep_for_retry(self: Any, **kwargs: Any) -> Any:
        _retried(kwargs)
        return original(self, **kwargs)

    return sleep_for_retry


def _async_sleep_for_retry(original: Any) -> Any:
    async def sleep_for_retry(self: Any, **kwargs: Any) -> Any:
        _retried(kwargs)
        return await original(self, **kwargs)

    return sleep_for_retry
