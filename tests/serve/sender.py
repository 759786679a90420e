"""A program that sends spans until it is told to stop, and keeps account of what was acknowledged.

    python -m tests.serve.sender ADDRESS NUMBER SPANS ACCOUNT

Exports of SPANS spans go out one after another, in JSON and protobuf by turns, packed; one that is
not acknowledged is sent again as it is. A line of ACCOUNT is the first and last id acknowledged.
"""

import gzip
import json
import sys
import threading
import time
from typing import Any, TextIO

import httpx
from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.serve.serving import JSON, PROTOBUF, export, span

MOST = 10_000_000
"""Spans of one sender, so that their ids do not meet."""


def main() -> None:
    address, number, size, account = sys.argv[1:]
    over = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
    with open(account, "w", encoding="utf-8") as file, httpx.Client(timeout=10) as client:
        first = int(number) * MOST + 1
        while not over.is_set():
            last = first + int(size) - 1
            if acknowledged(client, address, packed(first, last), over):
                told(file, first, last)
            first = last + 1


def packed(first: int, last: int) -> tuple[bytes, str]:
    body = export(*(span(number, trace=first) for number in range(first, last + 1)))
    if first // (last - first + 1) % 2:
        return gzip.compress(body, 1), JSON
    return gzip.compress(in_protobuf(json.loads(body)), 1), PROTOBUF


def in_protobuf(document: dict[str, Any]) -> bytes:
    """An export in protobuf; the library wants ids in base64 where OTLP has them in hex."""
    import base64

    for one in document["resourceSpans"][0]["scopeSpans"][0]["spans"]:
        for name in ("traceId", "spanId"):
            one[name] = base64.b64encode(bytes.fromhex(one[name])).decode()
    made: bytes = ParseDict(document, ExportTraceServiceRequest()).SerializeToString()
    return made


def acknowledged(
    client: httpx.Client, address: str, body: tuple[bytes, str], over: threading.Event
) -> bool:
    """Send until it is taken; whether it was before everything is over."""
    headers = {"content-type": body[1], "content-encoding": "gzip"}
    while not over.is_set():
        try:
            answer = client.post(f"{address}/v1/traces", content=body[0], headers=headers)
        except httpx.TransportError:
            time.sleep(0.05)  # the receiver is not there at this moment
            continue
        if answer.status_code == 200:
            return True
        assert answer.status_code == 503, answer.text
        time.sleep(float(answer.headers["retry-after"]))
    return False


def told(file: TextIO, first: int, last: int) -> None:
    file.write(f"{first} {last}\n")
    file.flush()


if __name__ == "__main__":
    main()
