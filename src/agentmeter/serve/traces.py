"""``POST /v1/traces``: an export is read, checked and written, and then acknowledged."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from agentmeter.serve.body import JSON, document, media_type, unpacked
from agentmeter.serve.guard import Guard
from agentmeter.serve.limits import Limits
from agentmeter.serve.refusal import Refusal
from agentmeter.serve.room import Room, Share
from agentmeter.serve.spans import Intake, Taken
from agentmeter.serve.writer import Lines, Writer

_READERS = 2
"""Bodies that are read at once: what they unpack to is in memory, several times as large."""


class Traces:
    """The receiver: answers an export once what it holds is on disk."""

    def __init__(self, guard: Guard, limits: Limits, intake: Intake, writer: Writer) -> None:
        self._guard = guard
        self._limits = limits
        self._intake = intake
        self._writer = writer
        self._room = Room(limits.pending)
        self._readers = asyncio.Semaphore(_READERS)

    async def export(self, request: Request) -> Response:
        """Answer one export. Raises ``Refusal`` once all of it has come or it is clear that not."""
        chunks = _chunks(request)
        try:
            return await self._taken(request, chunks)
        except Refusal:
            await self._drain(chunks)
            raise

    async def _taken(self, request: Request, chunks: AsyncGenerator[bytes, None]) -> Response:
        tenant = self._guard.sender(request)
        media = media_type(request.headers.get("content-type", ""))
        encoding = request.headers.get("content-encoding", "")
        self._check_size(_announced(request))
        with self._room.share() as share:
            body = await self._body(chunks, share)
            async with self._readers:
                taken = await asyncio.to_thread(self._read, body, encoding, media, tenant)
                share.grow(max(0, sum(map(len, taken.lines)) - len(body)))
            await self._written(taken)
        return _answer(taken, media)

    async def _body(self, chunks: AsyncGenerator[bytes, None], share: Share) -> bytes:
        found = bytearray()
        try:
            async with asyncio.timeout(self._limits.seconds):
                async for chunk in chunks:
                    share.grow(len(chunk))
                    self._check_size(len(found) + len(chunk))
                    found += chunk
        except TimeoutError as error:
            took = f"the body took more than {self._limits.seconds:g} seconds to come"
            raise Refusal(408, took) from error
        return bytes(found)

    async def _drain(self, chunks: AsyncGenerator[bytes, None]) -> None:
        """Let the rest of a refused body go by, within reason: who still sends does not hear."""
        left = self._limits.body
        with suppress(TimeoutError, ClientDisconnect):
            async with asyncio.timeout(self._limits.seconds):
                async for chunk in chunks:
                    left -= len(chunk)
                    if left < 0:
                        return

    def _check_size(self, size: int) -> None:
        if size > self._limits.body:
            most = self._limits.body
            raise Refusal(413, f"a body of {size:,} bytes or more; {most:,} are taken at most")

    def _read(self, body: bytes, encoding: str, media: str, tenant: str | None) -> Taken:
        found = document(unpacked(body, encoding, self._limits.inflated), media)
        taken = self._intake.take(found, tenant)
        if taken.refused and not taken.lines:
            raise Refusal(400, taken.told)  # which senders report; of a partial success few do
        return taken

    async def _written(self, taken: Taken) -> None:
        """Wait until all is on disk. Raises ``Refusal`` where the disk does not take it."""
        if not taken.lines:
            return
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Exception | None] = loop.create_future()

        def tell(error: Exception | None) -> None:
            if not done.done():
                done.set_result(error)

        def told(error: Exception | None) -> None:
            with suppress(RuntimeError):  # the loop is closed, and nobody waits any more
                loop.call_soon_threadsafe(tell, error)

        self._writer.put(Lines(b"".join(taken.lines), told, taken.tariffs))
        error = await done
        if error is not None:
            why = getattr(error, "strerror", None) or type(error).__name__
            raise Refusal(503, f"not written: {why}", retry_after=5) from error


async def _chunks(request: Request) -> AsyncGenerator[bytes, None]:
    """The body as it comes. Raises ``ClientDisconnect`` if it does not come to its end."""
    more = True
    while more:
        message = await request.receive()
        if message["type"] != "http.request":
            raise ClientDisconnect
        more = message.get("more_body", False)
        yield message.get("body", b"")


def _announced(request: Request) -> int:
    said = request.headers.get("content-length", "")
    return int(said) if said.isdecimal() and len(said) < 20 else 0


def _answer(taken: Taken, media: str) -> Response:
    if media == JSON:
        part = {"rejectedSpans": str(len(taken.refused)), "errorMessage": taken.told}
        said = {"partialSuccess": part} if taken.refused else {}
        return Response(orjson.dumps(said), media_type=JSON)
    from agentmeter.serve.protobuf import answer

    return Response(answer(len(taken.refused), taken.told), media_type=media)


def refused(request: Request, error: Exception) -> Response:
    """What is answered instead: the reason, in what the sender speaks."""
    assert isinstance(error, Refusal)
    said = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if said == "application/x-protobuf":
        from agentmeter.serve.protobuf import status

        return Response(status(error.reason), error.status, error.headers, said)
    body = orjson.dumps({"code": error.status, "message": error.reason})
    return Response(body, error.status, error.headers, JSON)
