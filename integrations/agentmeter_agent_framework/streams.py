"""What a method gives as a coroutine or as a ``ResponseStream``: followed to its end, whichever."""

import inspect
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from agent_framework import ResponseStream

from agentmeter.integration import (
    Call,
    ReportedCall,
    Scope,
    Status,
    attached,
    said,
)

Read = Callable[[Any], Call | None]


class Work(Protocol):
    """What goes on while a result is awaited, or while a stream fetches an update."""

    def around(self) -> Any:
        """A context manager for the time that the framework is at work, not the reader."""

    def see(self, item: Any) -> None:
        """An update, or the whole answer."""

    def ended(self, error: BaseException | None = None, status: Status | None = None) -> None:
        """It is over. A second end does nothing."""


class Within:
    """Work inside a scope."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def around(self) -> Any:
        """The scope is the current one."""
        return attached(self._scope)

    def see(self, item: Any) -> None:
        """A scope takes nothing from what comes out of it."""

    def ended(self, error: BaseException | None = None, status: Status | None = None) -> None:
        """It closes."""
        self._scope.close(error, status)


class Reporting:
    """A model's answer; its updates tell of the usage in parts, which add up."""

    def __init__(self, call: ReportedCall, read: Read) -> None:
        self._call = call
        self._read = read
        self._told: Call | None = None

    def around(self) -> Any:
        """Calls that clients begin are taken for this one's own."""
        return self._call

    def see(self, item: Any) -> None:
        """What it tells is added to what was told before."""
        told = said(self._read, item)
        if told is not None:
            self._told = told if self._told is None else _both(self._told, told)

    def ended(self, error: BaseException | None = None, status: Status | None = None) -> None:
        """It is reported."""
        self._call.ended(self._told, error, status)


def _both(before: Call, now: Call) -> Call:
    return Call(
        usage=before.usage + now.usage,
        response_model=now.response_model or before.response_model,
        response_id=now.response_id or before.response_id,
    )


class _Followed:
    """The works of one stream, which end with the stream if with nothing else."""

    def __init__(self) -> None:
        self.works: list[Work] = []
        self.leaving = False
        """Whether the stream is being closed: its last word is no end of the work then."""

    def around(self) -> ExitStack:
        """All of them at work, the outermost first."""
        stack = ExitStack()
        for work in reversed(self.works):
            stack.enter_context(work.around())
        return stack

    def see(self, item: Any) -> None:
        for work in self.works:
            work.see(item)

    def ended(self, error: BaseException | None = None, status: Status | None = None) -> None:
        for work in self.works:
            work.ended(error, status)

    def __del__(self) -> None:
        self.ended(status=Status.CLOSED)


_STREAMS: WeakKeyDictionary[Any, _Followed] = WeakKeyDictionary()


def followed(result: Any, work: Work) -> Any:
    """``result`` for the caller; ``work`` is over when that is."""
    if isinstance(result, ResponseStream):
        _STREAMS.setdefault(result, _Followed()).works.append(work)
        return result
    if inspect.isawaitable(result):
        return _awaited(result, work)
    work.see(result)
    work.ended()
    return result


async def _awaited(result: Any, work: Work) -> Any:
    try:
        with work.around():
            answer = await result
    except BaseException as error:
        work.ended(error)
        raise
    return followed(answer, work)


def pulled(original: Any) -> Any:
    """A stream's next update, fetched while the works of the stream go on."""

    async def pull(self: Any) -> Any:
        followed = _STREAMS.get(self)
        if followed is None:
            return await original(self)
        try:
            with followed.around():
                item = await original(self)
        except StopAsyncIteration:
            followed.ended()
            raise
        except BaseException as error:
            followed.ended(error)
            raise
        followed.see(item)
        return item

    return pull


def finished(original: Any) -> Any:
    """A stream's last word, which its finalizers may make model calls for."""

    async def final(self: Any) -> Any:
        followed = _STREAMS.get(self)
        if followed is None:
            return await original(self)
        try:
            with followed.around():
                answer = await original(self)
        except BaseException as error:
            followed.ended(error)
            raise
        if not followed.leaving:
            followed.ended()
        return answer

    return final


def closed(original: Any) -> Any:
    """A stream that its reader has had enough of, or that an error has ended."""

    async def close(self: Any, *args: Any, **kwargs: Any) -> Any:
        followed = _STREAMS.get(self)
        if followed is None:
            return await original(self, *args, **kwargs)
        followed.leaving = True
        error = args[0] if args else kwargs.get("exc")
        try:
            return await original(self, *args, **kwargs)
        finally:
            followed.ended(error, Status.CLOSED if error is None else None)

    return close
