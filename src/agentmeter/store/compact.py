"""Compaction: closed journals become Parquet, clustered by request, and are removed.

What is written is read back, resolved into leaves (see ``leaves``) and counted before it takes the
place of anything; until the manifest is in place the journals count, and from then on the Parquet.
Earlier generations that are small beside the new one are taken in, so that their number stays low.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from agentmeter.exceptions import SourceError
from agentmeter.pricing.pricer import Pricer
from agentmeter.pricing.tariff import Tariff
from agentmeter.semconv.otlp import schema_of
from agentmeter.store.folder import (
    Generation,
    Holdings,
    alone,
    commit,
    entries_name,
    holdings,
    is_open,
    leaves_name,
    remove,
    sync_folder,
)
from agentmeter.store.leaves import LEAF_COLUMNS
from agentmeter.store.parquet import (
    ENTRY_ROWS,
    LEAF_ROWS,
    Fetched,
    check_columns,
    clear_workplaces,
    connect,
    entry_rows,
    quoted,
    read_fetched,
    workplace,
    write,
)
from agentmeter.store.reader import is_binary, is_newer
from agentmeter.store.resolve import Resolved, Resolver
from agentmeter.store.rows import ENTRY_COLUMNS
from agentmeter.store.shelves import Shelves, write_parts
from agentmeter.store.source import Progress, Source, row_digest, silent

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_ENTRY_ORDER = "request_id, started_ns, scope_id"
_TOLD = 5_000
_TAKEN_IN = 2
_COLUMNS = ", ".join(ENTRY_COLUMNS)


@dataclass(frozen=True, slots=True)
class Compacted:
    """What a run has done: how many entries of which journals, and what it left as it was."""

    journals: tuple[Path, ...] = ()
    entries: int = 0
    left_open: tuple[Path, ...] = ()
    problems: tuple[str, ...] = ()
    bytes_before: int = 0
    bytes_after: int = 0


def compact(folder: str | Path, pricer: Pricer, progress: Progress = silent) -> Compacted:
    """Compact the closed journals of ``folder``.

    ``pricer`` is asked for calls that only the spans of other instrumentations told of. Raises
    ``SourceError`` for a folder that is not there, Parquet that cannot be verified or a disk that
    is full, and ``BusyError`` where another process rewrites the folder; nothing has changed then.
    """
    place = Path(folder)
    if not place.is_dir():
        raise SourceError(f"{place}: no such folder; name a journal folder, such as .agentmeter")
    with alone(place):
        return compact_alone(place, pricer, progress)


def compact_alone(place: Path, pricer: Pricer, progress: Progress = silent) -> Compacted:
    """``compact`` for who holds the folder's lock already."""
    clear_workplaces(place)
    held = holdings(place)
    remove(held.stale)
    left_open = tuple(journal for journal in held.journals if is_open(journal))
    closed = [journal for journal in held.journals if journal not in left_open]
    reasons = {journal: _why_left(journal) for journal in closed}
    taken = tuple(journal for journal in closed if not reasons[journal])
    problems = (*held.problems, *(reason for reason in reasons.values() if reason))
    if not taken:
        return Compacted((), 0, left_open, problems)
    before = sum(journal.stat().st_size for journal in taken)
    done = _done(held, taken, pricer, progress, careful=False)
    if done is None:
        done = _done(held, taken, pricer, progress, careful=True)
        assert done is not None
    return replace(
        done, left_open=left_open, problems=(*problems, *done.problems), bytes_before=before
    )


def _done(
    held: Holdings, taken: tuple[Path, ...], pricer: Pricer, progress: Progress, *, careful: bool
) -> Compacted | None:
    """Journals compacted; ``None``, and nothing done, where they have to be read with more care."""
    place = held.folder
    with workplace(place) as work, connect(work) as connection:
        source = Source(work, pricer, progress, careful)
        source.take(taken)
        merged = _taken_in(held, source.lines.count, connection)
        writing = Writing(place, work, connection, held, merged, progress)
        generation = writing.compacted(source.lines, source.digest)
        if writing.odd and not careful:
            return None
        writing.put_in_place(replace(generation, replaces=(
            *(journal.name for journal in taken), *(name for one in merged for name in one.files)
        )))  # fmt: skip
        after = sum((place / name).stat().st_size for name in generation.files)
    return Compacted(taken, source.lines.count, (), tuple(source.problems), 0, after)


def _why_left(journal: Path) -> str:
    """Why a journal that is closed is not compacted by this version; blank where it is."""
    if is_binary(journal):
        return f"{journal}: a binary file, not OTLP JSON; left"
    with journal.open("rb") as lines:
        try:
            version = schema_of(orjson.loads(next(lines, b"{}")))
        except (ValueError, KeyError, TypeError, AttributeError):
            return ""
    return "".join(is_newer(journal, [version]))


def _taken_in(
    held: Holdings, entries: int, connection: "DuckDBPyConnection"
) -> tuple[Generation, ...]:
    """The generations that are small beside what is new, and sound."""
    taken: list[Generation] = []
    for one in sorted(held.generations, key=lambda one: one.entries):
        sound = check_columns(connection, held.folder / entries_name(one.name), ENTRY_COLUMNS)
        if one.entries <= _TAKEN_IN * entries and sound is None:
            taken.append(one)
            entries += one.entries
    return tuple(taken)


@dataclass(slots=True)
class Writing:
    """A new generation on its way."""

    place: Path
    work: Path
    connection: "DuckDBPyConnection"
    held: Holdings
    merged: tuple[Generation, ...]
    progress: Progress
    name: str = field(default_factory=lambda: os.urandom(6).hex())
    odd: bool = False
    shared: bool = True
    _digest: int = 0
    _rows: int = 0
    _total: int = 0

    def compacted(self, lines: Shelves, digest: int) -> Generation:
        """The entries of journals and of the generations that are taken in."""
        relations = []
        for part, theirs in lines.parts(ENTRY_COLUMNS):
            relation = f"SELECT {_COLUMNS} FROM {part}"
            if self.merged:
                held = self.entries_of(self.merged)
                relation += f" UNION ALL SELECT {_COLUMNS} FROM {held} WHERE {theirs}"
            relations.append(f"({relation})")
        total = lines.count + sum(one.entries for one in self.merged)
        known = sum(int(one.digest, 16) for one in self.merged)
        return self.write(relations, total, digest + known)

    def write(self, relations: list[str], total: int, digest: int) -> Generation:
        """Write entries and leaves into the workplace, and verify them by reading them back."""
        self._total = total
        self.progress("sorting", 0, 1)
        entries = self.work / entries_name(self.name)
        self._sorted(relations, entries, _ENTRY_ORDER, ENTRY_ROWS)
        self.progress("sorting", 1, 1)
        found = self._resolve(entries)
        self._check(digest)
        return self._generation(found)

    def entries_of(self, generations: Iterable[Generation]) -> str:
        """The entries of generations as a relation."""
        files = [quoted(self.place / entries_name(one.name)) for one in generations]
        return f"read_parquet([{', '.join(files)}])"

    def _resolve(self, entries: Path) -> Resolved:
        kept = [one for one in self.held.generations if one not in self.merged]
        held = self.entries_of(kept) if kept else None
        fresh = f"read_parquet({quoted(entries)})"
        tariffs = known_tariffs(self.connection, [fresh, *([held] if held else [])])
        with Shelves(self.work / "leaves.jsonl") as lines:
            found = Resolver(self.connection, fresh, held, tariffs, lines, self._seen).run()
        self.odd = found.odd
        target = self.work / leaves_name(self.name)
        relations = [part for part, _ in lines.parts(LEAF_COLUMNS)]
        self._sorted(relations, target, "request_id, started_ns", LEAF_ROWS)
        shares = self.connection.execute(f"SELECT count(shares) FROM {fresh}").fetchone()
        self.shared = shares != (0,)
        count = self.connection.execute(
            f"SELECT count(*) FROM read_parquet({quoted(target)})"
        ).fetchone()
        if count != (found.leaves,):
            raise SourceError(f"{target.name}: {count} leaves, and {found.leaves} were written")
        return found

    def _sorted(self, relations: list[str], target: Path, order: str, rows: int) -> None:
        if len(relations) == 1:
            write(self.connection, relations[0], target, order, rows)
        else:
            write_parts(self.connection, relations, target, order, rows)

    def _seen(self, row: Fetched) -> None:
        self._digest += row_digest(row[:7])
        self._rows += 1
        if self._rows % _TOLD == 0:
            self.progress("resolving requests", self._rows, self._total)

    def _check(self, digest: int) -> None:
        self.progress("resolving requests", self._rows, self._total)
        if self._rows != self._total or self._digest % 2**128 != digest % 2**128:
            raise SourceError(
                f"{self.place}: what was written does not read back the same ({self._rows} of "
                f"{self._total} entries); the journals are kept as they were"
            )

    def _generation(self, found: Resolved) -> Generation:
        last = max((one.sequence for one in self.held.generations), default=0)
        return Generation(
            name=self.name,
            sequence=last + 1,
            entries=self._rows,
            leaves=found.leaves,
            digest=f"{self._digest % 2**128:032x}",
            again=tuple(found.again),
            meters=tuple(sorted(found.meters)),
            own_meters=found.own_meters,
            currencies=tuple(sorted(found.currencies)),
            missing=tuple(sorted(found.missing)),
            refused=found.refused,
            shared=self.shared,
        )

    def put_in_place(self, generation: Generation) -> None:
        """Make the new generation count, and then remove what it replaces."""
        for name in generation.files[1:]:
            (self.work / name).rename(self.place / name)
        sync_folder(self.place)
        commit(self.place, generation)
        remove(self.place / name for name in generation.replaces)


def known_tariffs(connection: "DuckDBPyConnection", relations: list[str]) -> dict[str, Tariff]:
    """The tariffs that relations of entries hold, by digest."""
    found: dict[str, Tariff] = {}
    for relation in relations:
        for row in entry_rows(connection, relation, "WHERE request_id = '' AND entry = 'tariff'"):
            tariff = read_fetched(row).tariff
            if tariff is not None:
                found[tariff.digest] = tariff
    return found
