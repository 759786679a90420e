"""Span fields as OTLP protobuf, and what a collector answers. Loaded when records are shipped."""

import os
from collections.abc import Iterable
from functools import cache
from hashlib import blake2b
from typing import Any

from agentmeter.exceptions import ConfigurationError
from agentmeter.semconv import names
from agentmeter.semconv.fields import SpanFields, Value

_SERVICE = "OTEL_SERVICE_NAME"
_INTERNAL, _CLIENT = 1, 3
_ERROR = 2
_FAILED = ("error", "cut")
_LATEST = 2**64 - 1


@cache
def messages() -> Any:
    """The generated messages. Raises ``ConfigurationError`` where they are not installed."""
    try:
        from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"otlp: needs {error.name}: pip install 'agentmeter-otel[otlp]'"
        ) from error
    return trace_service_pb2


def export_request(spans: Iterable[SpanFields]) -> bytes:
    """The body of an export of spans."""
    request = messages().ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    about = resource.resource.attributes
    _put(about.add(), "service.name", os.environ.get(_SERVICE) or "agentmeter")
    _put(about.add(), names.SCHEMA, names.SCHEMA_VERSION)
    scope = resource.scope_spans.add()
    scope.scope.name = "agentmeter"
    for fields in spans:
        _fill(scope.spans.add(), fields)
    return bytes(request.SerializeToString())


def _fill(span: Any, fields: SpanFields) -> None:
    span.name = fields.name
    span.trace_id = _id(fields.trace_id, 16)
    span.span_id = _id(fields.span_id, 8)
    if fields.parent_span_id:
        span.parent_span_id = _id(fields.parent_span_id, 8)
    span.kind = _CLIENT if fields.attributes.get(names.KIND) == "call" else _INTERNAL
    span.start_time_unix_nano = min(fields.started_ns, _LATEST)
    span.end_time_unix_nano = min(fields.ended_ns, _LATEST)
    for name, value in fields.attributes.items():
        _put(span.attributes.add(), name, value)
    if fields.attributes.get(names.STATUS) in _FAILED:
        span.status.code = _ERROR


def _put(attribute: Any, name: str, value: Value) -> None:
    attribute.key = _text(name)
    into = attribute.value
    if isinstance(value, bool):
        into.bool_value = value
    elif isinstance(value, int):
        into.int_value = value
    elif isinstance(value, float):
        into.double_value = value
    elif isinstance(value, str):
        into.string_value = _text(value)
    else:
        into.array_value.SetInParent()
        for text in value:
            into.array_value.values.add().string_value = _text(text)


def _text(text: str) -> str:
    """Text that is no Unicode with its bad parts escaped, as the journal has it."""
    return text.encode("utf-8", "backslashreplace").decode()


def _id(text: str, size: int) -> bytes:
    """An id's bytes; of one that is no hex of that size (``unattributed``) a hash of it."""
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    return found if len(found) == size else blake2b(text.encode(), digest_size=size).digest()


def partial_success(body: bytes, kind: str) -> tuple[int, str]:
    """How many spans of an export were refused, and why, as the collector answers."""
    if kind == "application/json":
        import orjson

        partial = orjson.loads(body or b"{}").get("partialSuccess") or {}
        return int(partial.get("rejectedSpans") or 0), str(partial.get("errorMessage") or "")
    response = messages().ExportTraceServiceResponse()
    try:
        response.ParseFromString(body)
    except Exception:  # the spans were taken, whatever stands there
        return 0, ""
    partial = response.partial_success
    return int(partial.rejected_spans), str(partial.error_message)
