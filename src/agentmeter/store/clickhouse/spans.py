"""Whole spans fetched: those of single requests, of tariffs, and of what hangs together."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from agentmeter.model import Entry, Record
from agentmeter.semconv import names
from agentmeter.semconv.fields import SpanFields
from agentmeter.store.clickhouse.questions import Questions
from agentmeter.store.clickhouse.server import Row, Server, Told
from agentmeter.store.reader import Contents
from agentmeter.store.rows import Read, read_fields

_COLUMNS = ("SpanName", "TraceId", "SpanId", "ParentSpanId", "toUnixTimestamp64Nano(Timestamp)",
            "Duration", "ScopeName", "StatusCode", "TraceState")  # fmt: skip
_FAILED = ("Error", "STATUS_CODE_ERROR")


def ids(found: Iterable[str], column: str = "request_id") -> Told:
    """Ids as a table that goes along with a question."""
    return Told({column: "String"}, [{column: one} for one in found])


class Spans:
    """The spans of a table, as entries."""

    def __init__(self, server: Server, questions: Questions) -> None:
        self._server = server
        self._questions = questions
        self._layout = questions.layout

    def asides(self) -> Contents:
        """Tariffs, and the faults that the writing processes counted."""
        where = f"{self._text(names.ENTRY)} IN ('tariff', 'faults')"
        contents = Contents()
        self._take(contents, where, {})
        return contents

    def of_requests(self, requests: Sequence[str]) -> Iterator[list[Read]]:
        """The spans of each request, one request after the other."""
        if not requests:
            return
        asked = self._text(names.REQUEST_ID)
        where = f"{asked} IN (SELECT request_id FROM asked)"
        sql = self._select(where, f"{asked} AS of", f"ORDER BY {asked}")
        rows = self._server.stream(sql, None, {"asked": ids(requests)})
        for _, found in groupby(rows, key=lambda row: row[-1]):
            yield [self._read(row) for row in found]

    def untold(self) -> Iterator[Read]:
        """The spans without a request, of all traces that have a GenAI span among them."""
        asked = self._questions
        traces = (
            f"SELECT TraceId FROM {asked.spans} WHERE {asked.when} AND {self._blank} AND "
            f"{asked.telling}"
        )
        rows = self._server.stream(self._select(f"{self._blank} AND TraceId IN ({traces})"))
        yield from map(self._read, rows)

    def named(self, request_id: str) -> Contents:
        """All that says something of the request with this id, or with one that begins so.

        The spans of its traces that name no request are among it, and so is what is shared.
        """
        contents = Contents()
        for where in self._naming():
            self._take(contents, where, {"request_id": request_id})
            if contents.entries or not request_id:
                break
        self._take_shared(contents, request_id)
        self._take_untold(contents)
        return contents

    def _naming(self) -> Iterator[str]:
        """What is tried: the id, which an index finds; that of a trace of others; its beginning."""
        asked = self._text(names.REQUEST_ID)
        yield f"{asked} = $request_id"
        yield f"TraceId = $request_id AND {self._blank}"
        yield f"startsWith(if({self._blank}, TraceId, {asked}), $request_id)"

    @property
    def _blank(self) -> str:
        """Whether a span names no request."""
        return f"{self._text(names.REQUEST_ID)} = '' AND {self._text(names.ENTRY)} = ''"

    def _take_shared(self, contents: Contents, request_id: str) -> None:
        """Add the requests that have done work which this one shares, with all that amends it."""
        shares = f"position({self._text(names.SHARES)}, concat(':', $request_id)) > 0"
        done = Contents()
        where = f"{self._layout.has(names.SHARES)} AND {shares}"
        self._take(done, where, {"request_id": request_id})
        known = {one.request_id for one in contents.entries}
        others = {one.request_id for one in done.entries}
        for found in self.of_requests(sorted(others - known)):
            for read in found:
                contents.take(read)

    def _take_untold(self, contents: Contents) -> None:
        """Add the spans without a request of the traces that records are in."""
        traces = {one.trace_id for one in contents.entries if isinstance(one, Record)}
        if traces:
            where = f"TraceId IN (SELECT trace_id FROM traces) AND {self._blank}"
            self._take(contents, where, {}, {"traces": ids(sorted(traces), "trace_id")})

    def _take(
        self,
        contents: Contents,
        where: str,
        values: Mapping[str, Any],
        told: Mapping[str, Told] | None = None,
    ) -> None:
        for row in self._server.stream(self._select(where), values, told):
            contents.take(self._read(row))

    def _text(self, name: str) -> str:
        return self._layout.text(name)

    def _select(self, where: str, more: str = "", rest: str = "") -> str:
        columns = ", ".join((*_COLUMNS, self._layout.body, *([more] if more else [])))
        return f"SELECT {columns} FROM {self._questions.spans} WHERE {where} {rest}"

    def _read(self, row: Row) -> Read:
        name, trace_id, span_id, parent, started, duration, scope, status, state, body = row[:10]
        fields = SpanFields(
            str(name),
            trace_id,
            span_id,
            parent or None,
            max(0, started),
            max(0, started) + duration,
            self._layout.read(body),
            scope,
            status in _FAILED,
            state,
        )
        return read_fields(fields, f"span {span_id} of trace {trace_id}")


def entries_in(found: Iterable[Read], problems: list[str]) -> list[Entry]:
    """What spans say; what of it could not be read is added to ``problems``."""
    entries = []
    for read in found:
        problems.extend(read.problems)
        if read.entry is not None:
            entries.append(read.entry)
    return entries
