"""What a roll-up needs of a store, and the embedded one: DuckDB over Parquet and open journals.

The SQL of a roll-up lies in ``.sql`` files over one relation, ``leaves`` (see ``leaves``). A store
gives that relation and runs the SQL; what dialects say differently is kept out of it.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from agentmeter.exceptions import SourceError
from agentmeter.pricing.pricer import Pricer
from agentmeter.pricing.tariff import Tariff
from agentmeter.store.compact import known_tariffs
from agentmeter.store.folder import Generation, Holdings, entries_name, holdings, leaves_name
from agentmeter.store.leaves import LEAF_COLUMNS
from agentmeter.store.parquet import (
    Lines,
    check_columns,
    connect,
    entry_rows,
    quoted,
    read_fetched,
)
from agentmeter.store.reader import strange
from agentmeter.store.resolve import Resolver
from agentmeter.store.rows import ENTRY_COLUMNS
from agentmeter.store.source import Source

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


_TOGETHER = 20_000
_AGAIN = "; resolved again from its entries"


class Store(Protocol):
    """Where ``leaves`` can be queried.

    ``meters``, ``own_meters`` and ``currencies`` are those in use, so that no query adds up columns
    that are empty; ``problems`` say what is not in the figures, and why. ``marks`` is whether the
    first leaves of requests carry ``firsts``, which count requests without telling them apart.
    """

    meters: Sequence[str]
    own_meters: bool
    currencies: Sequence[str]
    problems: Sequence[str]
    marks: bool

    def select(self, sql: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """The rows of a query over ``leaves``; ``$name`` stands for a value."""


@dataclass(slots=True)
class Embedded:
    """A folder of journals and Parquet as a ``Store``; a context manager.

    What is not compacted yet is resolved on entry, together with what was known before of the same
    requests, whose older leaves then no longer hold.
    """

    folder: Path
    pricer: Pricer
    meters: list[str] = field(default_factory=list)
    own_meters: bool = False
    currencies: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    marks: bool = True
    refused: list[str] = field(default_factory=list)
    _connection: "DuckDBPyConnection | None" = None
    _work: "tempfile.TemporaryDirectory[str] | None" = None

    def __enter__(self) -> Self:
        if not self.folder.is_dir():
            raise SourceError(f"{self.folder}: no such folder; name a journal folder")
        held = holdings(self.folder)
        self.problems += [*held.problems, *map(strange, held.strangers)]
        self._work = tempfile.TemporaryDirectory(prefix="agentmeter-")
        try:
            self._connection = connect(Path(self._work.name))
            self._view(self._connection, held)
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        if self._work is not None:
            self._work.cleanup()

    def select(self, sql: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """The rows of a query over ``leaves``. Raises ``SourceError`` where a file fails."""
        import duckdb

        assert self._connection is not None
        try:
            return self._connection.execute(sql, dict(values)).fetchall()
        except (duckdb.IOException, duckdb.InvalidInputException) as error:
            raise self._failed(error) from error

    def stream(self, sql: str, values: Mapping[str, Any]) -> Iterator[list[tuple[Any, ...]]]:
        """The rows of a query over ``leaves``, some thousands at a time, as ``select`` does."""
        import duckdb

        assert self._connection is not None
        try:
            found = self._connection.execute(sql, dict(values))
            yield from iter(lambda: found.fetchmany(_TOGETHER), [])
        except (duckdb.IOException, duckdb.InvalidInputException) as error:
            raise self._failed(error) from error

    def _failed(self, error: Exception) -> SourceError:
        return SourceError(
            f"{self.folder}: {str(error).splitlines()[0]}; where the folder was rewritten in "
            "this moment, run it again"
        )

    # -- the view over everything --------------------------------------------------------------

    def _view(self, connection: "DuckDBPyConnection", held: Holdings) -> None:
        kept = [
            one
            for one in held.generations
            if self._is_sound(connection, entries_name(one.name), ENTRY_COLUMNS, "; left out")
        ]
        sound = [
            one
            for one in kept
            if self._is_sound(connection, leaves_name(one.name), LEAF_COLUMNS, _AGAIN)
        ]
        self._fresh(connection, held, sound, [one for one in kept if one not in sound])
        parts = [self._part(connection, one, sound) for one in sound]
        parts.append("SELECT * FROM fresh_leaves")
        connection.execute(f"CREATE VIEW leaves AS {' UNION ALL '.join(parts)}")
        for one in sound:
            self.problems += self._told(connection, one)
            self._note(one.meters, one.own_meters, one.currencies, one.refused)
        self.meters.sort()
        self.currencies.sort(key=lambda currency: (currency != "USD", currency))

    def _is_sound(
        self, connection: "DuckDBPyConnection", name: str, columns: Mapping[str, str], so: str
    ) -> bool:
        problem = check_columns(connection, self.folder / name, columns)
        if problem is not None:
            self.problems.append(problem + so)
        return problem is None

    def _part(
        self, connection: "DuckDBPyConnection", one: Generation, sound: list[Generation]
    ) -> str:
        """The leaves of one generation that still hold."""
        part = f"SELECT * FROM read_parquet({quoted(self.folder / leaves_name(one.name))})"
        later = {name for other in sound if other.sequence > one.sequence for name in other.again}
        table = f"before_{one.sequence}"
        connection.execute(
            f"CREATE TABLE {table} AS SELECT unnest(?::VARCHAR[]) AS request_id "
            "UNION SELECT request_id FROM fresh_again",
            [sorted(later)],
        )
        if connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,):
            return part
        return f"{part} WHERE request_id NOT IN (SELECT request_id FROM {table})"

    def _note(
        self,
        meters: Sequence[str],
        own_meters: bool,
        currencies: Sequence[str],
        refused: Mapping[str, str],
    ) -> None:
        self.meters += [meter for meter in meters if meter not in self.meters]
        self.currencies += [one for one in currencies if one not in self.currencies]
        self.own_meters |= own_meters
        self.refused += refused
        self.problems += [f"request {name}: {reason}" for name, reason in refused.items()]

    def _fresh(
        self,
        connection: "DuckDBPyConnection",
        held: Holdings,
        sound: list[Generation],
        unsound: list[Generation],
    ) -> None:
        """Resolve what is in no Parquet yet, into ``fresh_leaves`` and ``fresh_again``."""
        assert self._work is not None
        work = Path(self._work.name)
        source = Source(work, self.pricer)
        source.take(held.texts)
        self.problems += source.problems
        columns = ", ".join(ENTRY_COLUMNS)
        connection.execute(
            f"CREATE TABLE fresh AS SELECT {columns} FROM {source.lines.select(ENTRY_COLUMNS)}"
        )
        for one in unsound:
            file = quoted(self.folder / entries_name(one.name))
            connection.execute(f"INSERT INTO fresh SELECT {columns} FROM read_parquet({file})")
        again = self._resolved(connection, work, sound)
        connection.execute(
            "CREATE TABLE fresh_again AS SELECT unnest(?::VARCHAR[]) AS request_id", [again]
        )

    def _resolved(
        self, connection: "DuckDBPyConnection", work: Path, sound: list[Generation]
    ) -> list[str]:
        files = ", ".join(quoted(self.folder / entries_name(one.name)) for one in sound)
        before = f"read_parquet([{files}])" if files else None
        fresh = connection.execute("SELECT count(*) FROM fresh").fetchone() != (0,)
        late = any(one.missing for one in sound)
        tariffs: dict[str, Tariff] = {}
        if fresh or late:
            tariffs = known_tariffs(connection, ["fresh", *([before] if before else [])])
        if before and late:
            fresh |= self._priced_late(connection, before, sound, tariffs)
        with Lines(work / "leaves.jsonl") as lines:
            if fresh:
                ordered = "(SELECT * FROM fresh ORDER BY request_id)"
                resolver = Resolver(connection, ordered, before, tariffs, lines)
                found = resolver.run()
                self._note(sorted(found.meters), found.own_meters, sorted(found.currencies),
                           found.refused)  # fmt: skip
        connection.execute(
            f"CREATE TABLE fresh_leaves AS SELECT {', '.join(LEAF_COLUMNS)} "
            f"FROM {lines.select(LEAF_COLUMNS)}"
        )
        return found.again if fresh else []

    def _priced_late(
        self,
        connection: "DuckDBPyConnection",
        before: str,
        sound: list[Generation],
        tariffs: dict[str, Tariff],
    ) -> bool:
        """Take requests anew whose tariff was missing when they were resolved, and is there now."""
        found = sorted({name for one in sound for name in one.missing if name in tariffs})
        if not found:
            return False
        files = ", ".join(quoted(self.folder / leaves_name(one.name)) for one in sound)
        connection.execute(
            f"INSERT INTO fresh SELECT {', '.join(ENTRY_COLUMNS)} FROM {before} "
            f"WHERE request_id IN (SELECT request_id FROM read_parquet([{files}]) "
            "WHERE list_contains(?::VARCHAR[], tariff))",
            [found],
        )
        return True

    def _told(self, connection: "DuckDBPyConnection", one: Generation) -> list[str]:
        """What could not be read when a generation was compacted."""
        relation = f"read_parquet({quoted(self.folder / entries_name(one.name))})"
        rest = "WHERE place IS NOT NULL OR problem IS NOT NULL"
        return [
            problem
            for row in entry_rows(connection, relation, rest)
            for problem in read_fetched(row).problems
        ]
