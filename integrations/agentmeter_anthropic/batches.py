"""Batches: every result is a call at the batch's price, for the request that created the batch.

Results can be read again, by another part of the program or by another process. The id of such a
call is made from its message's, so that a journal that has it twice counts it once; and in one
process it is recorded once, whichever request reads it.
"""

import hashlib
import json
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from typing import Any

from agentmeter.integration import REPORTED, CallScope, Scope, Status, current_scope, guarded
from agentmeter_anthropic.messages import facts, item

_MOST_BATCHES = 256
_MOST_RESULTS = 100_000


class Batches:
    """The batches that were created here, and the results that have been counted."""

    def __init__(self) -> None:
        self._created: OrderedDict[str, Scope | None] = OrderedDict()
        self._counted: OrderedDict[str, None] = OrderedDict()

    def forget(self) -> None:
        """Know of no batch and of no result any more."""
        self._created.clear()
        self._counted.clear()

    def created(self, batch_id: str) -> None:
        """A batch has been created for the request that is current."""
        self._created[batch_id] = current_scope()
        _forget(self._created, _MOST_BATCHES)

    def reader(self, batch_id: str, served: Mapping[str, Any]) -> Callable[[bytes], None]:
        """What takes a line of the batch's results."""
        scope = self._created.get(batch_id) or current_scope()
        return lambda line: self._read(line, scope, served)

    def _read(self, line: bytes, parent: Scope | None, served: Mapping[str, Any]) -> None:
        with guarded("batch result"):
            result = json.loads(line)["result"]
            message: Any = result.get("message")
            if result["type"] == "succeeded" and message["id"] not in self._counted:
                self._counted[message["id"]] = None
                _forget(self._counted, _MOST_RESULTS)
                _record(message, parent, served)


def _record(message: Any, parent: Scope | None, served: Mapping[str, Any]) -> None:
    said = facts(message)
    scope = CallScope(model=said.response_model, operation="chat", **served)
    scope.scope_id = hashlib.blake2b(f"batch {message['id']}".encode(), digest_size=8).hexdigest()
    scope.open(parent)
    scope.update(
        usage=said.usage,
        evidence=said.evidence or dict.fromkeys(said.usage, REPORTED),
        response_model=said.response_model,
        response_id=said.response_id,
        region=said.region or served.get("region"),
        finish_reasons=said.finish_reasons,
        batch=True,
    )
    scope.close(status=Status.OK)


def _forget(known: OrderedDict[str, Any], most: int) -> None:
    while len(known) > most:
        known.popitem(last=False)


def passing(batches: Batches, options: Any, result: Any, served: Mapping[str, Any]) -> Any:
    """Take note of a batch that is created, and of results on their way to the caller."""
    path = str(options.url).partition("?")[0]
    if path.endswith("/messages/batches") and options.method.lower() == "post":
        batch_id = item(result, "id") or item(_at_hand(result), "id")
        if batch_id:
            batches.created(batch_id)
    elif path.endswith("/results") and "/batches/" in path:
        batch_id = path.removesuffix("/results").rpartition("/")[2]
        _watch(result, batches.reader(batch_id, served))
    return result


def _at_hand(raw: Any) -> Any:
    """The body of a raw response that has been read."""
    content = getattr(getattr(raw, "http_response", None), "_content", None)
    return json.loads(content) if content else None


def _watch(result: Any, read: Callable[[bytes], None]) -> None:
    """See the lines of a decoder, or of a raw response that will be parsed or read."""
    if hasattr(result, "_raw_iterator"):
        result._raw_iterator = _watched(result._raw_iterator, read)
        return
    response = result.http_response
    for name in ("iter_bytes", "aiter_bytes"):
        original = getattr(response, name)
        setattr(
            response,
            name,
            lambda *args, _original=original, **named: _watched(_original(*args, **named), read),
        )


def _watched(inner: Any, read: Callable[[bytes], None]) -> Any:
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
