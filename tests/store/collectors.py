"""A collector on loopback: takes OTLP/HTTP, keeps what it took, and answers as it is told to."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from agentmeter.semconv.fields import SpanFields, Value


@dataclass
class Reply:
    """What is answered once: a status, seconds to wait, or how many spans are refused and why."""

    status: int = 200
    after: str | None = None
    refused: int = 0
    why: str = ""


@dataclass
class Taken:
    """What came in, and what is still to be answered; 200 once that is used up."""

    replies: list[Reply] = field(default_factory=list)
    spans: list[SpanFields] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    resources: list[dict[str, Value]] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    port: int = 0

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def collecting(*replies: Reply) -> Iterator[Taken]:
    """A collector that listens, and stops afterwards."""
    taken = Taken(list(replies))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = gzip.decompress(self.rfile.read(int(self.headers["Content-Length"])))
            request = ExportTraceServiceRequest.FromString(body)
            found = list(_spans(request))
            taken.headers.append(dict(self.headers))
            taken.sizes.append(len(found))
            reply = taken.replies.pop(0) if taken.replies else Reply()
            if reply.status == 200:
                taken.spans += found[reply.refused :]
                taken.resources += [_attributes(one.resource.attributes)
                                    for one in request.resource_spans]  # fmt: skip
            self._answer(reply)

        def _answer(self, reply: Reply) -> None:
            response = ExportTraceServiceResponse()
            if reply.refused:
                response.partial_success.rejected_spans = reply.refused
                response.partial_success.error_message = reply.why
            data = response.SerializeToString()
            self.send_response(reply.status)
            if reply.after is not None:
                self.send_header("Retry-After", reply.after)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    taken.port = int(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield taken
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _spans(request: Any) -> Iterator[SpanFields]:
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield SpanFields(
                    span.name,
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex() or None,
                    span.start_time_unix_nano,
                    span.end_time_unix_nano,
                    _attributes(span.attributes),
                    scope.scope.name,
                    span.status.code == 2,
                )


def _attributes(found: Any) -> dict[str, Value]:
    return {one.key: _plain(one.value) for one in found}


def _plain(value: Any) -> Value:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return tuple(str(_plain(one)) for one in value.array_value.values)
    plain: Value = getattr(value, kind)
    return plain
