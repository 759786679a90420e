"""The page's figures, kept up with the folder: worked out once for everybody who looks.

Another process works them out, so that the receiver goes on receiving.
"""

import asyncio
import gzip
import hashlib
import os
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import orjson

from agentmeter.serve.refusal import Refusal, full

_LOOKED = 0.5
"""Seconds between two looks at the folder."""
_REST = 3
"""Working it out takes one part in four of the time at most, however much there is."""
_STALE = 60.0
"""Seconds after which a value is worked out anew although nothing came: the day goes on."""
_BEAT = 15.0
_LENGTH = 8
_SOURCES = (".jsonl", ".json", ".ndjson", ".manifest")


@dataclass(frozen=True, slots=True)
class Value:
    """What the page is given: as JSON, packed too, and called by its digest."""

    body: bytes
    packed: bytes
    tag: str


class Reporter:
    """The process that reads the folder; asked one thing at a time. It ends with this one."""

    def __init__(self, folder: Path, most: int, plans: Path | None) -> None:
        self._arguments = [str(folder), str(most), *([str(plans)] if plans else [])]
        self._process: asyncio.subprocess.Process | None = None
        self._lock = asyncio.Lock()

    async def ask(self, *asked: str) -> bytes:
        """The answer, blank for what is not there. Raises ``Refusal`` where it cannot be told."""
        async with self._lock:
            try:
                return await self._answer(orjson.dumps(asked))
            except asyncio.CancelledError:
                await self._end()  # its answer would be taken for that to the next question
                raise
            except (OSError, asyncio.IncompleteReadError) as error:
                await self._end()
                raise Refusal(503, "the report could not be made; see what the server has printed",
                              retry_after=5) from error  # fmt: skip

    async def _answer(self, asked: bytes) -> bytes:
        if self._process is None or self._process.returncode is not None:
            self._process = await self._started()
        sent, heard = self._process.stdin, self._process.stdout
        assert sent is not None
        assert heard is not None
        sent.write(asked + b"\n")
        await sent.drain()
        return await heard.readexactly(int.from_bytes(await heard.readexactly(_LENGTH), "big"))

    async def _started(self) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "agentmeter.serve.reporting",
            *self._arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def close(self) -> None:
        """End the process."""
        await self._end()


class Live:
    """The value of the page, and when there is another."""

    def __init__(self, folder: Path, reporter: Reporter, followers: int) -> None:
        self._folder = folder
        self._reporter = reporter
        self._followers = followers
        self._following: set[asyncio.Event] = set()
        self._watching: asyncio.Task[None] | None = None
        self._making = asyncio.Lock()
        self._value: Value | None = None
        self._made_of: object = None
        self._looked = self._made = self._took = 0.0
        self._over = False

    async def value(self) -> Value:
        """The value as of now, or of a moment ago where many ask. Raises ``Refusal``."""
        async with self._making:
            now = time.monotonic()
            rests = now < self._made + _REST * self._took
            if self._value is None or (not rests and now >= self._looked + _LOOKED):
                await self._look(now)
            assert self._value is not None
            return self._value

    async def _look(self, now: float) -> None:
        there = await asyncio.to_thread(signature, self._folder)
        self._looked = now
        if self._value is None or there != self._made_of or now > self._made + _STALE:
            await self._reporter.ask("ready")
            began = time.monotonic()
            body = await self._reporter.ask("page")
            packed = await asyncio.to_thread(gzip.compress, body, 5)
            self._value = Value(body, packed, f'"{hashlib.sha256(body).hexdigest()[:32]}"')
            self._made_of = there
            self._made = time.monotonic()
            self._took = self._made - began

    async def tree(self, request_id: str) -> bytes:
        """One request with its scopes, as JSON; blank where there is none. Raises ``Refusal``."""
        return await self._reporter.ask("tree", request_id)

    def events(self) -> AsyncGenerator[bytes, None]:
        """A server-sent event whenever there is another value. Raises ``Refusal`` if crowded."""
        if len(self._following) >= self._followers:
            raise full("too many follow already")
        return self._followed(asyncio.Event())

    async def _followed(self, changed: asyncio.Event) -> AsyncGenerator[bytes, None]:
        """From the first event on it counts as one who follows: who has gone by then never did."""
        if len(self._following) >= self._followers:
            return
        self._following.add(changed)
        try:
            async for event in self._sent(changed):
                yield event
        finally:
            self._following.discard(changed)

    async def _sent(self, changed: asyncio.Event) -> AsyncGenerator[bytes, None]:
        if self._watching is None or self._watching.done():
            self._watching = asyncio.create_task(self._watch())
        yield b"retry: 1000\ndata: changed\n\n"  # since whatever its reader has seen so far
        while not self._over:
            try:
                async with asyncio.timeout(_BEAT):
                    await changed.wait()
            except TimeoutError:
                yield b": still here\n\n"
                continue
            changed.clear()
            if not self._over:
                yield b"data: changed\n\n"

    async def _watch(self) -> None:
        """Look at the folder as long as somebody follows."""
        seen = self._value
        while self._following and not self._over:
            with suppress(Refusal):
                value = await self.value()
                if seen is not None and value.tag != seen.tag:
                    self._tell()
                seen = value
            await asyncio.sleep(_LOOKED)

    def _tell(self) -> None:
        for changed in self._following:
            changed.set()

    async def close(self) -> None:
        """Let go of everybody who follows."""
        self._over = True
        self._tell()
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)


def signature(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """What tells that a folder holds something else than before."""
    told = []
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(_SOURCES):
                about = entry.stat()
                told.append((entry.name, about.st_size, about.st_ino))
    return tuple(sorted(told))
