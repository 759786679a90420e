"""Span fields ↔ OTLP JSON (opentelemetry-proto 1.x, JSON mapping: 64-bit integers as text)."""

from collections.abc import Iterator, Mapping
from typing import Any

from agentmeter.semconv.fields import SpanFields, Value


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
            {"key": key, "value": _any_value(value)} for key, value in fields.attributes.items()
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


def spans_in(document: object) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Every span of one OTLP JSON document as written, and its instrumentation scope's name.

    Raises ``ValueError`` if the document is not an OTLP trace export.
    """
    if not isinstance(document, Mapping) or not isinstance(document.get("resourceSpans"), list):
        raise ValueError("not OTLP JSON: no 'resourceSpans' list at the top")
    for resource in document["resourceSpans"]:
        for scope in resource.get("scopeSpans", ()):
            name = str((scope.get("scope") or {}).get("name", ""))
            for span in scope.get("spans", ()):
                yield span, name


def fields_from_json(span: Mapping[str, Any], scope: str = "agentmeter") -> SpanFields:
    """The fields of one OTLP JSON span of an instrumentation scope.

    A span without an end is taken to end when it began. Raises ``KeyError``, ``TypeError`` or
    ``ValueError``.
    """
    return SpanFields(
        name=span["name"],
        trace_id=span["traceId"],
        span_id=span["spanId"],
        parent_span_id=span.get("parentSpanId") or None,
        started_ns=int(span["startTimeUnixNano"]),
        ended_ns=int(span.get("endTimeUnixNano", span["startTimeUnixNano"])),
        attributes={
            entry["key"]: value
            for entry in span.get("attributes", ())
            if (value := _plain(entry["value"])) is not None
        },
        scope=scope,
        failed=(span.get("status") or {}).get("code") in (2, "STATUS_CODE_ERROR"),
    )


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
