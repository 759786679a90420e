"""The choke point: ``request`` of the sync and the async base client, on the class.

Another instrumentation may have put a ``request`` of its own on a subclass, past which ours on the
base would never be called; so that is wrapped as well. What such a one puts back later may still be
our wrapper: it does nothing while metering is off, and nothing inside another wrapper of ours.

Attempts are seen by two more methods of the base client: ``_build_request`` begins one, and
``_sleep_for_retry`` ends one that failed.
"""

from contextvars import ContextVar
from typing import Any

from agentmeter.integration import FAULTS, Status, attached, guarded
from agentmeter_openai.exchange import Exchange, begin
from agentmeter_openai.raw import watched

_EXCHANGE: ContextVar[Exchange | None] = ContextVar("agentmeter_openai_exchange", default=None)


class Patch:
    """The patched methods and what stood there before."""

    def __init__(self) -> None:
        self._before: list[tuple[type, str, Any]] = []

    @property
    def on(self) -> bool:
        """Whether the methods are patched."""
        return bool(self._before)

    def apply(self) -> None:
        """Patch; does nothing if already patched."""
        if self._before:
            return
        from openai import _base_client as base

        self._replace(base.BaseClient, "_build_request", _build_request)
        for client in _with_request(base.SyncAPIClient):
            self._replace(client, "request", _request)
        for client in _with_request(base.AsyncAPIClient):
            self._replace(client, "request", _async_request)
        self._replace(base.SyncAPIClient, "_sleep_for_retry", _sleep_for_retry)
        self._replace(base.AsyncAPIClient, "_sleep_for_retry", _async_sleep_for_retry)

    def undo(self) -> None:
        """Put everything back."""
        while self._before:
            owner, name, original = self._before.pop()
            setattr(owner, name, original)

    def _replace(self, owner: type, name: str, make: Any) -> None:
        original = owner.__dict__[name]
        self._before.append((owner, name, original))
        setattr(owner, name, make(original))


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
    if not PATCH.on or (outer is not None and outer.options is options):
        return None
    return begin(client, options)


def _named(function: Any, original: Any) -> Any:
    from functools import update_wrapper

    return update_wrapper(function, original)


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

    return _named(request, original)


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

    return _named(request, original)


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

    return _named(build_request, original)


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

    return _named(sleep_for_retry, original)


def _async_sleep_for_retry(original: Any) -> Any:
    async def sleep_for_retry(self: Any, **kwargs: Any) -> Any:
        _retried(kwargs)
        return await original(self, **kwargs)

    return _named(sleep_for_retry, original)


PATCH = Patch()
