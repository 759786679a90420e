"""The two layouts that the collector's exporter makes, behind one: where attributes stand.

In the one all values are text in a ``Map(LowCardinality(String), String)``, in the other they keep
their types in a ``JSON`` column, where a dot in a name is a step into an object.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from agentmeter.exceptions import SourceError
from agentmeter.semconv import names
from agentmeter.semconv.fields import Attributes, Value
from agentmeter.store.clickhouse.address import Address, backticked, quoted
from agentmeter.store.clickhouse.server import Server

COLUMNS = ("Timestamp", "TraceId", "SpanId", "ParentSpanId", "TraceState", "SpanName", "ScopeName",
           "ResourceAttributes", "SpanAttributes", "Duration", "StatusCode")  # fmt: skip
"""What is read of the table."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How attributes are reached in SQL, and read where whole spans are fetched.

    ``text`` gives the expression of one attribute as text, blank where it is absent; ``has`` that
    of whether it is there, by the table's index of names where it has one; ``resource`` that of one
    attribute of the resource. ``names`` is the expression of the names of all, ``body`` that of all
    attributes, which ``read`` makes a mapping of. ``spans`` gives what is read of a table.
    """

    text: Callable[[str], str]
    has: Callable[[str], str]
    resource: Callable[[str], str]
    names: str
    body: str
    read: Callable[[Any], Attributes]
    spans: Callable[[str], str]


def described(server: Server, address: Address) -> Layout:
    """The layout of the table. Raises ``SourceError`` where it is no table of spans."""
    found = {str(row[0]): str(row[1]) for row in server.rows(f"DESCRIBE TABLE {address.relation}")}
    missing = [name for name in COLUMNS if name not in found]
    if missing:
        raise SourceError(
            f"{address}: no table of spans as the collector's exporter makes it: no column "
            f"{missing[0]!r}"
        )
    kind = found["SpanAttributes"]
    if kind.startswith("Map("):
        return _MAP
    if kind.startswith("JSON"):
        return _JSON
    raise SourceError(f"{address}: SpanAttributes is {kind}, and Map and JSON can be read")


# -- text in a map -----------------------------------------------------------------------------

_WHOLE = re.compile(r"-?\d{1,19}")
_COUNTED = re.compile(r"usage|token|count|\.calls$")
_LISTS = (names.FINISH_REASONS, names.ATTEMPTS, names.SHARES, names.SEGMENTS)
_SWITCHES = (names.REQUEST_STREAM, names.LATE, names.BATCH, names.ALL_REPORTED, names.DISCARDED)
_NUMBERS = (names.USAGE, names.FAULT, names.USAGE_PREFIX)


def from_map(found: Mapping[str, str]) -> Attributes:
    """Attributes that lie as text, with the types that their names are known to have."""
    return {name: _typed(name, text) for name, text in found.items()}


def _typed(name: str, text: str) -> Value:
    if name in _SWITCHES and text in ("true", "false"):
        return text == "true"
    if name in _LISTS:
        return _texts(text)
    ours = name.startswith("agentmeter.") and name != names.CALLS
    counted = name.startswith(_NUMBERS) or (not ours and _COUNTED.search(name) is not None)
    if (counted or name == names.CALLS) and _WHOLE.fullmatch(text):
        return int(text)
    return text


def _texts(text: str) -> Value:
    """A list as the collector writes it, or as others do who keep OTLP's own form of one."""
    try:
        listed = json.loads(text)
    except ValueError:
        return text
    if isinstance(listed, dict):
        listed = [one.get("stringValue") for one in listed.get("values", ())]
    return tuple(map(str, listed)) if isinstance(listed, list) else text


# -- types in an object ------------------------------------------------------------------------


def from_json(text: str) -> Attributes:
    """Attributes that lie as an object: each way into it is a name again.

    A name may be that of a value and the beginning of another's, and then stands in it twice.
    """
    found: Attributes = {}
    _flatten("", json.loads(text, object_pairs_hook=_Pairs), found)
    return found


class _Pairs(list[tuple[str, Any]]):
    """An object of JSON as it was written, a name that is repeated included."""


def _flatten(lead: str, pairs: Iterable[tuple[str, Any]], found: Attributes) -> None:
    for name, value in pairs:
        if isinstance(value, _Pairs):
            _flatten(f"{lead}{name}.", value, found)
        elif isinstance(value, list):
            found[lead + name] = tuple(map(str, value))
        elif value is not None:
            found[lead + name] = value


def _in_map(name: str, column: str = "SpanAttributes") -> str:
    return f"{column}[{quoted(name)}]"


def _in_object(name: str, column: str = "SpanAttributes") -> str:
    return f"CAST({column}.{backticked(name)} AS String)"


def _once(table: str) -> str:
    """A table whose maps are read once, and all names looked up in what was read.

    The engine would otherwise read the map again for each name, as if it were a column: four times
    the work for the seventeen names of a roll-up.
    """
    return f"(SELECT {', '.join(COLUMNS)} FROM {table})"


def _by_path(table: str) -> str:
    """A table whose objects are stored path by path, so that each is read where it is."""
    return table


def _key_in_map(name: str) -> str:
    return f"mapContains(SpanAttributes, {quoted(name)})"


def _path_in_object(name: str) -> str:
    return f"{_in_object(name)} != ''"


_RESOURCE = "ResourceAttributes"
_MAP = Layout(
    _in_map,
    _key_in_map,
    partial(_in_map, column=_RESOURCE),
    "mapKeys(SpanAttributes)",
    "SpanAttributes",
    from_map,
    _once,
)
_JSON = Layout(
    _in_object,
    _path_in_object,
    partial(_in_object, column=_RESOURCE),
    "JSONAllPaths(SpanAttributes)",
    "toJSONString(SpanAttributes)",
    from_json,
    _by_path,
)
