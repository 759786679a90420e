"""A folder of records: journals, what has been compacted, and what is neither.

A *generation* is what one compaction wrote: a Parquet file of entries, one of resolved leaves, and
a manifest. The manifest is the commit: it is put in place last, by one rename, and names the files
that it replaces. Those no longer count from then on, whether they are still there or not, so that a
crash at any moment leaves every entry in exactly one place that counts.
"""

import contextlib
import fcntl
import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import orjson

from agentmeter.exceptions import BusyError, SourceError

LAYOUT = 1
"""The version of the columns of a generation."""

_JOURNAL = re.compile(r"\d+-[0-9a-f]{12}\.jsonl")
_OTHERS = (".jsonl", ".json", ".ndjson")
_LOCK = ".compact.lock"
PREFIX = "compact-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """What one compaction wrote, as its manifest says.

    ``sequence`` orders generations; ``entries`` and ``leaves`` count rows, ``digest`` is over all
    entries. ``replaces`` names the files whose entries are in it; ``again`` the requests that were
    resolved anew with it, whose leaves in earlier generations no longer hold. ``meters`` (those of
    the table), ``own_meters`` and ``currencies`` are the ones in use; ``missing`` are
    the digests of tariffs that were named and not found; ``refused`` are the requests that have no
    leaves, and why: they are read, and reported one by one, but not added up in SQL. ``shared`` is
    whether any entry's work is shared among requests, which a look at all of them would tell.
    """

    name: str
    sequence: int
    entries: int
    leaves: int
    digest: str
    replaces: tuple[str, ...] = ()
    again: tuple[str, ...] = ()
    meters: tuple[str, ...] = ()
    own_meters: bool = False
    currencies: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)
    shared: bool = True
    layout: int = LAYOUT

    @property
    def files(self) -> tuple[str, str, str]:
        """Manifest, entries and leaves, by name."""
        return manifest_name(self.name), entries_name(self.name), leaves_name(self.name)


def manifest_name(name: str) -> str:
    """The file that makes a generation count."""
    return f"{PREFIX}{name}.manifest"


def entries_name(name: str) -> str:
    """The file of a generation's entries."""
    return f"{PREFIX}{name}.entries.parquet"


def leaves_name(name: str) -> str:
    """The file of a generation's leaves."""
    return f"{PREFIX}{name}.leaves.parquet"


@dataclass(frozen=True, slots=True)
class Holdings:
    """What counts in a folder. ``others`` are files of OTLP JSON that no journal of ours wrote."""

    folder: Path
    journals: tuple[Path, ...] = ()
    others: tuple[Path, ...] = ()
    generations: tuple[Generation, ...] = ()
    strangers: tuple[Path, ...] = ()
    stale: tuple[Path, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def texts(self) -> tuple[Path, ...]:
        """Everything that is OTLP JSON, by name."""
        return tuple(sorted((*self.journals, *self.others)))


def holdings(folder: Path) -> Holdings:
    """What ``folder`` holds at this moment."""
    names = sorted(os.listdir(folder))
    generations: list[Generation] = []
    problems: list[str] = []
    for name in names:
        if name.startswith(PREFIX) and name.endswith(".manifest"):
            try:
                generations.append(_manifest(folder / name))
            except (ValueError, TypeError, KeyError, OSError) as error:
                problems.append(f"{folder / name}: a manifest that cannot be read: {error}")
    replaced = {name for one in generations for name in one.replaces}
    holding = [one for one in generations if manifest_name(one.name) not in replaced]
    counted = {name for one in holding for name in one.files}
    claimed = {name for name in names if _is_claimed(name, names)}
    left = [name for name in names if name not in counted and name not in replaced]
    return Holdings(
        folder,
        tuple(folder / name for name in left if _JOURNAL.fullmatch(name)),
        tuple(folder / name for name in left if _is_other(name)),
        tuple(sorted(holding, key=lambda one: one.sequence)),
        tuple(folder / name for name in left if _is_stranger(name)),
        tuple(folder / name for name in names if name in replaced or _is_orphan(name, claimed)),
        tuple(problems),
    )


def is_journal(file: Path) -> bool:
    """Whether a file is called as a journal of ours is."""
    return _JOURNAL.fullmatch(file.name) is not None


def _is_other(name: str) -> bool:
    return name.endswith(_OTHERS) and not _JOURNAL.fullmatch(name)


def _is_stranger(name: str) -> bool:
    return name.endswith(".parquet") and not name.startswith(PREFIX)


def _is_orphan(name: str, claimed: set[str]) -> bool:
    """What a compaction that never came to its end has left behind."""
    return name not in claimed and name.startswith(PREFIX) and name.endswith(".parquet")


def _is_claimed(name: str, names: list[str]) -> bool:
    """Whether a manifest goes with a file, be it one that this version cannot read."""
    return manifest_name(name.removeprefix(PREFIX).partition(".")[0]) in names


def _manifest(file: Path) -> Generation:
    said = orjson.loads(file.read_bytes())
    if said.get("layout") != LAYOUT:
        raise ValueError(
            f"layout {said.get('layout')!r}, and this version of agentmeter reads {LAYOUT}; "
            "read it with the version that wrote it, or a later one"
        )
    known = {one.name for one in fields(Generation)}
    listed: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in said.items()
        if key in known
    }
    return Generation(**listed)


def commit(folder: Path, generation: Generation) -> None:
    """Make a generation count: all its files are in place and on disk."""
    target = folder / manifest_name(generation.name)
    written = target.with_suffix(".writing")
    with written.open("wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(orjson.dumps(asdict(generation), option=orjson.OPT_INDENT_2))
        file.flush()
        os.fsync(file.fileno())
    written.rename(target)
    sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """See to it that the renames in a folder outlive the power."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove(files: Iterator[Path] | tuple[Path, ...]) -> None:
    """Remove files, of which some may be gone already."""
    for file in files:
        file.unlink(missing_ok=True)


def is_open(journal: Path) -> bool:
    """Whether a live process still writes to ``journal``."""
    try:
        handle = os.open(journal, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Be the only one to rewrite ``folder``.

    Raises ``BusyError`` where another process is, and ``SourceError`` where the disk or the engine
    refuses something on the way.
    """
    try:
        with _locked(folder):
            yield
    except _refusals() as error:
        why = getattr(error, "strerror", None) or str(error).partition("\n")[0]
        raise SourceError(
            f"{folder}: {why}; nothing is lost: what the folder holds is read as before"
        ) from error


def _refusals() -> tuple[type[Exception], ...]:
    """A full disk and a folder that may not be written to, as Python and DuckDB have them."""
    engine = sys.modules.get("duckdb")
    return (OSError, engine.OperationalError) if engine is not None else (OSError,)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    handle = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise BusyError(
            f"{folder}: another process is rewriting it; nothing was done, try again later"
        ) from error
    try:
        yield
    finally:
        os.close(handle)
