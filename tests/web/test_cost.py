"""The cost of an answer on the answer: headers under uvicorn and wsgiref, trailers over HTTP/2."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from wsgiref.simple_server import make_server

import h2.config
import h2.connection
import h2.events
import httpx
import hypercorn.asyncio
import hypercorn.config
import pytest
import requests

import agentmeter as am
from agentmeter.exceptions import ConfigurationError
from agentmeter.runtime.context import current_scope
from agentmeter.runtime.faults import FAULTS
from agentmeter.testing import Kept, metered
from agentmeter.web import asgi, wsgi
from tests.web.test_doors import _Quiet, served


@pytest.fixture
def meter() -> Iterator[Kept]:
    with metered(fixed=False) as kept:
        yield kept
        assert FAULTS.counts() == {}
    assert current_scope() is None


def use(tokens: int = 1000, model: str = "gpt-5") -> None:
    with am.call(provider="openai", model=model) as call:
        call.record(am.Usage(input=tokens))


async def application(scope: Any, receive: Any, send: Any) -> None:
    """By the path: an answer in one piece, in two, a stream, or what uses a model with no price."""
    path, headers = scope["path"], [(b"content-type", b"text/plain")]
    use(model="unheard-of" if path == "/unpriced" else "gpt-5")
    if path == "/nothing":
        return
    if path != "/stream":
        headers.append((b"content-length", b"6"))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    if path in ("/stream", "/pieces"):
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        use()
        await send({"type": "http.response.body", "body": b"two"})
        return
    await send({"type": "http.response.body", "body": b"onetwo", "more_body": path == "/flagged"})
    if path == "/flagged":
        await send({"type": "http.response.body"})


def timing(answer: Any) -> str:
    """What ``Server-Timing`` says, without the time."""
    return str(answer.headers["server-timing"]).partition(", ")[2]


@pytest.mark.parametrize("path", ["/whole", "/flagged"])
def test_an_answer_in_one_piece_says_what_it_cost(meter: Kept, path: str) -> None:
    """In two headers; also where a further piece was announced and is empty."""
    with (
        served(asgi.AgentmeterMiddleware(application, cost_header=True)) as url,
        httpx.Client() as client,
    ):
        answer = client.get(url + path)
    assert answer.text == "onetwo"
    assert answer.headers["x-request-cost"] == "0.00125 USD"
    assert timing(answer) == 'cost;desc="0.00125 USD"'


@pytest.mark.parametrize("path", ["/stream", "/pieces"])
def test_a_streamed_answer_says_nothing_too_early(meter: Kept, path: str) -> None:
    """While more is to come the cost is not known, and over HTTP/1.1 it is not said."""
    with (
        served(asgi.AgentmeterMiddleware(application, cost_header=True)) as url,
        httpx.Client() as client,
    ):
        answer = client.get(url + path)
    assert answer.text == "onetwo"
    assert not {"x-request-cost", "server-timing", "trailer"} & set(answer.headers)


def test_what_could_not_be_priced_is_said(meter: Kept) -> None:
    """The cost is at least what it says."""
    with (
        served(asgi.AgentmeterMiddleware(application, cost_header="cost")) as url,
        httpx.Client() as client,
    ):
        assert client.get(f"{url}/unpriced").headers["x-request-cost"] == "0 USD; at-least"


def test_nothing_is_said_unless_it_is_switched_on(meter: Kept) -> None:
    """The default shows no cost to anybody."""
    with served(asgi.AgentmeterMiddleware(application)) as url, httpx.Client() as client:
        assert not {"x-request-cost", "server-timing"} & set(client.get(url).headers)


def test_an_application_without_an_answer_fails_as_before(meter: Kept) -> None:
    """The server's own complaint goes to the client; the request is recorded."""
    with (
        served(asgi.AgentmeterMiddleware(application, cost_header=True)) as url,
        httpx.Client() as client,
    ):
        assert client.get(f"{url}/nothing").status_code == 500
    assert meter.report().usage.total_tokens == 1000


def test_what_is_no_request_passes_by(meter: Kept) -> None:
    """``when`` decides; where it fails the connection is a request, and the fault counted."""
    app = asgi.AgentmeterMiddleware(application, when=lambda scope: scope["path"] != "/whole")
    with served(app) as url, httpx.Client() as client:
        client.get(f"{url}/whole")
        client.get(f"{url}/flagged")
    assert [one.tree.record.name for one in meter.report().requests] == ["GET /flagged"]
    failing = asgi.AgentmeterMiddleware(application, when=lambda scope: scope["none"])
    with served(failing) as url, httpx.Client() as client:
        client.get(f"{url}/whole")
    assert len(meter.report().requests) == 2
    assert FAULTS.counts() == {"when: KeyError": 1}
    FAULTS.clear()


PLANS = """
[[plan]]
name = "pro"
[[plan.charge]]
name = "Answers"
for = "requests"
allowance = 1
price = "0.05"
"""


def test_the_charge_of_the_owners_plan(tmp_path: Path) -> None:
    """What the plan charges, not what it cost; nothing for who has no plan."""
    (tmp_path / "plans.toml").write_text(PLANS)
    am.configure(directory=tmp_path / "journal", plans=tmp_path / "plans.toml")
    app = asgi.AgentmeterMiddleware(
        application,
        user="u",
        plan=lambda scope: scope["query_string"].decode() or None,
        cost_header="charge",
    )
    try:
        with served(app) as url, httpx.Client() as client:
            told = [
                client.get(f"{url}/whole?{plan}").headers.get("x-request-cost")
                for plan in ("pro", "pro", "gold", "")
            ]
            timed = client.get(f"{url}/whole").headers["server-timing"]
    finally:
        am.configure(journal=False, plans="")
    assert told == ["0 USD", "0.05 USD", None, None]
    assert timed.startswith("total;dur=")
    assert "cost" not in timed


def test_what_is_to_be_shown_is_checked_when_the_application_is_made() -> None:
    """A word that is none of the choices is refused."""
    with pytest.raises(ConfigurationError, match="cost_header: 'cost', 'charge' or a truth value"):
        asgi.AgentmeterMiddleware(application, cost_header="price")  # type: ignore[arg-type]


@contextmanager
def served_by_hypercorn(app: Any) -> Iterator[int]:
    """A real hypercorn, which speaks HTTP/2 and does trailers, on a loopback port."""
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    sock.listen()
    port = sock.getsockname()[1]
    config = hypercorn.config.Config()
    config.bind, config.errorlog = [f"fd://{sock.detach()}"], None  # which closes it in the end
    loop, stop = asyncio.new_event_loop(), asyncio.Event()
    served = hypercorn.asyncio.serve(app, config, shutdown_trigger=stop.wait)
    thread = threading.Thread(target=loop.run_until_complete, args=(served,))
    thread.start()
    try:
        yield port
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()


def trailers_of(port: int, path: str, *more: tuple[str, str]) -> tuple[str, dict[str, str]]:
    """The body and the trailers of an answer over HTTP/2, by a client of bare frames."""
    connection = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
    body, trailers = b"", {}
    with socket.create_connection(("127.0.0.1", port), 10) as sock:
        connection.initiate_connection()
        head = [(":method", "GET"), (":path", path), (":scheme", "http"), (":authority", "x")]
        connection.send_headers(1, [*head, *more], end_stream=True)
        over = False
        while not over:
            sock.sendall(connection.data_to_send())
            for event in connection.receive_data(sock.recv(65_535)):
                if isinstance(event, h2.events.DataReceived):
                    body += event.data
                    connection.acknowledge_received_data(event.flow_controlled_length, 1)
                elif isinstance(event, h2.events.TrailersReceived):
                    trailers = dict(event.headers)
                over = over or isinstance(event, h2.events.StreamEnded)
    return body.decode(), trailers


def test_a_streamed_answer_has_its_cost_in_trailers(meter: Kept) -> None:
    """Where the server does trailers and the client takes them: all of it, the stream included."""
    app = asgi.AgentmeterMiddleware(application, cost_header=True)
    with served_by_hypercorn(app) as port:
        body, trailers = trailers_of(port, "/stream", ("te", "trailers"))
        plain, none = trailers_of(port, "/stream")
    assert (body, plain) == ("onetwo", "onetwo")
    assert trailers["x-request-cost"] == "0.0025 USD"
    assert trailers["server-timing"].endswith(', cost;desc="0.0025 USD"')
    assert none == {}


async def trailing(scope: Any, receive: Any, send: Any) -> None:
    """An application that sends trailers of its own."""
    await send({"type": "http.response.start", "status": 200, "headers": [], "trailers": True})
    use()
    await send({"type": "http.response.body", "body": b"x"})
    await send(
        {"type": "http.response.trailers", "headers": [(b"checksum", b"7")], "more_trailers": False}
    )


def test_an_applications_own_trailers_stay(meter: Kept) -> None:
    """Ours are added to its last."""
    app = asgi.AgentmeterMiddleware(trailing, cost_header=True)
    with served_by_hypercorn(app) as port:
        _, trailers = trailers_of(port, "/", ("te", "trailers"))
    assert (trailers["checksum"], trailers["x-request-cost"]) == ("7", "0.00125 USD")


def listed(environ: Any, start_response: Callable[..., Any]) -> list[bytes]:
    """A whole answer, begun before all of it was paid for."""
    start_response("200 OK", [("content-type", "text/plain")])
    use()
    return [b"whole"]


def generated(environ: Any, start_response: Callable[..., Any]) -> Iterator[bytes]:
    """An answer in pieces."""
    use()
    start_response("200 OK", [("content-type", "text/plain")])
    yield b"piece"


def written(environ: Any, start_response: Callable[..., Any]) -> list[bytes]:
    """An answer by the old ``write``, which sends the head at once."""
    start_response("200 OK", [("content-type", "text/plain")])(b"written ")
    use()
    return [b"later"]


@pytest.mark.parametrize(
    ("app", "text", "cost"),
    [
        (listed, "whole", "0.00125 USD"),
        (generated, "piece", None),
        (written, "written later", None),
    ],
)
def test_a_wsgi_answer_that_is_whole_says_what_it_cost(
    meter: Kept, app: Any, text: str, cost: str | None
) -> None:
    """A list is whole; what is made piece by piece, or sent at once, has no cost on its head."""
    wrapped = wsgi.AgentmeterMiddleware(app, cost_header=True)
    with make_server("127.0.0.1", 0, wrapped, handler_class=_Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        answer = requests.get(f"http://127.0.0.1:{server.server_port}/", timeout=5)
        server.shutdown()
        thread.join()
    assert (answer.text, answer.headers.get("x-request-cost")) == (text, cost)
    assert meter.report().usage.total_tokens == 1000
