"""Clients whose methods are the choke points: a call of a method is one call of a model.

For clients that read the answer's status, and raise over it, above the place where they send.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from agentmeter.integration.endpoint import Endpoint
from agentmeter.integration.exchange import Exchange, begin, begin_async
from agentmeter.model import Status
from agentmeter.runtime.faults import FAULTS
from agentmeter.runtime.patches import Patches


@dataclass(frozen=True, slots=True, kw_only=True)
class MeteredMethods:
    """Makes wrappers of methods, or of functions, for ``Patches.replace``."""

    library: str
    """Its name, for faults."""
    patches: Patches
    asked: Callable[[tuple[Any, ...], Mapping[str, Any]], Mapping[str, Any] | None]
    """What ``begin`` takes beside the endpoint for a call with these arguments, its ``body`` among
    it, which is by their names; ``None`` if it bills nothing."""
    take: Callable[[Exchange, Any], Any]
    """Given what a method returned, end the exchange or watch the stream; gives the caller's."""

    def plain(self, endpoint: Endpoint) -> Callable[[Any], Any]:
        """For a method."""

        def make(original: Any) -> Any:
            def method(*args: Any, **kwargs: Any) -> Any:
                exchange, kwargs = self._begun(endpoint, args, kwargs)
                if exchange is None:
                    return original(*args, **kwargs)
                with exchange.sending():
                    result = original(*args, **kwargs)
                return self._taken(exchange, result)

            return method

        return make

    def asynchronous(self, endpoint: Endpoint) -> Callable[[Any], Any]:
        """For a coroutine method."""

        def make(original: Any) -> Any:
            async def method(*args: Any, **kwargs: Any) -> Any:
                exchange, kwargs = await self._begun_async(endpoint, args, kwargs)
                if exchange is None:
                    return await original(*args, **kwargs)
                with exchange.sending():
                    result = await original(*args, **kwargs)
                return self._taken(exchange, result)

            return method

        return make

    def managed(self, endpoint: Endpoint) -> Callable[[Any], Any]:
        """For a method that gives a context manager, sync or async, of what ``take`` takes."""

        def make(original: Any) -> Any:
            def method(*args: Any, **kwargs: Any) -> Any:
                return _Managed(self, endpoint, original, args, kwargs)

            return method

        return make

    def _begun(
        self, endpoint: Endpoint, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Exchange | None, dict[str, Any]]:
        """The exchange of a call, and the arguments to make it with."""
        asked = self._read(args, kwargs)
        exchange = begin(endpoint, **asked) if asked is not None else None
        return exchange, self._to_send(exchange, kwargs)

    async def _begun_async(
        self, endpoint: Endpoint, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Exchange | None, dict[str, Any]]:
        asked = self._read(args, kwargs)
        exchange = await begin_async(endpoint, **asked) if asked is not None else None
        return exchange, self._to_send(exchange, kwargs)

    def _read(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Mapping[str, Any] | None:
        if not self.patches.on:
            return None
        try:
            return self.asked(args, kwargs)
        except Exception as error:
            FAULTS.count(f"{self.library} request", error)
            return None

    def _to_send(self, exchange: Exchange | None, kwargs: dict[str, Any]) -> dict[str, Any]:
        if exchange is None:
            return kwargs
        exchange.attempts.begin()
        try:
            return dict(exchange.body_to_send(kwargs) or kwargs)
        except Exception as error:
            FAULTS.count(f"{self.library} request", error)
            return kwargs

    def _taken(self, exchange: Exchange, result: Any) -> Any:
        """``result`` for the caller; should watching fail, the call still ends, as unknown."""
        try:
            return self.take(exchange, result)
        except Exception as error:
            FAULTS.count(f"{self.library} response", error)
            exchange.ended(Status.OK)
            return result


class _Managed:
    """Enters the library's context manager inside the call, and ends the call with it."""

    def __init__(
        self, methods: MeteredMethods, endpoint: Endpoint, original: Any, args: Any, kwargs: Any
    ) -> None:
        self._methods = methods
        self._endpoint = endpoint
        self._original = original
        self._args, self._kwargs = args, kwargs
        self._inner: Any = None
        self._exchange: Exchange | None = None

    def __enter__(self) -> Any:
        begun = self._methods._begun(self._endpoint, self._args, self._kwargs)
        self._inner = self._made(*begun)
        if self._exchange is None:
            return self._inner.__enter__()
        with self._exchange.sending():
            result = self._inner.__enter__()
        return self._methods._taken(self._exchange, result)

    def __exit__(self, *raised: Any) -> Any:
        if self._exchange is not None:
            self._exchange.give_up()
        return self._inner.__exit__(*raised)

    async def __aenter__(self) -> Any:
        begun = await self._methods._begun_async(self._endpoint, self._args, self._kwargs)
        self._inner = self._made(*begun)
        if self._exchange is None:
            return await self._inner.__aenter__()
        with self._exchange.sending():
            result = await self._inner.__aenter__()
        return self._methods._taken(self._exchange, result)

    async def __aexit__(self, *raised: Any) -> Any:
        if self._exchange is not None:
            self._exchange.give_up()
        return await self._inner.__aexit__(*raised)

    def _made(self, exchange: Exchange | None, kwargs: dict[str, Any]) -> Any:
        self._exchange = exchange
        return self._original(*self._args, **kwargs)
