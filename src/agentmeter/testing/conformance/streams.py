"""Cases of streams: whole, and every way in which one can be cut short."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from agentmeter.runtime.public import request
from agentmeter.testing.conformance.subject import (
    Subject,
    amounts_to_the_bill,
    calls_of,
    expect,
    partial,
    running,
    shown,
)
from agentmeter.testing.server import ModelServer


def stream(subject: Subject) -> None:
    """A stream read to its end is metered as it is billed, its items as they are unmetered."""
    assert subject.stream is not None
    with running(subject) as (server, meter):
        with request(), subject.stream(server) as items:
            seen = [shown(item) for item in items]
        amounts_to_the_bill(server, meter)
        expect("status", calls_of(meter)[0].status.value, "ok")
    with running(subject, on=False) as (server, _), subject.stream(server) as items:
        expect("items", seen, [shown(item) for item in items])


def closed(subject: Subject) -> None:
    """A reader who had enough: the output is known in part."""
    assert subject.stream is not None
    with running(subject) as (server, meter):
        with request(), subject.stream(server) as items:
            next(iter(items))
        partial(meter, "closed")


def left_by_an_error(subject: Subject) -> None:
    """An error of the application on the way: the output is known in part."""
    assert subject.stream is not None
    with running(subject) as (server, meter):
        try:
            with request(), subject.stream(server) as items:
                next(iter(items))
                raise _WantedError
        except _WantedError:
            partial(meter, "error")


class _WantedError(Exception):
    """What the application raises."""


def cut(kind: Literal["clean", "reset"]) -> Callable[[Subject], None]:
    """The server ends the stream after two items, by a clean end or by breaking the connection."""

    def check(subject: Subject) -> None:
        assert subject.stream is not None
        cut = replace(subject.reply, cut_after=2, cut=kind)
        with running(subject, cut) as (server, meter):
            try:
                with request(), subject.stream(server) as items:
                    list(items)
            except Exception:
                expect("an error of a stream that was cut", kind, "reset")
            partial(meter, "cut")

    return check


def async_stream(subject: Subject) -> None:
    """An asynchronous stream read to its end is metered as it is billed."""
    assert subject.stream_async is not None
    begin = subject.stream_async

    async def run(server: ModelServer) -> None:
        async with request(), begin(server) as items:
            async for _ in items:
                pass

    with running(subject) as (server, meter):
        asyncio.run(run(server))
        amounts_to_the_bill(server, meter)


def cancelled(subject: Subject) -> None:
    """A reader that is cancelled is cancelled, and what had arrived is known."""
    assert subject.stream_async is not None
    begin = subject.stream_async

    async def read(server: ModelServer, first: asyncio.Event) -> None:
        async with request(), begin(server) as items:
            async for _ in items:
                first.set()

    async def run(server: ModelServer) -> None:
        first = asyncio.Event()
        task = asyncio.create_task(read(server, first))
        await asyncio.wait_for(first.wait(), 30)
        task.cancel()
        (ended,) = await asyncio.gather(task, return_exceptions=True)
        expect("the cancellation", type(ended).__name__, "CancelledError")

    with running(subject, replace(subject.reply, chunk_delay=0.2)) as (server, meter):
        asyncio.run(run(server))
        partial(meter, "cancelled")
