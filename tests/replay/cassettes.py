"""Cassettes as recorders write them: bodies as text, bytes, base64 or parsed, packed or not."""

import base64
import gzip
import json
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True, slots=True)
class Exchange:
    """One recorded request, and the answer to it."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    status: int
    answer: bytes
    kind: str
    """The answer's content type."""
    answer_headers: Mapping[str, str]
    """The answer's header, names in lower case."""

    @property
    def path(self) -> str:
        """The path of the URL."""
        return self.url.partition("?")[0].partition("#")[0]

    @property
    def asked(self) -> dict[str, Any] | None:
        """The request's body, if it is a JSON object."""
        try:
            body = json.loads(self.body)
        except ValueError:
            return None
        return body if isinstance(body, dict) else None

    def documents(self) -> Iterator[dict[str, Any]]:
        """The JSON documents of the answer: one, or one for every event or line of a stream."""
        lines = [self.answer]
        if "amazon.eventstream" in self.kind:
            lines = list(_payloads(self.answer))
        elif "stream+json" in self.kind:
            lines = self.answer.splitlines()
        elif "event-stream" in self.kind:
            lines = [line[5:] for line in self.answer.splitlines() if line.startswith(b"data:")]
        for line in lines:
            if line.strip() not in (b"", b"[DONE]"):
                document = json.loads(line)
                if isinstance(document, dict):
                    yield document


def _payloads(frames: bytes) -> Iterator[bytes]:
    """What frames of AWS's event stream carry; a model's own events are packed once more."""
    while frames:
        length, headers = struct.unpack("!II", frames[:8])
        document = json.loads(frames[12 + headers : length - 4] or b"{}")
        packed = document.get("bytes")
        yield base64.b64decode(packed) if packed else json.dumps({"metadata": document}).encode()
        frames = frames[length:]


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Reads what recorders of Python objects write as the plain values in it."""


def _plain(loader: Any, _: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_scalar(node)


_Loader.add_multi_constructor("tag:yaml.org,2002:python/", _plain)
_Loader.add_multi_constructor("!", _plain)


def exchanges(file: Path) -> list[Exchange]:
    """The exchanges of a cassette. Raises ``ValueError`` for a file that is none."""
    try:
        cassette = yaml.load(file.read_text("utf-8"), Loader=_Loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"not YAML: {type(error).__name__}") from error
    recorded = cassette.get("interactions") if isinstance(cassette, dict) else None
    if not isinstance(recorded, list):
        raise ValueError("no list of interactions")
    return [_exchange(one["request"], one["response"]) for one in recorded]


def _exchange(request: dict[str, Any], response: dict[str, Any]) -> Exchange:
    status = response.get("status", response.get("status_code", 200))
    answer = _body(response)
    kind = _headers(response).get("content-type", "")
    if answer.lstrip().startswith((b"data:", b"event:")):
        kind = "text/event-stream"
    return Exchange(
        method=str(request.get("method", "GET")).upper(),
        url=str(request.get("uri") or request.get("url") or ""),
        headers=_headers(request),
        body=_body(request),
        status=int(status["code"] if isinstance(status, dict) else status),
        answer=answer,
        kind=kind or "application/json",
        answer_headers=_headers(response),
    )


def _headers(of: dict[str, Any]) -> dict[str, str]:
    found = of.get("headers") or {}
    return {
        str(name).lower(): str(value[0] if isinstance(value, list) and value else value)
        for name, value in found.items()
    }


def _body(of: dict[str, Any]) -> bytes:
    if of.get("parsed_body") is not None:
        return json.dumps(of["parsed_body"]).encode()
    body = of.get("body", of.get("content"))
    if isinstance(body, dict):
        if body.get("base64_string") is not None:
            return _unpacked(base64.b64decode(body["base64_string"]))
        body = body.get("string", body.get("data", ""))
    if isinstance(body, dict | list):
        return json.dumps(body).encode()
    data = body if isinstance(body, bytes) else str(body or "").encode("utf-8", "surrogateescape")
    return _unpacked(data)


def _unpacked(data: bytes) -> bytes:
    if data[:2] == b"\x1f\x8b":
        return gzip.decompress(data)
    if data[:2] in (b"\x78\x9c", b"\x78\xda", b"\x78\x01"):
        return zlib.decompress(data)
    if data[:4] == b"\x28\xb5\x2f\xfd":
        raise ValueError("a body is packed by zstd")
    return data
