"""The lines of a journal: each a complete OTLP trace export of one span."""

import os
import time
from collections.abc import Mapping
from typing import Any

import orjson

from agentmeter.pricing.tariff import Tariff
from agentmeter.semconv import names
from agentmeter.semconv.fields import Attributes, SpanFields
from agentmeter.semconv.otlp import span_json

HEAD = (
    b'{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":'
    b'{"stringValue":"agentmeter"}},{"key":"'
    + names.SCHEMA.encode()
    + b'","value":{"intValue":"'
    + str(names.SCHEMA_VERSION).encode()
    + b'"}}]},"scopeSpans":[{"scope":{"name":"agentmeter"},"spans":['
)
TAIL = b"]}]}]}\n"
"""What stands around the one span of every line."""


def line_of(fields: SpanFields) -> bytes:
    """One line of the journal. Text that is no Unicode is written with its bad parts escaped."""
    return HEAD + _json(span_json(fields)) + TAIL


def _json(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:
        return orjson.dumps(_escaped(value))


def _escaped(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {key: _escaped(inner) for key, inner in value.items()}
    return [_escaped(inner) for inner in value] if isinstance(value, list) else value


def tariff_fields(tariff: Tariff) -> SpanFields:
    """The entry that keeps a tariff under its digest."""
    return SpanFields(
        "agentmeter.tariff",
        "0" * 16 + tariff.digest,
        tariff.digest,
        None,
        0,
        0,
        {
            names.ENTRY: "tariff",
            names.TARIFF: tariff.digest,
            names.TARIFF_BODY: _json(tariff.to_json()).decode(),
        },
    )


def faults_fields(counts: Mapping[str, int]) -> SpanFields:
    """The entry of what has gone wrong since the one before it; its id is random."""
    own = os.urandom(24).hex()
    counted = {names.FAULT + place: count for place, count in counts.items()}
    at = time.time_ns()
    attributes: Attributes = {names.ENTRY: "faults", **counted}
    return SpanFields("agentmeter.faults", own[:32], own[32:], None, at, at, attributes)
