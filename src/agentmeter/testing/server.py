"""A scripted model server on the loopback address, in the protocols of many providers.

    with ModelServer(Reply(text="hi", input=12, output=3)) as server:
        client = OpenAI(base_url=server.base_url, api_key="test")
        ...
        assert server.billed().input == 12

Usage is exactly as scripted. ``billed()`` is the ground truth: what a provider would put on its
bill, the output of cut streams included.
"""

import socket
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from agentmeter.testing.bodies import content_of, fields_of
from agentmeter.testing.jobs import Jobs
from agentmeter.testing.script import Billed, Received, Reply
from agentmeter.testing.wire import WIRES, Wire, error_body, wire_for, with_model

Predicate = Callable[[Mapping[str, Any]], bool]


class ModelServer:
    """Serves scripted replies in order, then ``default``. A context manager.

    ``wires`` are protocols of one's own, by the end of their paths.
    """

    def __init__(
        self,
        *replies: Reply,
        default: Reply | None = None,
        wires: Mapping[str, Wire] | None = None,
    ) -> None:
        self.wires = {**(wires or {}), **WIRES}
        self._default = default or Reply()
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._answering = 0
        self._queues: list[tuple[Predicate | None, deque[Reply]]] = []
        self._ids = 0
        self._bill: list[Billed] = []
        self.requests: list[Received] = []
        self.jobs = Jobs(self)
        self.stopping = threading.Event()
        self.script(*replies)
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.model_server = self
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), name="model-server", daemon=True
        )

    @property
    def base_url(self) -> str:
        """The base URL for an OpenAI client: ``http://127.0.0.1:PORT/v1``."""
        return f"{self.url}/v1"

    @property
    def url(self) -> str:
        """The base URL for clients that put the version themselves: ``http://127.0.0.1:PORT``."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def script(self, *replies: Reply, when: Predicate | None = None) -> None:
        """Append replies; with ``when``, only for requests whose JSON body it accepts."""
        with self._lock:
            self._queues.append((when, deque(replies)))

    def billed(self) -> Billed:
        """The bill so far; waits, two seconds at most, for answers that are still going out."""
        with self._idle:
            self._idle.wait_for(lambda: self._answering == 0, timeout=2)
            parts = list(self._bill)
        names = Billed.__dataclass_fields__
        return Billed(*(sum(getattr(part, name) for part in parts) for name in names))

    def take(
        self, path: str, body: Mapping[str, Any], headers: Mapping[str, str]
    ) -> tuple[Reply, str]:
        """The reply for a request, and an id for it."""
        with self._lock:
            reply = self._next(body)
            self._ids += 1
            self._answering += 1
            self.requests.append(Received(path, body, headers, reply))
            return reply, f"{self._ids:08d}"

    def _next(self, body: Mapping[str, Any]) -> Reply:
        for when, replies in sorted(self._queues, key=lambda one: one[0] is None):
            if replies and (when is None or when(body)):
                return replies.popleft()
        return self._default

    def bill(self, part: Billed) -> None:
        """Put a call on the bill."""
        with self._lock:
            self._bill.append(part)

    def answered(self) -> None:
        """A request that was taken is over, however it ended."""
        with self._idle:
            self._answering -= 1
            self._idle.notify_all()

    def start(self) -> Self:
        """Begin to serve."""
        self._thread.start()
        return self

    def close(self) -> None:
        """Stop serving and free the port."""
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
    model_server: ModelServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is part of the script."""


class _Handler(BaseHTTPRequestHandler):
    disable_nagle_algorithm = True  # head and body go out apart; together they wait 40 ms
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base's name
        """Silence."""

    def do_POST(self) -> None:
        """Answer one request by the script."""
        length = int(self.headers.get("content-length", 0))
        body = fields_of(self.headers.get("content-type", ""), self.rfile.read(length))
        model_server = self.server.model_server
        headers = {name.lower(): value for name, value in self.headers.items()}
        made = model_server.jobs.post(self.path, body, headers)
        if made is not None:
            self._send(200, *content_of(made), Reply())
            return
        reply, number = model_server.take(self.path, body, headers)
        try:
            self._answer(model_server, reply, number, body)
        finally:
            model_server.answered()

    def do_GET(self) -> None:
        """Give what an earlier request has asked for."""
        held = self.server.model_server.jobs.get(self.path)
        if held is None:
            self._send(404, *content_of(error_body(404)), Reply(status=404))
        else:
            kind = "text/event-stream" if held.startswith(b"event:") else "application/json"
            self._send(200, held, kind, Reply())

    def _answer(
        self, model_server: ModelServer, reply: Reply, number: str, body: Mapping[str, Any]
    ) -> None:
        model_server.stopping.wait(reply.delay)
        wire = wire_for(self.path, model_server.wires)
        if reply.disconnect or reply.status >= 400 or wire is None:
            self._fail(reply, known=wire is not None)
        elif wire.stream is not None and (wire.always_streams or body.get("stream")):
            self._stream(wire, reply, with_model(self.path, body), number)
        else:
            model_server.bill(wire.bill(reply, body))
            answer = wire.body(reply, with_model(self.path, body), number)
            if wire.headers is not None:
                reply = replace(reply, headers={**wire.headers(reply), **reply.headers})
            self._send(200, *content_of(answer), reply)

    def _fail(self, reply: Reply, *, known: bool) -> None:
        self.server.model_server.bill(Billed(failed=1))
        if reply.disconnect:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        status = reply.status if known else 404
        self._send(status, *content_of(error_body(status)), reply)

    def _send(self, status: int, body: bytes, kind: str, reply: Reply) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self._extra(reply)
        self.end_headers()
        self.wfile.write(body)

    def _extra(self, reply: Reply) -> None:
        if reply.status >= 400 and reply.retry_after_ms is not None:
            self.send_header("retry-after-ms", str(reply.retry_after_ms))
        for name, value in reply.headers.items():
            self.send_header(name, value)

    def _stream(self, wire: Wire, reply: Reply, body: Mapping[str, Any], number: str) -> None:
        assert wire.stream is not None
        self.send_response(200)
        self.send_header("content-type", wire.kind)
        self.send_header("transfer-encoding", "chunked")
        self._extra(reply)
        self.end_headers()
        sent, done = 0, False
        try:
            for is_content, event in wire.stream(reply, body, number):
                if is_content and reply.cut_after is not None and sent >= reply.cut_after:
                    self._cut(reply)
                    return
                self.server.model_server.stopping.wait(reply.chunk_delay)
                self._chunk(event)
                sent += is_content
            done = True
            self._chunk(b"")
        except OSError:
            self.close_connection = True
        finally:
            bill = wire.bill(reply, body)
            if not done:
                bill = replace(bill, output=min(sent, reply.output), reasoning=0, web_search=0)
            self.server.model_server.bill(bill)

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def _cut(self, reply: Reply) -> None:
        if reply.cut == "clean":
            self._chunk(b"")
        else:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
