"""The one file that a process appends to: opened when there is something, locked while open."""

import fcntl
import os
from contextlib import suppress
from pathlib import Path


class JournalFile:
    """A file of a journal folder, called as no other is; for one thread at a time.

    ``size`` is what was appended to it, in bytes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = -1
        self._torn = False
        self.size = 0

    def ready(self) -> bool:
        """Have the file open; whether that took a new one, in which nothing stands yet.

        That is so as well where somebody has deleted the old one, since nobody would read it.
        """
        if self._file >= 0 and os.fstat(self._file).st_nlink == 0:
            self.let_go()
        if self._file >= 0:
            return False
        self._file = _opened(self._folder)
        return True

    def append(self, data: bytes) -> None:
        """Write whole lines. After a failure a part of a line may stand at the end of the file,
        which the next lines do not go on.
        """
        torn, self._torn = self._torn, True
        _write_fully(self._file, b"\n" + data if torn else data)
        self._torn = False
        self.size += len(data)

    def sync(self) -> None:
        """See to it that what was appended outlives the power."""
        os.fdatasync(self._file)

    def let_go(self) -> None:
        """Close the file, if there is one; what is appended next goes to another."""
        file, self._file = self._file, -1
        self._torn = False
        self.size = 0
        if file >= 0:
            os.close(file)


def _opened(folder: Path) -> int:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    ignore = folder / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n")
    name = f"{os.getpid()}-{os.urandom(6).hex()}.jsonl"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
    opening = folder / f".{name}.opening"
    file = os.open(opening, flags, 0o600)
    with suppress(OSError):  # not every file system has locks; the records matter more
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    opening.rename(folder / name)  # a compaction sees it only once it is locked
    return file


def _write_fully(file: int, data: bytes) -> None:
    """One ``write`` as a rule; a short one goes on where it stopped."""
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]
