"""One request out of a folder, without the rest being read.

Compacted entries are sorted by request, so that the engine skips what does not hold it; of a
journal only the lines that name it are parsed. Where loose work touches the request (a span of its
trace that names no request, a stray call with one of its responses, work that it shares) what
belongs to it follows from all entries together, and the whole folder has to be read.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from agentmeter.model import UNATTRIBUTED, Amendment, Entry, Record
from agentmeter.semconv import names
from agentmeter.store.folder import Holdings, entries_name, holdings, is_journal
from agentmeter.store.lines import HEAD, TAIL
from agentmeter.store.reader import Contents, read_line, read_text, strange
from agentmeter.store.rows import ENTRY_COLUMNS

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_NAMED = b'"' + names.REQUEST_ID.encode() + b'","value":{"stringValue":"'
_ASIDE = (b'"' + names.TARIFF_BODY.encode() + b'"', b'{"stringValue":"faults"}')
_LOOSE = (_NAMED + b'"', _NAMED + UNATTRIBUTED.encode(), b'"' + names.SHARES.encode() + b'"')
_ESCAPES = (b"\\u", b"\\/")
"""Characters written as somebody else may: of ours only control characters are."""
_LAST = "\U0010ffff"

_TOUCHING = f"""SELECT 1 FROM read_parquet($file) WHERE
    (request_id = '' AND entry = 'span'
        AND (list_contains($traces, trace_id) OR starts_with(trace_id, $beginning)))
    OR (request_id IN ('', '{UNATTRIBUTED}') AND list_contains($responses, response_id))"""
_SHARED = " OR (shares IS NOT NULL AND list_has_any(shares, $ids))"


@dataclass(slots=True)
class _Search:
    """What has been found of the requests whose id begins so, and of loose work in journals."""

    folder: Path
    beginning: str
    contents: Contents = field(default_factory=Contents)
    loose: list[Record] = field(default_factory=list)

    def journal(self, file: Path) -> None:
        """Parse the lines of a journal that name it, and those that are nobody's."""
        wanted = (_NAMED + orjson.dumps(self.beginning)[1:-1], *_ASIDE, *_LOOSE)
        with file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if not _is_plain(line) or any(one in line for one in wanted):
                    found = Contents()
                    if line.strip():
                        read_line(line, f"{file}, line {number}", found)
                    self.take(found)

    def other(self, file: Path) -> None:
        """Take what a file of OTLP JSON that is no journal of ours says of it."""
        found = Contents()
        read_text(file, found)
        self.take(found)

    def take(self, found: Contents) -> None:
        """Keep what is the request's, and what may touch it."""
        kept = self.contents
        kept.tariffs.update(found.tariffs)
        kept.problems += found.problems
        kept.recorded_faults.update(found.recorded_faults)
        for entry in found.entries:
            if isinstance(entry, Record) and (entry.shares or self._is_nobodys(entry)):
                self.loose.append(entry)
            elif entry.request_id.startswith(self.beginning) and not self._is_nobodys(entry):
                kept.entries.append(entry)
                name = entry.request_id
                kept.also_sampled(name, sampled=found.only_sampled[name])
                kept.foreign_spans += isinstance(entry, Record) and entry.foreign

    def _is_nobodys(self, entry: Entry) -> bool:
        return entry.request_id in ("", UNATTRIBUTED)

    def compacted(self, connection: "DuckDBPyConnection", file: Path) -> None:
        """Take what a generation holds of it, and its tariffs and faults."""
        from agentmeter.store.parquet import check_columns, entry_rows, quoted, read_fetched

        theirs = f"WHERE request_id >= ? AND request_id < ? AND request_id <> '{UNATTRIBUTED}'"
        aside = "WHERE request_id = '' AND entry <> 'span' AND entry <> 'record'"
        if check_columns(connection, file, ENTRY_COLUMNS) is not None:
            raise _NotByItselfError
        found = Contents()
        bounds = [self.beginning, self.beginning + _LAST]
        for rest, values in ((theirs, bounds), (aside, None)):
            relation = f"read_parquet({quoted(file)})"
            for row in entry_rows(connection, relation, rest, values):
                found.take(read_fetched(row))
        self.take(found)

    def touched(self, connection: "DuckDBPyConnection", held: Holdings) -> bool:
        """Whether anything loose in compacted entries touches what was found."""
        asked = {"traces": self.traces, "ids": self.ids, "responses": self.responses}
        for one in held.generations:
            named = {"file": str(held.folder / entries_name(one.name)), **asked}
            sql = _TOUCHING + (_SHARED if one.shared else "")
            values = {**named, "beginning": self.beginning}
            used = {name: value for name, value in values.items() if f"${name}" in sql}
            if connection.execute(f"{sql} LIMIT 1", used).fetchone():
                return True
        return False

    def stands_alone(self) -> bool:
        """Whether something was found that nothing loose in journals touches."""
        traces, responses = set(self.traces), set(self.responses)
        return bool(self.ids) and not any(
            one.shares
            or (not one.request_id and one.trace_id in traces)
            or (not one.request_id and one.trace_id.startswith(self.beginning))
            or _response(one) in responses
            for one in self.loose
        )

    @property
    def ids(self) -> list[str]:
        """The requests that were found."""
        return sorted({one.request_id for one in self.contents.entries})

    @property
    def traces(self) -> list[str]:
        """The traces that they are in."""
        found = self.contents.entries
        return sorted({one.trace_id for one in found if not isinstance(one, Amendment)})

    @property
    def responses(self) -> list[str]:
        """The responses that their calls name."""
        return sorted({one for one in map(_response, self.contents.entries) if one})


def _is_plain(line: bytes) -> bool:
    """Whether a line says as we write it which request it is of, if of any."""
    return (
        line.startswith(HEAD)
        and line.endswith(TAIL)
        and _NAMED in line
        and not any(escape in line for escape in _ESCAPES)
    )


class _NotByItselfError(Exception):
    """The request cannot be read without the rest of the folder."""


def _response(entry: Entry) -> str | None:
    return entry.call.response_id if isinstance(entry, Record) and entry.call is not None else None


def read_one(folder: Path, beginning: str) -> Contents | None:
    """The requests of ``folder`` whose id begins so, with the tariffs that they name.

    ``None`` where there is none, or where it takes the whole folder to say what belongs to it.
    """
    held = holdings(folder)
    search = _Search(folder, beginning)
    search.contents.problems += [*held.problems, *map(strange, held.strangers)]
    try:
        for file in held.texts:
            (search.journal if is_journal(file) else search.other)(file)
        return search.contents if _is_whole(search, held) else None
    except (FileNotFoundError, _NotByItselfError):  # compacted in this moment, or damaged
        return None


def _is_whole(search: _Search, held: Holdings) -> bool:
    """Read what is compacted, and say whether the request stands for itself."""
    if not held.generations:
        return search.stands_alone()
    from agentmeter.store.parquet import connect

    with connect() as connection:
        for one in held.generations:
            search.compacted(connection, held.folder / entries_name(one.name))
        return search.stands_alone() and not search.touched(connection, held)
