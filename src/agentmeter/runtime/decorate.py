"""Decoration: one scope around ``def``, ``async def``, generators and async generators.

A generator's scope opens at its first ``next`` below whatever was current when the generator was
made, is attached only while the generator's own code runs, and closes when that ends. So nothing
leaks to the consumer, and interleaved generators keep their own requests.
"""

import copy
import inspect
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Mapping
from typing import Any, TypeVar

import wrapt

from agentmeter.model import Status
from agentmeter.runtime.context import attached, current_scope
from agentmeter.runtime.scope import Scope

F = TypeVar("F", bound=Callable[..., Any])
Arguments = Callable[[], Mapping[str, Any]]


def decorated(spec: Scope, function: F) -> F:
    """``function`` inside a fresh activation of ``spec`` at every call; its signature is kept."""
    run = runner_of(function)
    name = getattr(function, "__name__", type(function).__name__)

    def wrapper(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        def arguments() -> Mapping[str, Any]:
            return _bound(wrapped, instance, args, kwargs)

        return run(spec.activation(name, arguments), wrapped, args, kwargs)

    return _Decorated(function, wrapper)  # type: ignore[return-value]  # it is called as F is


class _Bound(wrapt.BoundFunctionWrapper):  # type: ignore[type-arg]  # not at run time
    """A decorated method of an instance, pickled as the bare one is."""

    def __reduce_ex__(self, protocol: Any) -> Any:
        return getattr, (self._self_instance, self.__name__)

    def __copy__(self) -> "_Bound":
        return self

    def __deepcopy__(self, memo: Any) -> Any:
        return getattr(copy.deepcopy(self._self_instance, memo), self.__name__)


class _Decorated(wrapt.FunctionWrapper):  # type: ignore[type-arg]  # not at run time
    """A decorated function; pickled by its name and its own copy, as functions are."""

    __bound_function_wrapper__ = _Bound

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.__qualname__

    def __copy__(self) -> "_Decorated":
        return self

    def __deepcopy__(self, memo: Any) -> "_Decorated":
        return self


def _bound(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Mapping[str, Any]:
    bound = inspect.signature(wrapped).bind(*args, **kwargs)
    bound.apply_defaults()
    known = {"self": instance} if instance is not None else {}
    for name, value in bound.arguments.items():
        kind = bound.signature.parameters[name].kind
        known.update(value if kind is inspect.Parameter.VAR_KEYWORD else {name: value})
    return known


def runner_of(function: Any) -> Callable[[Scope, Any, Any, Any], Any]:
    """What runs ``function`` inside a scope, by what itself is: a decorator below ours, such as
    ``contextmanager``, may have made another kind of it than what it wraps.
    """
    target = function
    if isinstance(target, (staticmethod, classmethod)):
        target = target.__func__
    if not inspect.isroutine(target) and not inspect.isclass(target):
        target = getattr(target, "func", None) or type(target).__call__
    if inspect.isasyncgenfunction(target):
        return _run_async_generator
    if inspect.isgeneratorfunction(target):
        return _run_generator
    if inspect.iscoroutinefunction(target):
        return _run_coroutine
    return _run_function


def _run_function(scope: Scope, wrapped: Any, args: Any, kwargs: Any) -> Any:
    """A plain function; one that answers with a coroutine is at work until that is done."""
    scope.open(current_scope())
    try:
        with attached(scope):
            result = wrapped(*args, **kwargs)
    except BaseException as error:
        scope.close(error)
        raise
    if inspect.iscoroutine(result):
        return _finished(scope, result)
    scope.returned(result)
    scope.close()
    return result


async def _finished(scope: Scope, coroutine: Coroutine[Any, Any, Any]) -> Any:
    try:
        with attached(scope):
            result = await coroutine
    except BaseException as error:
        scope.close(error)
        raise
    scope.returned(result)
    scope.close()
    return result


async def _run_coroutine(scope: Scope, wrapped: Any, args: Any, kwargs: Any) -> Any:
    async with scope:
        result = await wrapped(*args, **kwargs)
        scope.returned(result)
        return result


def _run_generator(scope: Scope, wrapped: Any, args: Any, kwargs: Any) -> Any:
    """Making a generator runs none of its code, but refuses arguments that do not fit."""
    return _generator(scope, current_scope(), wrapped(*args, **kwargs))


def _run_async_generator(scope: Scope, wrapped: Any, args: Any, kwargs: Any) -> Any:
    return _async_generator(scope, current_scope(), wrapped(*args, **kwargs))


def _generator(
    scope: Scope, parent: Scope | None, generator: Generator[Any, Any, Any]
) -> Generator[Any, Any, Any]:
    scope.open(parent)
    try:
        result = yield from _stepped(scope, generator)
    except GeneratorExit:
        scope.close(status=Status.CLOSED)
        raise
    except BaseException as error:
        scope.close(error)
        raise
    scope.close()
    return result


def _stepped(scope: Scope, generator: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
    """``yield from generator`` with the scope attached around every step of it."""
    step: Callable[[], Any] = lambda: next(generator)  # noqa: E731
    while True:
        try:
            with attached(scope):
                item = step()
        except StopIteration as stop:
            return stop.value
        try:
            sent = yield item
        except GeneratorExit:
            with attached(scope):
                generator.close()
            raise
        except BaseException as error:
            step = _thrower(generator, error)
        else:
            step = _sender(generator, sent)


def _thrower(generator: Any, error: BaseException) -> Callable[[], Any]:
    return lambda: generator.throw(error)


def _sender(generator: Any, sent: Any) -> Callable[[], Any]:
    return lambda: generator.send(sent)


async def _async_generator(
    scope: Scope, parent: Scope | None, generator: AsyncGenerator[Any, Any]
) -> AsyncGenerator[Any, Any]:
    scope.open(parent)
    try:
        step: Callable[[], Any] = generator.__anext__
        while True:
            try:
                with attached(scope):
                    item = await step()
            except StopAsyncIteration:
                break
            try:
                sent = yield item
            except GeneratorExit:
                with attached(scope):
                    await generator.aclose()
                raise
            except BaseException as error:
                step = _athrower(generator, error)
            else:
                step = _asender(generator, sent)
    except GeneratorExit:
        scope.close(status=Status.CLOSED)
        raise
    except BaseException as error:
        scope.close(error)
        raise
    scope.close()


def _athrower(generator: Any, error: BaseException) -> Callable[[], Any]:
    return lambda: generator.athrow(error)


def _asender(generator: Any, sent: Any) -> Callable[[], Any]:
    return lambda: generator.asend(sent)
