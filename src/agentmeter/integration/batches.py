"""Batches: every result is a call at the batch's price, for the request that created the batch.

Results can be read again, by another part of the program or by another process, so a call's ids are
made from those of the batch and of its result. Creating a batch leaves a step in the request, at a
place that the batch's id tells: a process that reads results of a batch that it did not create
leaves them without a request, below that place, and whoever reads the journal brings them home.
Where no metered process created the batch they are of the scope that read them.
"""

import json
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from dataclasses import replace
from typing import Any

from agentmeter.integration.identity import identity
from agentmeter.model import REPORTED, Call, Record, Status
from agentmeter.runtime.call import CallScope
from agentmeter.runtime.context import current_scope
from agentmeter.runtime.faults import guarded
from agentmeter.runtime.scope import Scope, StepScope

_MOST_BATCHES = 256
_MOST_RESULTS = 100_000
_STATED = (
    *("provider", "model", "operation", "response_model", "response_id", "speed", "region"),
    *("deployment", "search_context", "finish_reasons"),
)


class _Created(StepScope):
    """Where a batch was created: its span is found by whoever knows the batch's id."""

    def __init__(self, batch_id: str) -> None:
        super().__init__("batch")
        self._batch_id = batch_id

    def _record(self, call: Call | None) -> Record:
        made = super()._record(call)
        return replace(made, trace_id=identity("batch", self._batch_id, 16), span_id=_SPAN)


class _Result(CallScope):
    """A result of a batch that another process created: its request is not known here."""

    def __init__(self, batch_id: str, **facts: Any) -> None:
        super().__init__(**facts)
        self._batch_id = batch_id

    @property
    def request_id(self) -> str:
        """Blank: the step above tells it."""
        return ""

    def _belong(self, parent: Scope | None) -> None:
        """Of no request that is known here, so that it counts towards none here."""

    def _record(self, call: Call | None) -> Record:
        made = super()._record(call)
        return replace(made, trace_id=identity("batch", self._batch_id, 16), parent_span_id=_SPAN)


_SPAN = "ba7c4" + "0" * 11


class Batches:
    """The batches that were created here, and the results that have been counted."""

    def __init__(self) -> None:
        self._created: OrderedDict[str, Scope] = OrderedDict()
        self._counted: OrderedDict[str, None] = OrderedDict()

    def forget(self) -> None:
        """Know of no batch and of no result any more."""
        self._created.clear()
        self._counted.clear()

    def created(self, batch_id: str) -> None:
        """A batch has been created for the request that is current."""
        if batch_id in self._created:
            return
        with guarded("batch"):
            step = _Created(batch_id)
            step.open(current_scope())
            step.close()
            self._created[batch_id] = step
            _forget(self._created, _MOST_BATCHES)

    def result(self, batch_id: str, result_id: str, call: Call) -> None:
        """A result has been read; ``result_id`` tells it from every other. It counts once."""
        if result_id in self._counted:
            return
        self._counted[result_id] = None
        _forget(self._counted, _MOST_RESULTS)
        step = self._created.get(batch_id)
        said = {name: value for name in _STATED if (value := getattr(call, name))}
        scope = CallScope(**said) if step is not None else _Result(batch_id, **said)
        scope.scope_id = identity("batch", result_id, 8)
        scope.open(step if step is not None else current_scope())
        known = call.evidence or dict.fromkeys(call.usage, REPORTED)
        scope.update(usage=call.usage, evidence=known, batch=True)
        scope.close(status=Status.OK)

    def reader(self, read: Callable[[Any], None], mark: bytes = b"") -> Callable[[bytes], None]:
        """What takes a line of results, as JSON; one without ``mark`` in it is none."""

        def take(line: bytes) -> None:
            with guarded("batch result"):
                if mark in line:
                    read(json.loads(line))

        return take


def _forget(known: OrderedDict[str, Any], most: int) -> None:
    while len(known) > most:
        known.popitem(last=False)


def watch_lines(response: Any, read: Callable[[bytes], None]) -> None:
    """See the lines of an httpx response that is at hand already, or will be read."""
    content = getattr(response, "_content", None)
    if content is not None:
        lines = _Lines(read)
        lines.take(content)
        lines.end()
        return
    for name in ("iter_bytes", "aiter_bytes"):
        original = getattr(response, name)
        setattr(
            response,
            name,
            lambda *args, _original=original, **named: watched_lines(
                _original(*args, **named), read
            ),
        )


def watched_lines(inner: Any, read: Callable[[bytes], None]) -> Any:
    """An iterator of bytes, sync or async, whose lines are seen on their way."""
    lines = _Lines(read)
    return _bytes_async(inner, lines) if hasattr(inner, "__anext__") else _bytes(inner, lines)


class _Lines:
    """Hands on whole lines of bytes that come in pieces."""

    def __init__(self, read: Callable[[bytes], None]) -> None:
        self._read = read
        self._rest = b""

    def take(self, data: bytes) -> None:
        *whole, self._rest = (self._rest + data).split(b"\n")
        for line in whole:
            if line.strip():
                self._read(line)

    def end(self) -> None:
        self.take(b"\n")


def _bytes(inner: Iterator[bytes], lines: _Lines) -> Iterator[bytes]:
    for data in inner:
        lines.take(data)
        yield data
    lines.end()


async def _bytes_async(inner: AsyncIterator[bytes], lines: _Lines) -> AsyncGenerator[bytes, None]:
    async for data in inner:
        lines.take(data)
        yield data
    lines.end()
