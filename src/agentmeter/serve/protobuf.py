"""OTLP in protobuf: exports as OTLP JSON values, and what is answered."""

import base64
import math
from collections.abc import Iterable
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

_INVALID_ARGUMENT = 3
_IDS = ("trace_id", "span_id", "parent_span_id")
_LONG = (FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT64)


def document_of(body: bytes) -> dict[str, Any]:
    """An export as the value of its OTLP JSON. Raises ``ValueError`` for what is none."""
    try:
        export = ExportTraceServiceRequest.FromString(body)
    except DecodeError as error:
        raise ValueError(f"not an OTLP trace export in protobuf: {error}") from error
    return {"resourceSpans": [], **_object(export)}


def answer(refused: int, reason: str) -> bytes:
    """The answer to an export of which ``refused`` spans were not taken."""
    made = ExportTraceServiceResponse()
    if refused:
        made.partial_success.rejected_spans = refused
        made.partial_success.error_message = reason
    return bytes(made.SerializeToString())


def status(reason: str) -> bytes:
    """The answer to an export that was not taken."""
    return bytes(Status(code=_INVALID_ARGUMENT, message=reason).SerializeToString())


def _object(message: Message) -> dict[str, Any]:
    """What is set in a message, under the names that JSON has for it."""
    made: dict[str, Any] = {}
    for field, value in message.ListFields():
        if field.name == "attributes":
            made["attributes"] = _attributes(value)
        elif field.message_type is None:
            made[field.json_name] = _scalar(field, value)
        elif field.is_repeated:
            made[field.json_name] = [_object(one) for one in value]
        else:
            made[field.json_name] = _object(value)
    return made


def _attributes(entries: Iterable[Any]) -> list[dict[str, Any]]:
    return [{"key": entry.key, "value": _value(entry.value)} for entry in entries]


def _value(value: Any) -> dict[str, Any]:
    kind = value.WhichOneof("value")
    if kind == "string_value":
        return {"stringValue": value.string_value}
    if kind == "int_value":
        return {"intValue": str(value.int_value)}
    if kind == "bool_value":
        return {"boolValue": value.bool_value}
    if kind == "double_value":
        return {"doubleValue": _double(value.double_value)}
    if kind == "array_value":
        return {"arrayValue": {"values": [_value(one) for one in value.array_value.values]}}
    if kind == "kvlist_value":
        return {"kvlistValue": {"values": _attributes(value.kvlist_value.values)}}
    return _object(value)


def _double(value: float) -> float | str:
    """A double; JSON has words for those that are no number."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _scalar(field: Any, value: Any) -> Any:
    if field.is_repeated:
        return list(value)
    if isinstance(value, bytes):
        return value.hex() if field.name in _IDS else base64.b64encode(value).decode()
    if isinstance(value, float):
        return _double(value)
    return str(value) if field.cpp_type in _LONG else value
