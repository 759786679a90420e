"""What was received, appended to the folder: in groups, each on disk before anybody is told so.

*On disk* means that ``fdatasync`` has returned, once for all that came in while the one before it
was under way; without ``sync`` it means that ``write`` has, as in an application's own journal:
that outlives the process, and not the power.
"""

import queue
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from agentmeter.store.folder import sync_folder
from agentmeter.store.journal_file import JournalFile

_GROUP = 8 << 20
"""Bytes that are written at once, about."""
_ROTATED = 64 << 20
_ROTATED_SECONDS = 3600.0
"""A file of that size or age is closed, so that it can be compacted while the receiver runs."""

Told = Callable[[Exception | None], None]
"""Told once what was handed over is on disk, or why it is not."""


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines to be written, and those that have to stand before them once in every file."""

    data: bytes
    told: Told
    before: Mapping[str, bytes] = field(default_factory=dict)


class Writer:
    """A thread that appends to a folder. ``put`` may be called from any other."""

    def __init__(self, folder: Path, *, sync: bool = True, rotated: int = _ROTATED) -> None:
        self._folder = folder
        self._file = JournalFile(folder)
        self._sync = sync
        self._rotated = rotated
        self._opened = 0.0
        self._written: set[str] = set()
        self._queue: queue.SimpleQueue[Lines | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="agentmeter-receiver", daemon=True)
        self._thread.start()

    def put(self, lines: Lines) -> None:
        """Hand over lines to be written."""
        self._queue.put(lines)

    def close(self) -> None:
        """Write what was handed over, and end."""
        self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        over = False
        while not over:
            group, over = self._next_group()
            if group:
                self._write(group)
        self._file.let_go()

    def _next_group(self) -> tuple[list[Lines], bool]:
        """What waits, as much as is written at once; and whether that is all there will be."""
        group: list[Lines] = []
        size = 0
        item = self._next()
        while item is not None:
            group.append(item)
            size += len(item.data)
            if size >= _GROUP:
                return group, False
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return group, False
        return group, True

    def _next(self) -> Lines | None:
        """The first that waits; a file that has come of age is not kept open for it."""
        if not self._opened:
            return self._queue.get()
        left = self._opened + _ROTATED_SECONDS - time.monotonic()
        try:
            return self._queue.get(timeout=max(0.0, left))
        except queue.Empty:
            self._rotate()
            return self._queue.get()

    def _write(self, group: list[Lines]) -> None:
        failed: Exception | None = None
        try:
            self._append(group)
        except Exception as error:  # whatever it is, the senders have to know, and the thread live
            failed = error
            self._written.clear()
        for one in group:
            one.told(failed)
        if self._file.size >= self._rotated:
            self._rotate()

    def _append(self, group: list[Lines]) -> None:
        is_new = self._file.ready()
        if is_new:
            self._opened = time.monotonic()
            self._written.clear()
        before = {digest: line for one in group for digest, line in one.before.items()}
        missing = before.keys() - self._written
        head = [line for digest, line in before.items() if digest in missing]
        self._file.append(b"".join([*head, *(one.data for one in group)]))
        self._written |= missing
        if self._sync:
            self._file.sync()
            if is_new:
                sync_folder(self._folder)

    def _rotate(self) -> None:
        self._file.let_go()
        self._opened = 0.0
