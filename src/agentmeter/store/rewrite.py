"""Generations rewritten without some of their entries, or with some of them changed.

What is rewritten becomes one new generation, verified and put in place as a compaction does it: at
every moment either the old files count, or the new one.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from agentmeter.exceptions import SourceError
from agentmeter.model import UNATTRIBUTED
from agentmeter.pricing.pricer import Pricer
from agentmeter.store.compact import Writing, compact_alone
from agentmeter.store.folder import (
    Generation,
    Holdings,
    alone,
    entries_name,
    holdings,
    leaves_name,
)
from agentmeter.store.leaves import LEAF_COLUMNS
from agentmeter.store.parquet import (
    ENTRY_ROWS,
    Lines,
    check_columns,
    connect,
    entry_rows,
    quoted,
    workplace,
    write,
)
from agentmeter.store.rows import ENTRY_COLUMNS, Row, rows_of
from agentmeter.store.shelves import ranges
from agentmeter.store.source import HASHED, Progress, row_digest

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_COLUMNS = ", ".join(f'"{name}"' for name in ENTRY_COLUMNS)

KEY = f"""CASE request_id
    WHEN '' THEN concat('trace:', trace_id)
    WHEN '{UNATTRIBUTED}' THEN concat('scope:', scope_id)
    ELSE request_id END"""
"""What stays or goes as one: a request, a trace that is in none, or a stray call."""

OF_NONE = "('tariff', 'faults', 'unreadable', 'unknown')"
"""Rows that belong to no request."""
_IS_GONE = f"({KEY} IN (SELECT key FROM gone) AND entry NOT IN {OF_NONE})"
_NAMED = f"""SELECT DISTINCT coalesce(asked_tariff, tariff) AS tariff FROM everything
    WHERE coalesce(asked_tariff, tariff) IS NOT NULL AND NOT {_IS_GONE}"""


@dataclass(slots=True)
class Rewrite:
    """A folder that is to be rewritten: the relation ``everything`` holds all compacted entries.

    ``left`` are the files beside it: journals that are open, and what agentmeter did not write.
    """

    place: Path
    work: Path
    connection: "DuckDBPyConnection"
    held: Holdings
    left: tuple[Path, ...]
    progress: Progress

    def count(self, sql: str) -> int:
        """The one figure that a query gives."""
        found = self.connection.execute(sql).fetchone()
        return int(found[0] or 0) if found else 0

    def entries_gone(self) -> int:
        """How many entries go with the keys in the table ``gone``."""
        return self.count(f"SELECT count(*) FROM everything WHERE {_IS_GONE}")

    def run(self, changing: str, change: "Change", leaves: str = "false") -> None:
        """Write anew what holds keys in the table ``gone``, or rows that are ``changing``.

        ``change`` says what becomes of such a row's body; ``leaves`` tells leaves that must not
        stay as they are either. Tariffs stay while an entry names them.
        """
        affected = self._affected(f"({_IS_GONE} OR {changing})", leaves)
        writing = Writing(
            self.place, self.work, self.connection, self.held, affected, self.progress
        )
        old = writing.entries_of(affected)
        self.connection.execute(f"CREATE TABLE named AS {_NAMED}")
        stays = (
            f"NOT {_IS_GONE} AND NOT {changing} "
            "AND (entry <> 'tariff' OR scope_id IN (SELECT tariff FROM named))"
        )
        with Lines(self.work / "changed.jsonl") as lines:
            digest = self._changed(old, f"{changing} AND NOT {_IS_GONE}", change, lines)
        for row in entry_rows(self.connection, old, f"WHERE {stays}"):
            digest += row_digest(row[: len(HASHED)])
        total = lines.count + self.count(f"SELECT count(*) FROM {old} WHERE {stays}")
        changed = self.work / "changed.parquet"
        write(self.connection, lines.select(ENTRY_COLUMNS), changed, "", ENTRY_ROWS)
        everything = (
            f"(SELECT {_COLUMNS} FROM {old} WHERE {stays} "
            f"UNION ALL SELECT {_COLUMNS} FROM read_parquet({quoted(changed)}))"
        )
        theirs = ranges(self.connection, everything)
        relations = [f"(SELECT * FROM {everything} WHERE {one})" for one in theirs]
        made = writing.write(relations, total, digest)
        files = tuple(name for one in affected for name in one.files)
        writing.put_in_place(replace(made, replaces=files))

    def _affected(self, rows: str, leaves: str) -> tuple[Generation, ...]:
        """The generations concerned: all of them, where what goes is tied to other requests."""
        tied = self.count(
            "SELECT count(*) FROM gone WHERE key LIKE 'trace:%' OR key LIKE 'scope:%'"
        ) + self.count(f"SELECT count(*) FROM everything WHERE shares IS NOT NULL AND {rows}")
        if tied:
            return self.held.generations
        return tuple(
            one
            for one in self.held.generations
            if self._holds(entries_name(one.name), rows)
            or self._holds(leaves_name(one.name), leaves)
        )

    def _holds(self, name: str, condition: str) -> bool:
        file = quoted(self.place / name)
        return self.count(f"SELECT count(*) FROM read_parquet({file}) WHERE {condition}") > 0

    def _changed(self, old: str, condition: str, change: "Change", lines: Lines) -> int:
        columns = "body, scope, resource, entry, place, problem, asked_tariff, asked_unpriced"
        cursor = self.connection.cursor()
        cursor.execute(f"SELECT {columns} FROM {old} WHERE {condition}")
        digest = 0
        while found := cursor.fetchone():
            row = change(dict(zip(columns.split(", "), found, strict=True)))
            digest += row_digest(tuple(row.get(name) for name in HASHED))
            lines.put(row)
        return digest


class Change:
    """What becomes of a row: the same entry, said differently."""

    def __call__(self, row: Row) -> Row:
        """The row in its new shape."""
        if row["entry"] == "unreadable":
            return {**row, "request_id": "", "body": self.text(row["body"])}
        span = self.span(orjson.loads(row["body"]))
        scope = {"scope": orjson.loads(row["scope"] or "{}"), "spans": [span]}
        resource = orjson.loads(row["resource"] or "null")
        document = {"resourceSpans": [{"resource": resource, "scopeSpans": [scope]}]}
        ((made, _),) = rows_of(orjson.dumps(document), row["place"] or "compacted")
        kept = ("place", "asked_tariff", "asked_unpriced")
        return {**made, **{name: row[name] for name in kept}}

    def span(self, span: Row) -> Row:
        """A span in its new shape."""
        return span

    def text(self, text: str) -> str:
        """A line that is no span, in its new shape."""
        return text


@contextlib.contextmanager
def rewriting(
    folder: Path, pricer: Pricer, progress: Progress, *, compacting: bool
) -> Iterator[Rewrite]:
    """Have a folder to oneself, its closed journals compacted first unless that is not wanted.

    Raises ``SourceError`` for a folder that is not there, or Parquet that cannot be read, and
    ``BusyError`` where another process rewrites it.
    """
    if not folder.is_dir():
        raise SourceError(f"{folder}: no such folder; name a journal folder, such as .agentmeter")
    with alone(folder):
        if compacting:
            compact_alone(folder, pricer, progress)
        held = holdings(folder)
        with workplace(folder) as work, connect(work) as connection:
            _check(connection, held)
            yield Rewrite(folder, work, connection, _viewed(connection, held), held.texts, progress)


def _check(connection: "DuckDBPyConnection", held: Holdings) -> None:
    """Nothing is rewritten where a part of it cannot be read."""
    for one in held.generations:
        files = ((entries_name(one.name), ENTRY_COLUMNS), (leaves_name(one.name), LEAF_COLUMNS))
        for name, columns in files:
            problem = check_columns(connection, held.folder / name, columns)
            if problem is not None:
                raise SourceError(f"{problem}; nothing was changed")


def _viewed(connection: "DuckDBPyConnection", held: Holdings) -> Holdings:
    files = [quoted(held.folder / entries_name(one.name)) for one in held.generations]
    nothing = ", ".join(f'CAST(NULL AS {kind}) AS "{name}"' for name, kind in ENTRY_COLUMNS.items())
    source = f"read_parquet([{', '.join(files)}])" if files else f"(SELECT {nothing} WHERE false)"
    connection.execute(f"CREATE VIEW everything AS SELECT * FROM {source}")
    connection.execute("CREATE TABLE gone (key VARCHAR)")
    return held
