"""Rows on their way, put on shelves by how their request's id begins, and sorted shelf by shelf.

Rows are wide, and the engine's sort needs all of them in memory; of a shelf it has room for all.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from agentmeter.store.parquet import Lines, quoted, selected, write
from agentmeter.store.rows import Row

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_BOUNDS = [f"{number:02x}" for number in range(4, 256, 4)]
"""Ids are random hex, so that shelves fill evenly; what is no hex lies on the first or the last."""
_TOGETHER = 48_000_000
"""Bytes of JSON lines that are sorted at once."""
_BESIDE = 900
"""Bytes of an entry's other columns, as JSON lines have them."""
_BUFFER = 1 << 16


class Shelves:
    """Rows by request, as files of JSON lines."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._shelves: dict[int, Lines] = {}

    @property
    def count(self) -> int:
        """How many rows there are."""
        return sum(lines.count for lines in self._shelves.values())

    def put(self, row: Row) -> None:
        """Add a row; absent columns are NULL."""
        place = bisect_right(_BOUNDS, row["request_id"])
        lines = self._shelves.get(place)
        if lines is None:
            file = self._file.with_suffix(f".{place}{self._file.suffix}")
            lines = self._shelves[place] = Lines(file, _BUFFER)
        lines.put(row)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for lines in self._shelves.values():
            lines.__exit__(kind, error, trace)

    def select(self, columns: Mapping[str, str]) -> str:
        """All rows as a relation with ``columns``, for SQL."""
        return selected(self._shelves.values(), columns)

    def parts(self, columns: Mapping[str, str]) -> Iterator[tuple[str, str]]:
        """Relations with what condition their request ids fulfil; together they are all ids."""
        least, together, size = "", list[Lines](), 0
        for place in range(len(_BOUNDS) + 1):
            lines = self._shelves.get(place)
            if lines is not None:
                if together and size + lines.size > _TOGETHER:
                    most = _BOUNDS[place - 1]
                    yield selected(together, columns), _between(least, most)
                    least, together, size = most, [], 0
                together.append(lines)
                size += lines.size
        yield selected(together, columns), _between(least, None)


_PREFIX = 4
"""Characters of a request's id by which entries are counted: of random hex, 65,536 beginnings."""


def ranges(connection: "DuckDBPyConnection", relation: str) -> list[str]:
    """What conditions the request ids of a relation of entries fulfil, for parts to be sorted at
    once; together they are all ids.
    """
    sizes = connection.execute(
        f"SELECT left(request_id, {_PREFIX}), sum(strlen(body) + {_BESIDE}) FROM {relation} "
        "GROUP BY 1 ORDER BY 1"
    ).fetchall()
    bounds, size = [""], 0
    for prefix, more in sizes:
        if size and size + more > _TOGETHER:
            bounds.append(prefix)
            size = 0
        size += int(more)
    return [_between(*two) for two in zip(bounds, [*bounds[1:], None], strict=True)]


def _between(least: str, most: str | None) -> str:
    upper = "" if most is None else f" AND request_id < {quoted(most)}"
    return f"request_id >= {quoted(least)}{upper}"


def write_parts(
    connection: "DuckDBPyConnection", relations: list[str], target: Path, order: str, rows: int
) -> None:
    """Write relations whose rows follow each other as one file of Parquet, each in ``order``."""
    files = [target.with_suffix(f".part{number}") for number in range(len(relations))]
    for relation, file in zip(relations, files, strict=True):
        write(connection, relation, file, order, rows)
    listed = ", ".join(map(quoted, files))
    write(connection, f"read_parquet([{listed}])", target, "", rows)
    for file in files:
        file.unlink()
