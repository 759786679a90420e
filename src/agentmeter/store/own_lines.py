"""Lines that a journal of ours wrote, as rows, without an entry being made of each.

Every entry is read in full where its request is resolved. What comes before that needs a few of its
columns; they are taken from a line here if it is plainly as ``Journal`` writes a record, and from
the entry itself (``rows_of``) if anything about it is not.
"""

from collections.abc import Mapping
from typing import Any

import orjson

from agentmeter.exceptions import AgentmeterError
from agentmeter.model import OURS, Kind, Status, Usage
from agentmeter.semconv import names
from agentmeter.store.lines import HEAD, TAIL
from agentmeter.store.rows import LARGEST, Row

_TAIL = TAIL.rstrip()
_SCOPE = '{"name":"agentmeter"}'
_RESOURCE = orjson.dumps(orjson.loads(HEAD + _TAIL)["resourceSpans"][0]["resource"]).decode()
_KINDS, _STATUSES = frozenset(map(str, Kind)), frozenset(map(str, Status))
_TEXTS = {
    names.ENTRY: "entry",
    names.REQUEST_ID: "request_id",
    names.SCOPE_ID: "scope_id",
    names.PARENT_ID: "parent_id",
    names.KIND: "kind",
    names.NAME: "name",
    names.STATUS: "status",
    names.USER: "user",
    names.TENANT: "tenant",
    names.FEATURE: "feature",
    names.PLAN: "plan",
    names.OBSERVER: "observer",
    names.PROVIDER: "provider",
    names.TARIFF: "tariff",
    names.RESPONSE_ID: "response_id",
    names.REQUEST_MODEL: "model",
    names.RESPONSE_MODEL: "response_model",
}
_USAGE, _TAG = len(names.USAGE), len(names.TAG)


def own_row(line: bytes) -> Row | None:
    """The row of a record's line; ``None`` for a line that has to be read in full.

    What is not looked at here (attempts, segments, evidence) may still prove unreadable.
    """
    line = line.rstrip(b"\n")
    if not (line.startswith(HEAD) and line.endswith(_TAIL)):
        return None
    body = line[len(HEAD) : -len(_TAIL)]
    try:
        row = _record(orjson.loads(body))
    except (AgentmeterError, AttributeError, KeyError, TypeError, ValueError):
        return None
    return row and {**row, "body": body.decode(), "scope": _SCOPE, "resource": _RESOURCE}


def _record(span: Mapping[str, Any]) -> Row | None:
    row: Row = {"trace_id": span["traceId"], "span_id": span["spanId"]}
    usage: dict[str, int] = {}
    tags: dict[str, str] = {}
    known: set[str] = set()
    for one in span["attributes"]:
        name, value = one["key"], one["value"]
        known.add(name)
        if (column := _TEXTS.get(name)) is not None:
            row[column] = value["stringValue"]
        elif name[:_USAGE] == names.USAGE:
            usage[name[_USAGE:]] = int(value["intValue"])
        elif name[:_TAG] == names.TAG:
            tags[name[_TAG:]] = value["stringValue"]
    if not _is_plain(row, known) or (usage and names.REQUEST_STREAM not in known):
        return None
    answered = row.pop("response_model", None)
    row["model"] = answered or row.get("model")
    row |= {"started_ns": int(span["startTimeUnixNano"]), "ended_ns": int(span["endTimeUnixNano"])}
    if not 0 < row["started_ns"] < LARGEST > row["ended_ns"] > 0:
        return None
    used = {meter: min(n, LARGEST) for meter, n in Usage(usage).items()}
    return row | ({"usage": used} if used else {}) | ({"tags": tags} if tags else {})


def _is_plain(row: Row, known: set[str]) -> bool:
    """Whether a row is as a scope of ours has it, and no other instrumentation's."""
    observer = row.get("observer")
    return (
        row["entry"] == "record"
        and bool(row["request_id"] and row["scope_id"])
        and row["kind"] in _KINDS
        and row["status"] in _STATUSES
        and "name" in row
        and (not observer or observer.startswith(OURS))
        and names.SHARES not in known
        and (names.REQUEST_STREAM in known or not row.keys() & _OF_CALL)
        and all(value.__class__ is str for value in row.values())
    )


_OF_CALL = {"provider", "tariff", "response_id", "model", "response_model"}
