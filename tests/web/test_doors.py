"""Servers and clients for real: who is billed for what comes in over HTTP."""

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import httpx
import httpx2
import openai
import pytest
import requests
import uvicorn

import agentmeter as am
from agentmeter.exceptions import ConfigurationError
from agentmeter.runtime.context import current_scope
from agentmeter.runtime.faults import FAULTS
from agentmeter.runtime.state import STATE
from agentmeter.testing import Kept, ModelServer, metered
from agentmeter.web import asgi, wsgi

KEY = b"a shared key"


@pytest.fixture
def meter() -> Iterator[Kept]:
    """A meter in memory with a real clock, since carriers have an age."""
    before = STATE.carrier_key, STATE.carry_to
    with metered(fixed=False) as kept:
        yield kept
    STATE.carrier_key, STATE.carry_to = before
    assert current_scope() is None


def use(tokens: int) -> None:
    with am.call(provider="openai", model="gpt-5") as call:
        call.record(am.Usage(input=tokens))


def by_user(meter: Kept) -> dict[str | None, int]:
    return {one.view.owner.user: one.usage.total_tokens for one in meter.report().requests}


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Uses the tokens that the query names, half of them while it streams its answer."""
    if scope["type"] != "http":
        return
    tokens = int(scope["query_string"] or b"1")
    use(tokens)
    if scope["path"] == "/fail":
        raise KeyError("application")
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"one", "more_body": True})
    await asyncio.sleep(0.01)
    use(tokens)
    await send({"type": "http.response.body", "body": b"two"})


def user_of(scope: Any) -> str | None:
    return next((v.decode() for n, v in scope["headers"] if n == b"x-user"), None)


@contextmanager
def served(app: Any) -> Iterator[str]:
    """A real uvicorn on a loopback port of its own."""
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off"))
    thread = threading.Thread(target=server.run, args=([sock],), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(5)
        sock.close()


def test_every_http_request_is_a_request_until_its_body_is_sent(meter: Kept) -> None:
    """Under uvicorn, side by side: each user pays for their own, what was streamed included."""
    with served(asgi.AgentmeterMiddleware(application, user=user_of)) as url:

        async def all_at_once() -> None:
            async with httpx.AsyncClient() as client:
                await asyncio.gather(
                    *(client.get(f"{url}/?{n}", headers={"x-user": f"u{n}"}) for n in range(1, 21))
                )

        asyncio.run(all_at_once())
        with httpx.Client() as client:
            assert client.get(f"{url}/fail?7", headers={"x-user": "f"}).status_code == 500
    assert by_user(meter) == {**{f"u{n}": 2 * n for n in range(1, 21)}, "f": 7}
    statuses = {one.view.owner.user: one.tree.record.status for one in meter.report().requests}
    assert (statuses["u1"], statuses["f"]) == ("ok", "error")
    assert meter.report().requests[0].tree.record.name == "GET /"


CARRIED = Callable[[dict[str, str]], dict[str, str]]


def carried() -> tuple[Any, dict[str, str]]:
    """A request, and headers that carry it."""
    with am.request(user="owner") as request:
        return request, dict(am.inject({}))


@pytest.mark.parametrize("trust", [(), ("10.0.0.0/8",), lambda scope: False])
def test_a_strangers_header_writes_onto_nobodys_request(meter: Kept, trust: Any) -> None:
    """From a peer that is not trusted a carrier is refused and counted; it pays for itself."""
    request, headers = carried()
    with (
        served(asgi.AgentmeterMiddleware(application, user="stranger", trust=trust)) as url,
        httpx.Client() as client,
    ):
        client.get(f"{url}/?5", headers=headers)
    assert by_user(meter) == {"owner": 0, "stranger": 10}
    assert FAULTS.counts() == {
        "carrier refused: not signed, and from a peer that is not trusted": 1
    }
    assert request.usage.total_tokens == 0


@pytest.mark.parametrize("trust", [("127.0.0.0/8",), lambda scope: True])
def test_a_trusted_peer_continues_the_request(meter: Kept, trust: Any) -> None:
    """From a trusted peer the work lands on the request that the carrier names."""
    _, headers = carried()
    with (
        served(asgi.AgentmeterMiddleware(application, user="x", trust=trust)) as url,
        httpx.Client() as client,
    ):
        client.get(f"{url}/?5", headers=headers)
    assert by_user(meter) == {"owner": 10}


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        (None, None),
        ({"agentmeter-request": "f" * 32}, "wrong signature"),
        ({"agentmeter-signature": "1-00"}, "wrong signature"),
        ({"agentmeter-signature": "x" * 5000}, "malformed signature"),
        ({"agentmeter-request": "x" * 129}, "malformed"),
        ({"agentmeter-scope": "../../etc"}, "malformed"),
    ],
)
def test_a_signed_carrier_is_followed_and_a_forged_one_is_not(
    meter: Kept, change: dict[str, str] | None, refusal: str | None
) -> None:
    """With a key a stranger's carrier is good exactly if it is signed, whole and not too old."""
    STATE.carrier_key = KEY
    _, headers = carried()
    with served(asgi.AgentmeterMiddleware(application, user="x")) as url, httpx.Client() as client:
        client.get(f"{url}/?5", headers={**headers, **(change or {})})
    expected = {"owner": 10} if refusal is None else {"owner": 0, "x": 10}
    assert by_user(meter) == expected
    assert FAULTS.counts() == ({f"carrier refused: {refusal}": 1} if refusal else {})


def test_an_old_carrier_is_refused_even_by_resume(meter: Kept) -> None:
    """A signature from two days ago is good for nothing, and the work stays where it is."""
    STATE.carrier_key = KEY
    now, STATE.now_ns = STATE.now_ns, lambda: 1_790_000_000_000_000_000
    _, headers = carried()
    STATE.now_ns = lambda: 1_790_000_000_000_000_000 + 2 * 86_400 * 10**9
    with am.request(user="here"), am.resume(headers):
        use(3)
    STATE.now_ns = now
    assert by_user(meter) == {"owner": 0, "here": 3}
    assert FAULTS.counts() == {"carrier refused: older than 86400 seconds": 1}


def test_a_trust_that_is_no_network_is_refused_at_once() -> None:
    """The mistake is told when the application is made, not when somebody calls."""
    with pytest.raises(ConfigurationError, match="trust: 'everybody' is no network"):
        asgi.AgentmeterMiddleware(application, trust=["everybody"])


def wsgi_application(environ: Any, start_response: Any) -> Iterator[bytes]:
    tokens = int(environ["QUERY_STRING"] or 1)
    use(tokens)
    start_response("200 OK", [])

    def pieces() -> Iterator[bytes]:
        yield b"one"
        use(tokens)
        yield b"two"

    return pieces()


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Silence."""


def test_wsgi_bills_until_the_answer_is_closed(meter: Kept) -> None:
    """Under wsgiref: the request of a WSGI answer is open while its pieces are made."""
    app = wsgi.AgentmeterMiddleware(
        wsgi_application, user=lambda environ: environ.get("HTTP_X_USER")
    )
    with make_server("127.0.0.1", 0, app, handler_class=_Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/"
        for user, tokens in (("a", 1), ("b", 10)):
            answer = requests.get(f"{url}?{tokens}", headers={"x-user": user}, timeout=5)
            assert answer.content == b"onetwo"
        server.shutdown()
        thread.join()
    assert by_user(meter) == {"a": 2, "b": 20}


def test_a_wsgi_answer_given_up_on_is_billed_for_what_was_made(meter: Kept) -> None:
    """A server that closes after the first piece ends the request; no context is left behind."""
    app = wsgi.AgentmeterMiddleware(wsgi_application, user="a")
    answer = app({"QUERY_STRING": "4"}, lambda *_: None)
    assert next(iter(answer)) == b"one"
    assert current_scope() is None
    answer.close()  # type: ignore[attr-defined]
    assert by_user(meter) == {"a": 4}
    assert meter.report().requests[0].tree.record.status == "ok"


@pytest.fixture
def carrying() -> Iterator[None]:
    am.instrument("http")
    yield
    am.uninstrument("http")


@contextmanager
def echo(location: str | None = None) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A server that keeps the headers it was sent, and redirects where it is told to."""
    seen: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append({name.lower(): value for name, value in self.headers.items()})
            self.send_response(302 if location else 200)
            if location:
                self.send_header("location", location)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Silence."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"http://localhost:{server.server_port}/", seen
    server.shutdown()
    server.server_close()
    thread.join()


def get_httpx(url: str) -> None:
    with httpx.Client(follow_redirects=True) as client:
        client.get(url)


def get_httpx2(url: str) -> None:
    with httpx2.Client(follow_redirects=True) as client:
        client.get(url)


def get_requests(url: str) -> None:
    requests.get(url, timeout=5)


def get_async(url: str) -> None:
    async def run() -> AsyncIterator[None]:
        async with httpx.AsyncClient(follow_redirects=True) as client:
            await client.get(url)

    asyncio.run(run())  # type: ignore[arg-type]


CLIENTS = [get_httpx, get_httpx2, get_requests, get_async]


@pytest.mark.parametrize("get", CLIENTS)
def test_a_request_is_carried_to_ones_own_hosts(
    meter: Kept, carrying: None, get: Callable[[str], None]
) -> None:
    """Inside a request each client carries it; outside of any there is nothing to carry."""
    with echo() as (url, seen):
        with am.request(user="a") as request:
            get(url)
        get(url)
    assert seen[0]["agentmeter-request"] == request.id
    assert "agentmeter-request" not in seen[1]


@pytest.mark.parametrize("get", CLIENTS)
def test_a_redirect_to_a_host_that_is_not_named_loses_the_carrier(
    meter: Kept, carrying: None, monkeypatch: pytest.MonkeyPatch, get: Callable[[str], None]
) -> None:
    """What was carried to one's own service does not follow a redirect to somebody else's."""
    from agentmeter_http import hosts, patch

    own = hosts.allowed
    monkeypatch.setattr(patch, "allowed", lambda h, p, n: h == "localhost" and own(h, p, n))
    with echo() as (elsewhere, seen):
        target = elsewhere.replace("localhost", "127.0.0.1")
        with echo(target) as (url, first), am.request(user="a"):
            get(url)
    assert "agentmeter-request" in first[0]
    assert not [name for name in seen[0] if name.startswith("agentmeter")]


def test_nothing_goes_out_to_a_model(meter: Kept, carrying: None) -> None:
    """Inside a model call the client's own traffic carries nothing, even to this machine."""
    am.instrument("openai")
    with ModelServer() as server, am.request(user="a"):
        client = openai.OpenAI(base_url=server.base_url, api_key="test")
        client.chat.completions.create(model="gpt-5", messages=[{"role": "user", "content": "x"}])
        sent = server.requests[0].headers
    am.uninstrument("openai")
    assert not [name for name in sent if name.startswith(("agentmeter", "baggage", "traceparent"))]


@pytest.mark.parametrize(
    ("host", "port", "expected"),
    [
        ("localhost", 80, True),
        ("search", 8080, True),
        ("10.1.2.3", None, True),
        ("search.prod.svc.cluster.local", None, True),
        ("example.com", 443, False),
        ("8.8.8.8", None, False),
        ("api.openai.com", 443, False),
        ("me.openai.azure.com", 443, False),
        ("bedrock-runtime.eu-west-1.amazonaws.com", 443, False),
        ("tools.mine.example", 443, True),
        ("mine.example", 443, True),
        ("notmine.example", 443, False),
        ("one.example", 8443, True),
        ("one.example", 443, False),
    ],
)
def test_hosts_that_a_request_is_carried_to(host: str, port: int | None, expected: bool) -> None:
    """Private hosts and those that were named; a provider's never, though a name would allow it."""
    from agentmeter_http.hosts import allowed

    named = ("*.mine.example", "one.example:8443", "*.com")
    assert allowed(host, port, named[:2] if host == "example.com" else named) is expected


async def test_a_connection_without_headers_is_served(meter: Kept) -> None:
    """A server may leave them out of a websocket's scope."""
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        use(2)
        seen.append(scope["path"])

    await asgi.AgentmeterMiddleware(app)({"type": "websocket", "path": "/"}, None, None)  # type: ignore[arg-type]
    assert seen == ["/"]
    assert by_user(meter) == {None: 2}


async def test_a_header_by_another_spelling_is_none_of_ours(meter: Kept) -> None:
    """What an edge that takes our headers off has let through is not followed."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        use(2)

    scope = {
        "type": "http",
        "path": "/",
        "method": "GET",
        "client": ("10.0.0.1", 1),
        "headers": [(b"agentmeter_request", b"of-another")],
    }
    door = asgi.AgentmeterMiddleware(app, user="own", trust=["10.0.0.0/8"])
    await door(scope, None, None)  # type: ignore[arg-type]
    assert by_user(meter) == {"own": 2}
