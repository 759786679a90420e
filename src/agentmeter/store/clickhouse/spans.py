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
        return self._contents(self._server.stream(self._select(where)))

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
        asked = self._text(names.REQUEST_ID)
        entry = self._text(names.ENTRY)
        blank = f"{asked} = '' AND {entry} = ''"
        traces = (
            f"SELECT TraceId FROM {self._questions.spans} WHERE {blank} AND "
            f"{self._questions.telling}"
        )
        rows = self._server.stream(self._select(f"{blank} AND TraceId IN ({traces})"))
        yield from map(self._read, rows)

    def named(self, request_id: str) -> Contents:
        """All that says something of the request with this id, or with one that begins so.

        The spans of its traces that name no request are among it, and so is what is shared.
        """
        asked, shares = self._text(names.REQUEST_ID), self._text(names.SHARES)
        theirs = f"{asked} = $request_id OR match({shares}, concat('\\\\d+:', $request_id))"
        contents = self._fetched(theirs, {"request_id": request_id})
        if not contents.entries and request_id:
            theirs = f"startsWith({asked}, $request_id)"
            contents = self._fetched(theirs, {"request_id": request_id})
        traces = {one.trace_id for one in contents.entries if isinstance(one, Record)}
        if traces:
            where = (
                f"TraceId IN (SELECT trace_id FROM traces) AND {asked} = '' AND "
                f"{self._text(names.ENTRY)} = ''"
            )
            told = {"traces": ids(sorted(traces), "trace_id")}
            for row in self._server.stream(self._select(where), None, told):
                contents.take(self._read(row))
        return contents

    def _fetched(self, where: str, values: Mapping[str, Any]) -> Contents:
        return self._contents(self._server.stream(self._select(where), values))

    def _contents(self, rows: Iterable[Row]) -> Contents:
        contents = Contents()
        for row in rows:
            contents.take(self._read(row))
        return contents

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
