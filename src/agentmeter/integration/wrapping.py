"""A method of somebody's class that runs inside a scope, whatever kind of function it is."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from agentmeter.runtime.context import attach, current_scope, detach
from agentmeter.runtime.decorate import runner_of
from agentmeter.runtime.faults import FAULTS
from agentmeter.runtime.patches import Method, Patches
from agentmeter.runtime.scope import Scope

MakeScope = Callable[[Any, tuple[Any, ...], Mapping[str, Any]], Scope | None]
"""Makes the scope for a call of a method from its object and its arguments; ``None``: none."""


def inside(patches: Patches, make: MakeScope) -> Callable[[Method], Method]:
    """What ``Patches.replace`` takes to run a method inside the scope that ``make`` makes.

    ``def``, ``async def``, generators and asynchronous generators, as decorated functions.
    """

    def wrap(original: Method) -> Method:
        run = runner_of(original)

        def entered(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
            scope = _made(make, args, kwargs) if patches.on else None
            return (
                original(*args, **kwargs) if scope is None else run(scope, original, args, kwargs)
            )

        async def method_async(*args: Any, **kwargs: Any) -> Any:
            return await entered(args, kwargs)

        def method(*args: Any, **kwargs: Any) -> Any:
            return entered(args, kwargs)

        return method_async if inspect.iscoroutinefunction(original) else method

    return wrap


def _made(make: MakeScope, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Scope | None:
    try:
        return make(args[0] if args else None, args[1:], kwargs)
    except Exception as error:
        FAULTS.count("framework's scope", error)
        return None


def inside_context(patches: Patches, make: MakeScope) -> Callable[[Method], Method]:
    """As ``inside``, for a method that gives an asynchronous context manager."""

    def wrap(original: Method) -> Method:
        def method(*args: Any, **kwargs: Any) -> Any:
            given = original(*args, **kwargs)
            scope = _made(make, args, kwargs) if patches.on else None
            return given if scope is None else _Within(scope, given)

        return method

    return wrap


class _Within:
    """A context manager inside a scope: it is current in the body as well, which is its work."""

    def __init__(self, scope: Scope, given: Any) -> None:
        self._scope = scope
        self._given = given
        self._token: Any = None

    async def __aenter__(self) -> Any:
        self._scope.open(current_scope())
        self._token = attach(self._scope)
        try:
            return await self._given.__aenter__()
        except BaseException as error:
            self._leave(error)
            raise

    async def __aexit__(self, kind: Any, error: Any, at: Any) -> Any:
        try:
            return await self._given.__aexit__(kind, error, at)
        finally:
            self._leave(error)

    def _leave(self, error: BaseException | None) -> None:
        if current_scope() is self._scope:  # it may be left in another task
            detach(self._token)
        self._scope.close(error)
