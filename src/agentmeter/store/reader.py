"""Reading records back: OTLP JSON or JSON lines and what has been compacted, one or a folder.

What cannot be read is reported with file and line, and everything else is kept.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from agentmeter.exceptions import SourceError
from agentmeter.model import Entry, Record
from agentmeter.pricing.tariff import Tariff
from agentmeter.semconv import names
from agentmeter.semconv.otlp import schema_of, spans_in
from agentmeter.store.folder import Generation, Holdings, entries_name, holdings
from agentmeter.store.rows import ENTRY_COLUMNS, Read, read_span, said

_TRIES = 5


@dataclass(slots=True)
class Contents:
    """What a source held: entries, tariffs by digest, and the places that could not be read."""

    entries: list[Entry] = field(default_factory=list)
    tariffs: dict[str, Tariff] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    foreign_spans: int = 0
    recorded_faults: dict[str, dict[str, int]] = field(default_factory=dict)
    """What the writing processes counted as faults, by the id of the entry that says so."""
    only_sampled: dict[str, bool] = field(default_factory=dict)
    """Whether all that is known of a request came through a pipeline that drops some."""

    def faults(self) -> dict[str, int]:
        """The problems of reading, and what the writers had counted, for a report."""
        counts = Counter(self.problems)
        for counted in self.recorded_faults.values():
            counts.update(counted)
        return dict(counts)

    @property
    def sampled(self) -> int:
        """Requests of which all that is known came through a pipeline that drops some."""
        return sum(self.only_sampled.values())

    def also_sampled(self, name: str, *, sampled: bool) -> None:
        """Note of something of a request whether it came through such a pipeline."""
        self.only_sampled[name] = sampled and self.only_sampled.get(name, True)

    def take(self, read: Read) -> None:
        """Add what one span said."""
        if read.tariff is not None:
            self.tariffs[read.tariff.digest] = read.tariff
        if read.entry is not None:
            self.entries.append(read.entry)
            self.also_sampled(read.entry.request_id, sampled=read.sampled)
            self.foreign_spans += read.foreign
        if read.faults is not None:
            self.recorded_faults[read.faults[0]] = read.faults[1]
        self.problems.extend(read.problems)


class _MovedError(Exception):
    """A file went while it was to be read: a compaction has just replaced it."""


def read(source: str | Path) -> Contents:
    """Everything readable in ``source``, a file or a folder.

    Raises ``SourceError`` if the source is absent or if nothing in it could be read.
    """
    path = Path(source)
    if not path.exists():
        raise SourceError(
            f"{path}: no such file or folder; run an instrumented program first, "
            "or name a journal folder or an OTLP JSON file"
        )
    contents = _read_folder(path) if path.is_dir() else _read_one(path)
    if contents.problems and not contents.entries and not contents.foreign_spans:
        raise SourceError(f"nothing could be read: {'; '.join(contents.problems[:3])}")
    return contents


def _read_one(file: Path) -> Contents:
    contents = Contents()
    if file.suffix == ".parquet":
        _read_parquet(file, contents)
    else:
        read_text(file, contents)
    return contents


def _read_folder(folder: Path) -> Contents:
    """All that counts in a folder at one moment: begun anew where files were replaced meanwhile."""
    for _ in range(_TRIES):
        held = holdings(folder)
        contents = Contents(problems=[*held.problems, *map(strange, held.strangers)])
        try:
            for generation in held.generations:
                _read_parquet(folder / entries_name(generation.name), contents, held, generation)
            for file in held.texts:
                read_text(file, contents, held)
        except _MovedError:
            continue
        return contents
    raise SourceError(f"{folder}: is being rewritten all the time; try again later")


def strange(file: Path) -> str:
    """What is said of Parquet that is nobody's."""
    return f"{file}: Parquet that agentmeter did not write; not read"


def _read_parquet(
    file: Path,
    contents: Contents,
    held: Holdings | None = None,
    generation: Generation | None = None,
) -> None:
    from agentmeter.store.parquet import check_columns, connect, entry_rows, quoted, read_fetched

    with connect() as connection:
        problem = check_columns(connection, file, ENTRY_COLUMNS)
        if problem is not None:
            _moved(file, held, generation)
            contents.problems.append(problem)
            return
        import duckdb

        try:
            for row in entry_rows(connection, f"read_parquet({quoted(file)})"):
                contents.take(read_fetched(row))
        except (duckdb.Error, OSError, ValueError) as error:
            contents.problems.append(f"{file}: damaged: {str(error).splitlines()[0]}")


def _moved(file: Path, held: Holdings | None, generation: Generation | None) -> None:
    """Tell a generation that has been replaced since from one that has lost its file."""
    gone = held is not None and not file.exists()
    if gone and held is not None and generation not in holdings(held.folder).generations:
        raise _MovedError


def read_text(file: Path, contents: Contents, held: Holdings | None = None) -> None:
    """Read a file of OTLP JSON, whole or as lines."""
    try:
        data = file.read_bytes()
    except FileNotFoundError as error:
        if held is not None:
            raise _MovedError from error
        contents.problems.append(f"{file}: cannot be read: {error.strerror}")
        return
    except OSError as error:
        contents.problems.append(f"{file}: cannot be read: {error.strerror}")
        return
    if is_binary(file):
        contents.problems.append(f"{file}: a binary file, not OTLP JSON")
        return
    newer: set[int] = set()
    for line, text in documents(data):
        try:
            document = orjson.loads(text)
            spans = list(spans_in(document))
        except ValueError as error:
            contents.problems.append(f"{file}, line {line}: {said(error)}")
            continue
        newer.add(schema_of(document))
        for span, scope in spans:
            contents.take(read_span(span, scope, f"{file}, line {line}"))
    contents.problems.extend(is_newer(file, newer))


def is_newer(file: Path, versions: Iterable[int]) -> list[str]:
    """What is said of a file that states schema versions above ours."""
    return [
        f"{file}: written by a newer agentmeter (schema {version}, this one reads "
        f"{names.SCHEMA_VERSION}): what it does not know is missing; upgrade agentmeter-otel"
        for version in sorted(versions)
        if version > names.SCHEMA_VERSION
    ]


def is_binary(file: Path) -> bool:
    """Whether this is no text at all."""
    with file.open("rb") as handle:
        return b"\0" in handle.read(1024)


def documents(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Lines where the first line is a document of its own, else the whole file as one."""
    lines = data.splitlines()
    try:
        orjson.loads(lines[0] if lines else b"{}")
    except ValueError:
        try:
            orjson.loads(data)
        except ValueError:
            pass
        else:
            yield 1, data
            return
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield number, line


def read_request(folder: Path, request_id: str) -> Iterable[Entry]:
    """The entries of one request in a journal folder, the work that it shares included."""
    found = _naming({request_id}, folder)
    shared = {one.request_id for one in found if isinstance(one, Record) and one.shares}
    if shared:
        found = _naming({request_id, *shared}, folder)
    own = {request_id, *shared}
    return [entry for entry in found if entry.request_id in own]


def read_on(folder: Path, read_so_far: dict[Path, int]) -> Contents:
    """What a journal folder has come to hold since; moves ``read_so_far`` (bytes by file) on.

    A line that is still being written is left for the next time. What is compacted meanwhile comes
    once more: an entry repeated is an entry still.
    """
    contents = Contents()
    if not folder.is_dir():
        return contents
    held = holdings(folder)
    for generation in held.generations:
        compacted = folder / entries_name(generation.name)
        if compacted not in read_so_far:
            read_so_far[compacted] = generation.entries
            _read_parquet(compacted, contents)
    for file in held.texts:
        with suppress(FileNotFoundError):  # compacted since
            _read_appended(file, read_so_far, contents)
    return contents


def _read_appended(file: Path, read_so_far: dict[Path, int], contents: Contents) -> None:
    begin = read_so_far.get(file, 0)
    if file.stat().st_size <= begin:
        return
    with file.open("rb") as opened:
        opened.seek(begin)
        data = opened.read()
    whole = data.rfind(b"\n") + 1
    read_so_far[file] = begin + whole
    for number, line in enumerate(data[:whole].splitlines(), 1):
        read_line(line, f"{file}, line {number} after byte {begin}", contents)


def _naming(ids: set[str], folder: Path) -> list[Entry]:
    """The entries that name one of ``ids`` as theirs, or as one that shares them."""
    for _ in range(_TRIES):
        with suppress(FileNotFoundError):  # compacted in this moment
            return _named_now(ids, folder)
    return []


def _named_now(ids: set[str], folder: Path) -> list[Entry]:
    held = holdings(folder)
    contents = Contents()
    if held.generations:
        _read_named(held, sorted(ids), contents)
    wanted = tuple(orjson.dumps(one)[1:-1] for one in ids)
    for file in held.texts:
        with file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if any(one in line for one in wanted):
                    read_line(line, f"{file}, line {number}", contents)
    return contents.entries


def _read_named(held: Holdings, ids: list[str], contents: Contents) -> None:
    from agentmeter.store.parquet import connect, entry_rows, quoted, read_fetched

    theirs = f"WHERE request_id IN ({', '.join('?' * len(ids))})"  # finds the row group
    shared = "WHERE shares IS NOT NULL AND list_has_any(shares, ?)"
    with connect() as connection:
        for one in held.generations:
            relation = f"read_parquet({quoted(held.folder / entries_name(one.name))})"
            asked: list[tuple[str, object]] = [(theirs, ids)]
            asked += [(shared, [ids])] if one.shared else []
            for rest, values in asked:
                for row in entry_rows(connection, relation, rest, values):
                    contents.take(read_fetched(row))


def read_line(line: bytes, place: str, contents: Contents) -> None:
    """Read one line of OTLP JSON; ``place`` begins what is said of faults."""
    try:
        for span, scope in spans_in(orjson.loads(line)):
            contents.take(read_span(span, scope, place))
    except ValueError as error:
        contents.problems.append(f"{place}: {said(error)}")
