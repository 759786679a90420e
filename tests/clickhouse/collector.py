"""Spans put into a table as the collector's exporter puts them there.

In the map layout every value is text: numbers and switches as Go writes them, lists as JSON. In the
other attributes are one object of JSON, whose values keep their types.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from agentmeter.semconv.otlp import parts_in
from tests.clickhouse.front import Engine

_KINDS = ("Unspecified", "Internal", "Server", "Client", "Producer", "Consumer")
_STATUS = {0: "Unset", 1: "Ok", 2: "Error", None: "Unset"}


def exported(engine: Engine, table: str, documents: Iterable[bytes]) -> int:
    """Put OTLP JSON documents into a table; returns how many spans."""
    typed = table.endswith("_json")
    rows = [row for one in documents for row in _rows(orjson.loads(one), typed)]
    data = b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows)
    columns = ", ".join(rows[0]) if rows else ""
    if rows:
        engine.answer(f"INSERT INTO {table} ({columns}) FORMAT JSONEachRow", {}, data, "")
    return len(rows)


def exported_files(engine: Engine, table: str, folder: Path) -> int:
    """Put every journal of a folder into a table."""
    lines = [line for file in sorted(folder.glob("*.jsonl")) for line in _documents(file)]
    return exported(engine, table, lines)


def _documents(file: Path) -> Iterator[bytes]:
    yield from (line for line in file.read_bytes().splitlines() if line.strip())


def _rows(document: Any, typed: bool) -> Iterator[dict[str, Any]]:
    for span, scope, resource in parts_in(document):
        started, ended = int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"])
        about = _attributes((resource or {}).get("attributes", ()), typed)
        row = {
            "Timestamp": _instant(started),
            "TraceId": span["traceId"],
            "SpanId": span["spanId"],
            "ParentSpanId": span.get("parentSpanId", ""),
            "TraceState": span.get("traceState", ""),
            "SpanName": span.get("name", ""),
            "SpanKind": _KINDS[span.get("kind", 0)],
            "ServiceName": about.get("service.name", ""),
            "ResourceAttributes": about,
            "ScopeName": scope.get("name", ""),
            "ScopeVersion": scope.get("version", ""),
            "SpanAttributes": _attributes(span.get("attributes", ()), typed),
            "Duration": ended - started,
            "StatusCode": _STATUS[(span.get("status") or {}).get("code")],
            "StatusMessage": "",
        }
        if typed:
            row["ResourceAttributesKeys"] = list(about)
            row["SpanAttributesKeys"] = list(row["SpanAttributes"])
        yield row


def _instant(at_ns: int) -> str:
    whole = datetime.fromtimestamp(at_ns // 10**9, UTC)
    return f"{whole:%Y-%m-%d %H:%M:%S}.{at_ns % 10**9:09d}"


def _attributes(found: Iterable[Any], typed: bool) -> dict[str, Any]:
    values = {one["key"]: _plain(one["value"]) for one in found}
    return values if typed else {name: _text(value) for name, value in values.items()}


def _plain(value: dict[str, Any]) -> Any:
    if "intValue" in value:
        return int(value["intValue"])
    if "arrayValue" in value:
        return [_plain(one) for one in value["arrayValue"].get("values", ())]
    return next(iter(value.values()))


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else orjson.dumps(value).decode()
