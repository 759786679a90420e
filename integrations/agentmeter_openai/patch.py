"""The choke point: ``request`` of the sync and the async base client, on the class.

Another instrumentation may have put a ``request`` of its own on a subclass, past which ours on the
base would never be called; so that is wrapped as well. What such a one puts back later may still be
our wrapper: it does nothing while metering is off, and nothing inside another wrapper of ours.

Attempts are seen by two more methods of the base client: ``_build_request`` begins one, and
``_sleep_for_retry`` ends one that failed.
"""

from contextvars import ContextVar
from typing import Any

from agentmeter.integration import FAULTS, Patches, Status, attached, guarded
from agentmeter_openai.exchange import Exchange, begin
from agentmeter_openai.raw import watched

_EXCHANGE: ContextVar[Exchange | None] = ContextVar("agentmeter_openai_exchange", default=None)


PATCHES = Patches()


def apply() -> None:
    """Patch; does nothing if already patched."""
    if PATCHES.on:
        return
    from openai import _base_client as base

    PATCHES.replace(base.BaseClient, "_build_request", _build_request)
    for client in _with_request(base.SyncAPIClient):
        PATCHES.replace(client, "request", _request)
    for client in _with_request(base.AsyncAPIClient):
        PATCHES.replace(client, "request", _async_request)
    PATCHES.replace(base.SyncAPIClient, "_sleep_for_retry", _sleep_for_retry)
    PATCHES.replace(base.AsyncAPIClient, "_sleep_for_retry", _async_sleep_for_retry)


def _with_request(client: type) -> list[type]:
    """``client`` and those of its subclasses that have a ``request`` of their own."""
    found, every = [], [client]
    for one in every:
        every.extend(one.__subclasses__())
        if "request" in one.__dict__ and one not in found:
            found.append(one)
    return found


def _begun(client: Any, options: Any) -> Exchange | None:
    """The exchange that begins here, unless metering is off or it has begun further out."""
    outer = _EXCHANGE.get()
    if not PATCHES.on or (outer is not None and outer.options is options):
        return None
    return begin(client, options)


def _request(original: Any) -> Any:
    def request(self: Any, cast_to: Any, options: Any, **kwargs: Any) -> Any:
        bound = original.__get__(self, type(self))  # it may be the wrapper of another
        exchange = _begun(self, options)
        if exchange is None:
            return bound(cast_to, options, **kwargs)
        token = _EXCHANGE.set(exchange)
        try:
            with attached(exchange.scope):
                result = bound(cast_to, exchange.options, **kwargs)
        except BaseException as error:
            exchange.failed(error)
            raise
        finally:
            _EXCHANGE.reset(token)
        return _watched(exchange, result)

    return request


def _async_request(original: Any) -> Any:
    async def request(self: Any, cast_to: Any, options: Any, **kwargs: Any) -> Any:
        bound = original.__get__(self, type(self))
        exchange = _begun(self, options)
        if exchange is None:
            return await bound(cast_to, options, **kwargs)
        token = _EXCHANGE.set(exchange)
        try:
            with attached(exchange.scope):
                result = await bound(cast_to, exchange.options, **kwargs)
        except BaseException as error:
            exchange.failed(error)
            raise
        finally:
            _EXCHANGE.reset(token)
        return _watched(exchange, result)

    return request


def _watched(exchange: Exchange, result: Any) -> Any:
    """``result`` as the caller gets it; should watching fail, the call still ends, as unknown."""
    try:
        return watched(exchange, result)
    except Exception as error:
        FAULTS.count("openai response", error)
        exchange.ended(Status.OK)
        return result


def _build_request(original: Any) -> Any:
    def build_request(self: Any, *args: Any, **kwargs: Any) -> Any:
        exchange = _EXCHANGE.get()
        if exchange is not None:
            exchange.attempts.begin()
        return original(self, *args, **kwargs)

    return build_request


def _retried(kwargs: Any) -> None:
    exchange = _EXCHANGE.get()
    if exchange is not None:
        with guarded("openai attempt"):
            response = kwargs.get("response")
            status = response.status_code if response is not None else None
            exchange.attempts.end(status, None if status else "APIConnectionError")


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
