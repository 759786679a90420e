"""Rows into Parquet and back, through DuckDB.

Rows go by way of a file of JSON lines, since DuckDB reads one without another library: it sorts
them on disk where they do not fit into memory.
"""

import contextlib
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import orjson

from agentmeter.exceptions import SourceError
from agentmeter.store.rows import Read, Row, read_row

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MEMORY = "384MB"
ENTRY_ROWS, LEAF_ROWS = 20_480, 122_880
"""Rows of a row group: small where one request is read with all that it said, and the engine's own
where whole columns are summed."""
_FETCHED = 2048
_BUFFER = 1 << 22
"""What DuckDB reads at a time, in bytes, where no row is longer."""


def connect(spill: Path | None = None, memory: str = MEMORY) -> "DuckDBPyConnection":
    """A DuckDB of one's own, in memory, that fetches nothing; ``spill`` is where it may swap,
    and without one it does not.

    Raises ``SourceError`` where DuckDB is not installed.
    """
    try:
        import duckdb
    except ModuleNotFoundError as error:
        raise SourceError(
            f"compacted records need {error.name}: pip install 'agentmeter-otel[store]'"
        ) from error
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": memory,
        "autoinstall_known_extensions": "false",
    }  # no time zone: instants are whole numbers here, and ICU takes longer than a look-up
    config["temp_directory"] = "" if spill is None else str(spill)
    connection = duckdb.connect(config=config)
    connection.execute("SET enable_progress_bar = false")  # it would go to standard output
    return connection


@contextlib.contextmanager
def workplace(folder: Path) -> Iterator[Path]:
    """A folder inside ``folder`` for what is not finished; gone afterwards, whatever happens."""
    place = folder / f".compact-{os.urandom(6).hex()}"
    place.mkdir(mode=0o700)
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def clear_workplaces(folder: Path) -> None:
    """Remove what runs that were killed have left unfinished."""
    for place in folder.glob(".compact-*"):
        if place.is_dir():
            shutil.rmtree(place, ignore_errors=True)


class Lines:
    """Rows on their way, as a file of JSON lines."""

    def __init__(self, file: Path, buffering: int = 1 << 20) -> None:
        self.file = file
        self.count = self.size = 0
        self.longest = _BUFFER
        self._handle = file.open("wb", buffering=buffering)

    def put(self, row: Row) -> None:
        """Add a row; absent columns are NULL."""
        line = orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)
        self.longest = max(self.longest, len(line))
        self._handle.write(line)
        self.count += 1
        self.size += len(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._handle.close()

    def select(self, columns: Mapping[str, str]) -> str:
        """The rows as a relation with ``columns``, for SQL."""
        return selected([self], columns)


def selected(given: Iterable[Lines], columns: Mapping[str, str]) -> str:
    """All these rows as one relation with ``columns``, for SQL."""
    filled = [one for one in given if one.count]
    if not filled:
        nothing = ", ".join(f"CAST(NULL AS {kind}) AS {name}" for name, kind in columns.items())
        return f"(SELECT {nothing} WHERE false)"
    typed = ", ".join(f"{name}: '{kind}'" for name, kind in columns.items())
    files = ", ".join(quoted(one.file) for one in filled)
    return (
        f"read_json([{files}], format = 'newline_delimited', columns = {{{typed}}}, "
        f"maximum_object_size = {max(one.longest for one in filled)})"
    )


def quoted(text: str | Path) -> str:
    """Text as a literal of SQL."""
    return "'" + str(text).replace("'", "''") + "'"


def write(
    connection: "DuckDBPyConnection", relation: str, target: Path, order: str, rows: int
) -> None:
    """Write a relation as Parquet in ``order``, blank as it is, and see that it is on disk."""
    sorting = f"ORDER BY {order}" if order else ""
    connection.execute(
        f"COPY (SELECT * FROM {relation} {sorting}) TO {quoted(target)} "
        f"(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {rows})"
    )
    handle = os.open(target, os.O_RDONLY)
    try:
        os.fchmod(handle, 0o600)
        os.fsync(handle)
    finally:
        os.close(handle)


def check_columns(
    connection: "DuckDBPyConnection", file: Path, columns: Mapping[str, str]
) -> str | None:
    """What is wrong with a Parquet file, or ``None`` where it can be read and has ``columns``."""
    import duckdb

    try:
        found = connection.execute(
            f"DESCRIBE SELECT * FROM read_parquet({quoted(file)})"
        ).fetchall()
    except (duckdb.Error, OSError) as error:
        return f"{file}: cannot be read as Parquet: {str(error).splitlines()[0]}"
    have = {str(row[0]): str(row[1]).replace('"', "") for row in found}
    wrong = [name for name, kind in columns.items() if have.get(name) != kind]
    if wrong:
        first = wrong[0]
        return (
            f"{file}: Parquet of another schema: column {first!r} should be "
            f"{columns[first]} and is {have.get(first, 'absent')}"
        )
    return None


_READ = "entry, scope, body, place, problem, asked_tariff, asked_unpriced, request_id, trace_id"
Fetched = tuple[Any, ...]


def entry_rows(
    connection: "DuckDBPyConnection", relation: str, rest: str = "", parameters: object = None
) -> Iterator[Fetched]:
    """The rows of a relation of entries, for ``read_fetched``; ``rest`` filters and sorts."""
    cursor = connection.cursor()
    cursor.execute(f"SELECT {_READ} FROM {relation} {rest}", parameters)
    while rows := cursor.fetchmany(_FETCHED):
        yield from rows
    cursor.close()


def read_fetched(row: Fetched) -> Read:
    """What a fetched row says, with the price that was asked for when it was compacted."""
    entry, scope, body, place, problem, tariff, unpriced = row[:7]
    read = read_row(entry, scope, body, place, problem)
    if tariff is not None or unpriced is not None:
        read.entry = _priced(read.entry, tariff, unpriced)
    return read


def _priced(entry: Any, tariff: str | None, unpriced: str | None) -> Any:
    from dataclasses import replace

    return replace(entry, call=replace(entry.call, tariff=tariff, unpriced=unpriced))
