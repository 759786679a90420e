"""The body of an export: unpacked as far as the limits allow, and read as OTLP JSON."""

import zlib
from typing import Any

import orjson

from agentmeter.serve.refusal import Refusal

JSON, PROTOBUF = "application/json", "application/x-protobuf"
_ZLIB_OR_GZIP = 32 + zlib.MAX_WBITS
_ENCODINGS = ("gzip", "deflate")


def unpacked(body: bytes, encoding: str, most: int) -> bytes:
    """The body without its content encoding. Raises ``Refusal``.

    No more is unpacked than ``most`` bytes, whatever the packed size promises.
    """
    named = encoding.strip().lower()
    if named in ("", "identity"):
        return body
    if named not in _ENCODINGS:
        raise Refusal(415, f"content-encoding {encoding!r:.60}: send gzip, deflate or none")
    unpacking = zlib.decompressobj(_ZLIB_OR_GZIP)
    try:
        found = unpacking.decompress(body, most)
    except zlib.error as error:
        raise Refusal(400, f"the body is not {named}: {error}") from error
    if not unpacking.eof:
        if unpacking.unconsumed_tail or len(found) >= most:
            raise Refusal(413, f"the body unpacks to more than {most:,} bytes; send less at once")
        raise Refusal(400, f"the body is cut off: its {named} does not end")
    if unpacking.unused_data:
        raise Refusal(400, f"something follows the {named} of the body")
    return found


def media_type(header: str) -> str:
    """JSON or protobuf, by the content type. Raises ``Refusal`` for any other."""
    named = header.partition(";")[0].strip().lower()
    if named in (JSON, PROTOBUF):
        return named
    raise Refusal(415, f"content-type {header!r:.60}: send {PROTOBUF} or {JSON}")


def document(body: bytes, media: str) -> Any:
    """The export in a body. Raises ``Refusal`` with what is wrong with it."""
    try:
        if media == JSON:
            return orjson.loads(body)
        from agentmeter.serve.protobuf import document_of

        return document_of(body)
    except orjson.JSONDecodeError as error:
        raise Refusal(400, f"not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
                      ) from error  # fmt: skip
    except ValueError as error:
        raise Refusal(400, str(error)) from error
