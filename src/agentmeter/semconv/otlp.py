"""Span fields ↔ OTLP JSON (opentelemetry-proto 1.x, JSON mapping: 64-bit integers as text)."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from agentmeter.semconv import names
from agentmeter.semconv.fields import Attributes, SpanFields, Value

_LATEST = 2**64 - 1


def span_json(fields: SpanFields) -> dict[str, Any]:
    """One OTLP JSON span."""
    return {
        "traceId": fields.trace_id,
        "spanId": fields.span_id,
        "parentSpanId": fields.parent_span_id or "",
        "name": fields.name,
        "kind": 1,
        "startTimeUnixNano": str(fields.started_ns),
        "endTimeUnixNano": str(fields.ended_ns),
        "attributes": [
            {
                "key": key,
                "value": {"stringValue": value} if type(value) is str else _any_value(value),
            }
            for key, value in fields.attributes.items()
        ],
    }


def _any_value(value: Value) -> dict[str, Any]:
    if isinstance(value, str):
        return {"stringValue": value}
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    return {"arrayValue": {"values": [{"stringValue": text} for text in value]}}


def spans_in(document: object) -> Iterator[tuple[Any, str]]:
    """Every span of one OTLP JSON document as written, and its instrumentation scope's name.

    Raises ``ValueError``, as ``parts_in`` does.
    """
    for span, scope, _ in parts_in(document):
        yield span, str(scope.get("name", ""))


def parts_in(document: object) -> Iterator[tuple[Any, Mapping[str, Any], Any]]:
    """Every span of one OTLP JSON document as written, its instrumentation scope and resource.

    What stands in the place of a resource, scope or span and is no object comes as it is. Raises
    ``ValueError`` if the document is not an OTLP trace export.
    """
    if not isinstance(document, Mapping) or not isinstance(document.get("resourceSpans"), list):
        raise ValueError("not OTLP JSON: no 'resourceSpans' list at the top")
    for resource in document["resourceSpans"]:
        about = resource.get("resource") if isinstance(resource, Mapping) else None
        for scope in _below(resource, "scopeSpans"):
            made_by = scope.get("scope") if isinstance(scope, Mapping) else None
            for span in _below(scope, "spans"):
                yield span, made_by if isinstance(made_by, Mapping) else {}, about


def _below(parent: Any, name: str) -> Any:
    """The list under ``name``; what is no such list, or has none to give, in a list of its own."""
    if not isinstance(parent, Mapping):
        return [parent]
    values = parent.get(name) or ()
    return values if isinstance(values, (list, tuple)) else [values]


def schema_of(document: Mapping[str, Any]) -> int:
    """The schema version that the document's first resource states; 0 where it states none."""
    for resource in document["resourceSpans"][:1]:
        about = resource.get("resource") if isinstance(resource, Mapping) else None
        for entry in _below(about or {}, "attributes"):
            if isinstance(entry, Mapping) and entry.get("key") == names.SCHEMA:
                version = _plain(entry["value"])
                return version if isinstance(version, int) else 0
    return 0


def fields_from_json(span: Mapping[str, Any], scope: str = "agentmeter") -> SpanFields:
    """The fields of one OTLP JSON span of an instrumentation scope.

    A span without an end is taken to end when it began, and an instant that OTLP cannot hold is
    taken to be the nearest that it can. Raises ``KeyError``, ``TypeError`` or
    ``ValueError``.
    """
    return SpanFields(
        name=str(span.get("name") or ""),
        trace_id=_text(span, "traceId"),
        span_id=_text(span, "spanId"),
        parent_span_id=_text(span, "parentSpanId") if span.get("parentSpanId") else None,
        started_ns=_instant(span, "startTimeUnixNano"),
        ended_ns=_instant(span, "endTimeUnixNano" if _ended(span) else "startTimeUnixNano"),
        attributes=_attributes(span.get("attributes", ())),
        scope=scope,
        failed=(span.get("status") or {}).get("code") in (2, "STATUS_CODE_ERROR"),
        trace_state=str(span.get("traceState") or ""),
    )


def _text(span: Mapping[str, Any], name: str) -> str:
    value = span[name]
    if not isinstance(value, str):
        raise TypeError(f"{name}: expected text, got {value!r:.60}")
    return value


def _ended(span: Mapping[str, Any]) -> bool:
    return span.get("endTimeUnixNano") not in (None, "")


def _instant(span: Mapping[str, Any], name: str) -> int:
    """Nanoseconds since the epoch, as OTLP holds them: 64 bits without a sign."""
    return min(max(0, int(span[name])), _LATEST)


def odd_instants(span: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with a span's instants, where they are numbers at all."""
    for name in ("startTimeUnixNano", "endTimeUnixNano"):
        if not 0 <= int(span.get(name) or 0) <= _LATEST:
            yield f"{name}: {span[name]!r:.60} is no instant in nanoseconds since 1970"


def _attributes(given: Iterable[Mapping[str, Any]]) -> Attributes:
    attributes: Attributes = {}
    for entry in given:
        held = entry["value"]
        value = held.get("stringValue")
        if value.__class__ is not str:  # as most are
            value = _plain(held)
        if value is not None:
            attributes[entry["key"]] = value
    return attributes


def _plain(value: Mapping[str, Any]) -> Value | None:
    if "stringValue" in value:
        return str(value["stringValue"])
    if "intValue" in value:
        return int(value["intValue"])
    if "boolValue" in value:
        return bool(value["boolValue"])
    if "doubleValue" in value:
        return float(value["doubleValue"])
    if "arrayValue" in value:
        values = value["arrayValue"].get("values", ())
        return tuple(str(_plain(item)) for item in values)
    return None
