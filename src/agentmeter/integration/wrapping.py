"""A method of somebody's class that runs inside a scope, whatever kind of function it is."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

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
        return make(args[0], args[1:], kwargs)
    except Exception as error:
        FAULTS.count("framework's scope", error)
        return None
