"""Requests resolved into leaves, one after the other, from entries that are sorted by request.

Most requests stand for themselves. Some are *entangled*: a span without a request is placed by the
other spans of its trace, work may be shared among requests, and a stray call is brought home by its
response. What hangs together in such a way is resolved together.
"""

import gc
import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any

from agentmeter.exceptions import MoneyError
from agentmeter.model import OURS, UNATTRIBUTED
from agentmeter.pricing.tariff import Tariff
from agentmeter.report.report import RequestReport, build
from agentmeter.store.leaves import leaf_rows
from agentmeter.store.parquet import Fetched, Lines, entry_rows, read_fetched
from agentmeter.store.rows import Read
from agentmeter.store.shelves import Shelves

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_PLACE, _REQUEST = 3, 7
"""Where the place and the request id stand in a fetched row."""
_PAUSE = 50_000


@dataclass(slots=True)
class Resolved:
    """What is to be known of the leaves that were written."""

    leaves: int = 0
    meters: set[str] = field(default_factory=set)
    own_meters: bool = False
    currencies: set[str] = field(default_factory=set)
    missing: set[str] = field(default_factory=set)
    again: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    odd: bool = False
    """Whether something could not be read of which no row says where it stood."""


@dataclass(slots=True)
class Resolver:
    """Resolves the requests that have entries in ``fresh``, a table or view sorted by request.

    ``held`` is a relation of the entries known before, or ``None``; ``on_row`` sees every row of
    ``fresh`` once, in order.
    """

    connection: "DuckDBPyConnection"
    fresh: str
    held: str | None
    tariffs: Mapping[str, Tariff]
    lines: Lines | Shelves
    on_row: Callable[[Fetched], None] = lambda row: None
    found: Resolved = field(default_factory=Resolved)

    def run(self) -> Resolved:
        """Write the leaves of all those requests."""
        knots = self._knots()
        self._remember(knots)
        found = self.found
        found.again = self._again(knots)
        fresh = map(self._seen, entry_rows(self.connection, self.fresh))
        known = self._held_rows()
        together = heapq.merge(fresh, known, key=lambda row: str(row[_REQUEST]))
        with _collected_seldom() as collect:
            for request_id, rows in groupby(together, key=lambda row: row[_REQUEST]):
                if request_id and ("request", request_id) not in knots:
                    collect(self._write(request_id, rows))
                else:
                    for _ in rows:
                        pass
            for name, rows in self._tied(knots):
                collect(self._write(name, rows))
        return found

    def _seen(self, row: Fetched) -> Fetched:
        self.on_row(row)
        return row

    def _write(self, request_id: str, rows: Iterable[Fetched]) -> int:
        """Resolve what belongs together; what cannot be is refused, and keeps nothing else back."""
        read = [self._read(row) for row in rows]
        entries = [one.entry for one in read if one.entry is not None]
        try:
            report = build(entries, self.tariffs)
        except Exception as error:  # entries that no release of ours wrote
            self.found.refused[request_id] = f"{type(error).__name__}: {error}"
            return len(read)
        for request in (*report.requests, *([report.unattributed] if report.unattributed else [])):
            self._write_request(request)
        return len(read)

    def _read(self, row: Fetched) -> Read:
        read = read_fetched(row)
        if read.problems and row[_PLACE] is None:
            self.found.odd = True
        return read

    def _write_request(self, request: RequestReport) -> None:
        try:
            rows = list(leaf_rows(request))
        except MoneyError as error:
            self.found.refused[request.request_id] = str(error)
            return
        for row in rows:
            self._note(row)
            self.lines.put(row)

    def _note(self, row: Mapping[str, Any]) -> None:
        found = self.found
        found.leaves += 1
        found.meters.update(name[2:] for name in row if name[:2] == "m_")
        found.own_meters |= "own_usage" in row
        if row.get("currency"):
            found.currencies.add(row["currency"])
        tariff = row.get("tariff")
        if tariff is not None and tariff not in self.tariffs:
            found.missing.add(tariff)

    # -- what is known of these requests already ---------------------------------------------

    def _again(self, knots: Mapping["_Node", int]) -> list[str]:
        """The requests of which leaves may have been written before."""
        if self.held is None:
            return []
        both = self.connection.execute(
            f"SELECT DISTINCT request_id FROM {self.held} WHERE request_id <> '' "
            f"AND request_id IN (SELECT DISTINCT request_id FROM {self.fresh})"
        ).fetchall()
        tied = {name for kind, name in knots if kind == "request"}
        traces = {name for kind, name in knots if kind == "trace"}
        return sorted({row[0] for row in both} | tied | traces)

    def _held_rows(self) -> Iterator[Fetched]:
        if self.held is None or not self.found.again:
            return iter(())
        self.connection.execute(
            "CREATE OR REPLACE TABLE again AS SELECT unnest(?::VARCHAR[]) AS request_id",
            [self.found.again],
        )
        rest = "WHERE request_id IN (SELECT request_id FROM again) ORDER BY request_id"
        return entry_rows(self.connection, self.held, rest)

    # -- what hangs together -------------------------------------------------------------------

    @property
    def _everything(self) -> str:
        columns = "entry, request_id, scope_id, parent_id, trace_id, observer, response_id, shares"
        parts = [f"SELECT {columns} FROM {one}" for one in (self.fresh, self.held) if one]
        return f"({' UNION ALL '.join(parts)})"

    def _knots(self) -> dict["_Node", int]:
        """Requests, traces and responses that are entangled, by the number of their knot."""
        ties = _Ties()
        rows = self.connection.execute(_TIES.replace(":everything", self._everything)).fetchall()
        for kind, name, other_kind, other in rows:
            ties.join((kind, name), (other_kind, other))
        fresh = self.connection.execute(
            f"SELECT DISTINCT 'request', request_id FROM {self.fresh} WHERE request_id <> '' "
            f"UNION SELECT DISTINCT 'trace', trace_id FROM {self.fresh} "
            "WHERE request_id = '' AND entry IN ('span', 'record')"
        ).fetchall() if rows else []  # fmt: skip
        touched = {ties.top((kind, name)) for kind, name in fresh if (kind, name) in ties.above}
        numbers = {top: number for number, top in enumerate(sorted(touched))}
        tops = {node: ties.top(node) for node in list(ties.above)}
        return {node: numbers[top] for node, top in tops.items() if top in numbers}

    def _remember(self, knots: Mapping["_Node", int]) -> None:
        kinds, ids = [kind for kind, _ in knots], [name for _, name in knots]
        self.connection.execute(
            "CREATE OR REPLACE TABLE knots AS SELECT unnest(?::VARCHAR[]) AS kind, "
            "unnest(?::VARCHAR[]) AS name, unnest(?::BIGINT[]) AS number",
            [kinds, ids, list(knots.values())],
        )

    def _tied(self, knots: Mapping["_Node", int]) -> Iterator[tuple[str, Iterator[Fetched]]]:
        """The rows of each knot."""
        if not knots:
            return
        columns = "entry, scope, body, place, problem, asked_tariff, asked_unpriced, request_id"
        parts = [f"SELECT {columns}, trace_id FROM {one}" for one in (self.fresh, self.held) if one]
        cursor = self.connection.cursor()
        cursor.execute(
            f"SELECT e.*, k.number FROM ({' UNION ALL '.join(parts)}) AS e JOIN knots AS k "
            "ON k.kind = CASE WHEN e.request_id = '' THEN 'trace' ELSE 'request' END "
            "AND k.name = CASE WHEN e.request_id = '' THEN e.trace_id ELSE e.request_id END "
            "ORDER BY k.number"
        )
        rows = iter(cursor.fetchone, None)
        for number, group in groupby(rows, key=lambda row: row[-1]):
            yield f"knot {number}", group


_Node = tuple[str, str]
"""``request``, ``trace`` or ``response``, and its id."""

_TIES = f"""
WITH everything AS (SELECT * FROM :everything),
unplaced AS (
    SELECT DISTINCT trace_id, response_id FROM everything
    WHERE request_id = '' AND entry IN ('span', 'record')
),
results AS (
    SELECT DISTINCT trace_id, parent_id FROM everything
    WHERE request_id = '' AND entry = 'record'
),
astray AS (
    SELECT DISTINCT response_id FROM everything
    WHERE request_id IN ('', '{UNATTRIBUTED}') AND response_id IS NOT NULL
)
SELECT DISTINCT 'trace', trace_id, 'trace', trace_id FROM unplaced
UNION
SELECT DISTINCT 'trace', trace_id, 'response', response_id FROM unplaced
WHERE response_id IS NOT NULL
UNION
SELECT DISTINCT 'trace', trace_id, 'request', request_id FROM everything
WHERE request_id <> '' AND trace_id IN (SELECT trace_id FROM unplaced)
UNION
SELECT DISTINCT 'trace', trace_id, 'request', '{UNATTRIBUTED}' FROM everything
WHERE request_id <> '' AND trace_id IN (SELECT trace_id FROM unplaced)
    AND (observer IS NULL OR observer LIKE '{OURS}%')
UNION
SELECT DISTINCT 'trace', r.trace_id, 'request', COALESCE(e.request_id, '{UNATTRIBUTED}')
FROM results AS r LEFT JOIN everything AS e
    ON e.scope_id = r.parent_id AND e.request_id <> '' AND e.entry = 'record'
UNION
SELECT DISTINCT 'response', response_id, 'request', request_id FROM everything
WHERE request_id <> '' AND response_id IN (SELECT response_id FROM astray)
UNION
SELECT DISTINCT 'request', request_id, 'request', unnest(shares) FROM everything
WHERE shares IS NOT NULL
"""


@dataclass(slots=True)
class _Ties:
    """Which nodes hang together."""

    above: dict[_Node, _Node] = field(default_factory=dict)

    def top(self, node: _Node) -> _Node:
        above = self.above
        while above[node] != node:
            above[node] = above[above[node]]
            node = above[node]
        return node

    def join(self, one: _Node, other: _Node) -> None:
        for node in (one, other):
            self.above.setdefault(node, node)
        first, second = sorted((self.top(one), self.top(other)))
        self.above[second] = first


class _collected_seldom:  # noqa: N801  # reads as a statement
    """Garbage is collected once in many entries: what is built of a request is soon gone whole."""

    def __enter__(self) -> Callable[[int], None]:
        self._count = 0
        self._was_on = gc.isenabled()
        gc.disable()
        return self._after

    def _after(self, entries: int) -> None:
        self._count += entries
        if self._count >= _PAUSE:
            self._count = 0
            gc.collect(0)

    def __exit__(self, *_: object) -> None:
        if self._was_on:
            gc.enable()
