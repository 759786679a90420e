"""Bodies that are nearly exports: valid ones, bent in their bytes, their JSON or their headers."""

import copy
import gzip
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from agentmeter.model import Call, Kind, Owner, Record, Usage
from agentmeter.semconv.otlp import span_json
from agentmeter.semconv.writing import fields_of
from tests.serve.serving import JSON, PROTOBUF, export, span

ODD: tuple[Any, ...] = (
    None, True, -1, 2**63, 2**64, 10**400, 1e308, "", "0", "-5", "NaN", "1e999999999", "\0", "é" * 9,
    [], {}, [[]], [None], {"key": None}, {"stringValue": 5}, {"intValue": "x"}, {"arrayValue": 7},
    {"arrayValue": {"values": 7}}, {"kvlistValue": None}, "ab" * 16, "0" * 32, "record", "tariff",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sent:
    """One body with its headers."""

    body: bytes
    media: str
    encoding: str = ""


def own(number: int) -> dict[str, Any]:
    """A span of ours, with everything on it that a reader takes apart."""
    call = Call(provider="openai", model="gpt-5", usage=Usage(input=9), tariff="0" * 16)
    ids = (f"{number:032x}", f"{number:016x}", None)
    spans = {"trace_id": f"{number:032x}", "span_id": f"{number:016x}"}
    record = Record(*ids, Kind.CALL, "gpt-5", Owner("u", "t"), 1, 2, call=call, **spans)
    return {**span_json(fields_of(record)), "status": {"code": 1}}


def bodies(count: int, seed: int) -> Iterator[Sent]:
    """So many bodies; the same ones for a seed."""
    dice = random.Random(seed)
    for number in range(count):
        spans = [own(900_000 + number), span(900_000 + number, trace=900_000 + number)]
        kind = dice.randrange(6)
        if kind < 3:
            body = bent(json.loads(export(*spans)), dice)
            yield Sent(body if dice.random() < 0.8 else mangled(body, dice), JSON)
        elif kind == 3:
            yield Sent(mangled(packed(number), dice), PROTOBUF)
        elif kind == 4:
            body = gzip.compress(export(*spans), 1)
            yield Sent(mangled(body, dice), JSON, "gzip")
        else:
            body, media = dice.choice([(export(*spans), PROTOBUF), (packed(number), JSON)])
            yield Sent(mangled(body, dice), media, dice.choice(["", "", "deflate", "zstd"]))


def packed(number: int) -> bytes:
    """An export in protobuf."""
    made = ExportTraceServiceRequest()
    scope = made.resource_spans.add().scope_spans.add()
    scope.scope.name = "someone"
    one = scope.spans.add(trace_id=number.to_bytes(16, "big"), span_id=b"\1" * 8, name="chat")
    one.start_time_unix_nano = one.end_time_unix_nano = 5
    one.attributes.add(key="gen_ai.operation.name").value.string_value = "chat"
    one.attributes.add(key="gen_ai.usage.input_tokens").value.int_value = 5
    return made.SerializeToString()


def bent(value: Any, dice: random.Random) -> bytes:
    """A document of which a few values are others, gone, or twice there."""
    for _ in range(dice.randint(1, 3)):
        parent, key = dice.choice(list(places(value)))
        what = dice.random()
        if what < 0.6:
            parent[key] = copy.deepcopy(dice.choice(ODD))
        elif what < 0.8:
            del parent[key]
        elif isinstance(parent, list):
            parent.append(copy.deepcopy(parent[key]))
        else:
            parent[str(key) + "x"] = nested(parent[key], dice.choice([1, 12, 40]))
        if not list(places(value)):
            break
    return json.dumps(value).encode()


def nested(value: Any, depth: int) -> Any:
    """A value with so many lists around it."""
    for _ in range(depth):
        value = [copy.deepcopy(value)]
    return value


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Everywhere that something stands in a document."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in list(items):
        yield value, key
        if isinstance(inner, (dict, list)):
            yield from places(inner)


def mangled(body: bytes, dice: random.Random) -> bytes:
    """Bytes of which some are others, gone, or said again."""
    made = bytearray(body)
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(made) + 1)
        what = dice.randrange(4)
        if what == 0 and at < len(made):
            made[at] = dice.randrange(256)
        elif what == 1:
            del made[at : at + dice.randint(1, 20)]
        elif what == 2:
            made[at:at] = dice.randbytes(dice.randint(1, 8))
        else:
            made[at:at] = made[at : at + dice.randint(1, 40)]
    return bytes(made)
