"""A framework's method that has a model called: what it returns, or yields, reports the call."""

import inspect
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from typing import Any

from agentmeter.integration.reported import ReportedCall
from agentmeter.model import Call, Status, Usage
from agentmeter.runtime.faults import FAULTS
from agentmeter.runtime.patches import Method, Patches

MakeCall = Callable[[Any, tuple[Any, ...], Mapping[str, Any]], ReportedCall | None]
"""Makes the call that a method reports, from its object and its arguments; ``None``: none."""
Read = Callable[[Any], Call | None]
"""What a result, or an item of a stream, says of the call; ``None`` where it says nothing."""


def reporting(patches: Patches, make: MakeCall, read: Read) -> Callable[[Method], Method]:
    """What ``Patches.replace`` takes to have a method's results reported as model calls.

    ``def``, ``async def``, generators and asynchronous generators; of the items of a generator the
    last that says anything holds.
    """

    def wrap(original: Method) -> Method:
        follow = _follower(original)

        def reported(*args: Any, **kwargs: Any) -> Any:
            call = _made(make, args, kwargs) if patches.on else None
            result = None if call is None else follow(call, read, original, args, kwargs)
            return original(*args, **kwargs) if call is None else result

        async def reported_async(*args: Any, **kwargs: Any) -> Any:
            return await reported(*args, **kwargs)

        return reported_async if inspect.iscoroutinefunction(original) else reported

    return wrap


def counted(
    total_input: int | None,
    total_output: int | None,
    *,
    cache_read: int | None = None,
    cache_write: int | None = None,
    reasoning: int | None = None,
) -> Usage:
    """Usage out of a framework's overlapping counts; ``None`` is what it does not say.

    Where it says nothing of a cache, or of reasoning, that side is an unsplit sum.
    """
    cached, written = cache_read or 0, cache_write or 0
    in_split, out_split = cache_read is not None, reasoning is not None
    thought = reasoning or 0
    return Usage(
        {
            "cache_read": cached,
            "cache_write": written,
            "input" if in_split else "input_unsplit": max(0, (total_input or 0) - cached - written),
            "reasoning": thought,
            "output" if out_split else "output_unsplit": max(0, (total_output or 0) - thought),
        }
    )


def _follower(original: Method) -> Callable[..., Any]:
    if inspect.isasyncgenfunction(original):
        return _async_items
    if inspect.isgeneratorfunction(original):
        return _items
    return _coroutine if inspect.iscoroutinefunction(original) else _result


def _made(make: MakeCall, args: Any, kwargs: Any) -> ReportedCall | None:
    try:
        return make(args[0] if args else None, args[1:], kwargs)
    except Exception as error:
        FAULTS.count("framework's call", error)
        return None


def said(read: Read, result: Any) -> Call | None:
    """What a result says; a fault is counted, and says nothing."""
    try:
        return read(result)
    except Exception as error:
        FAULTS.count("framework's usage", error)
        return None


def _result(call: ReportedCall, read: Read, original: Method, args: Any, kwargs: Any) -> Any:
    try:
        with call:
            result = original(*args, **kwargs)
    except BaseException as error:
        call.ended(None, error)
        raise
    if inspect.iscoroutine(result):
        return _awaited(call, read, result)
    if inspect.isasyncgen(result):
        return _stepped_async(call, read, result)
    if inspect.isgenerator(result):
        return _stepped(call, read, result)
    call.ended(said(read, result))
    return result


async def _coroutine(
    call: ReportedCall, read: Read, original: Method, args: Any, kwargs: Any
) -> Any:
    return await _awaited(call, read, original(*args, **kwargs))


async def _awaited(call: ReportedCall, read: Read, coroutine: Any) -> Any:
    try:
        with call:
            result = await coroutine
    except BaseException as error:
        call.ended(None, error)
        raise
    if inspect.isasyncgen(result):
        return _stepped_async(call, read, result)
    call.ended(said(read, result))
    return result


def _items(call: ReportedCall, read: Read, original: Method, args: Any, kwargs: Any) -> Any:
    return _stepped(call, read, original(*args, **kwargs))


def _async_items(call: ReportedCall, read: Read, original: Method, args: Any, kwargs: Any) -> Any:
    return _stepped_async(call, read, original(*args, **kwargs))


def _stepped(
    call: ReportedCall, read: Read, items: Generator[Any, Any, Any]
) -> Generator[Any, Any, Any]:
    told: Call | None = None
    try:
        while True:
            try:
                with call:
                    item = next(items)
            except StopIteration as stop:
                call.ended(told)
                return stop.value
            told = said(read, item) or told
            yield item
    except GeneratorExit:
        items.close()
        call.ended(told, status=Status.CLOSED)
        raise
    except BaseException as error:
        call.ended(told, error)
        raise


async def _stepped_async(
    call: ReportedCall, read: Read, items: AsyncGenerator[Any, Any]
) -> AsyncGenerator[Any, Any]:
    told: Call | None = None
    try:
        while True:
            try:
                with call:
                    item = await items.__anext__()
            except StopAsyncIteration:
                call.ended(told)
                return
            told = said(read, item) or told
            yield item
    except GeneratorExit:
        await items.aclose()
        call.ended(told, status=Status.CLOSED)
        raise
    except BaseException as error:
        call.ended(told, error)
        raise


def reporting_context(patches: Patches, make: MakeCall, read: Read) -> Callable[[Method], Method]:
    """As ``reporting``, for a method that gives an asynchronous context manager with a stream:
    ``read`` is asked of it when it is left.
    """

    def wrap(original: Method) -> Method:
        def reported(*args: Any, **kwargs: Any) -> Any:
            given = original(*args, **kwargs)
            call = _made(make, args, kwargs) if patches.on else None
            return given if call is None else _Streamed(call, read, given)

        return reported

    return wrap


class _Streamed:
    """A context manager whose stream reports a call."""

    def __init__(self, call: ReportedCall, read: Read, given: Any) -> None:
        self._call = call
        self._read = read
        self._given = given
        self._stream: Any = None

    async def __aenter__(self) -> Any:
        try:
            with self._call:
                self._stream = await self._given.__aenter__()
        except BaseException as error:
            self._call.ended(None, error)
            raise
        return self._stream

    async def __aexit__(self, kind: Any, error: Any, at: Any) -> Any:
        try:
            return await self._given.__aexit__(kind, error, at)
        finally:
            self._call.ended(said(self._read, self._stream), error)
