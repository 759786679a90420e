"""Servers as they are: each HTTP request to them is a request."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import httpx
import pytest

from agentmeter.testing import ModelServer, Reply
from tests.zero_code.running import ASK, environment, reported, run

APPS = (
    ASK
    + """
import asyncio
from fastapi import FastAPI
from starlette.responses import StreamingResponse
import agentmeter as am
from agentmeter.web.asgi import AgentmeterMiddleware

api = FastAPI()

@api.get("/ask/{times}")
def asked(times: int):
    for _ in range(times):
        ask()
    return times

@api.get("/stream")
async def stream():
    def pieces():
        yield "one"
        ask()
        yield "two"
    return StreamingResponse(pieces())

@api.get("/later")
async def later():
    async def work():
        await api.state.go.wait()
        ask()
    api.state.go = asyncio.Event()
    api.state.work = asyncio.create_task(work())
    return "soon"

@api.get("/now")
async def now():
    api.state.go.set()
    await api.state.work

@api.get("/own")
def own():
    ask()
    with am.request(user="alice", tenant="acme"):
        ask()

@api.get("/health")
def health():
    return "ok"

api.mount("/below", api)
named = AgentmeterMiddleware(api, user=lambda scope: "named")

async def raw(scope, receive, send):
    if scope["type"] != "http":
        raise RuntimeError("no lifespan")
    for _ in range(int(scope["path"].rpartition("/")[2] or 0)):
        ask()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"done"})

def wsgi(environ, start_response):
    for _ in range(int(environ["PATH_INFO"].rpartition("/")[2] or 0)):
        ask()
    start_response("200 OK", [])
    return [b"done"]
"""
)


@pytest.fixture
def models() -> Iterator[ModelServer]:
    with ModelServer(default=Reply(input=10, output=2)) as server:
        yield server


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@contextmanager
def served(command: list[str], port: int, folder: Path, **given: str) -> Iterator[httpx.Client]:
    """A server that ``agentmeter run`` started, once it answers; ended by SIGTERM."""
    whole = [sys.executable, "-m", "agentmeter.cli", "run", *command]
    process = subprocess.Popen(whole, cwd=folder, env=environment(**given))
    try:
        deadline = time.monotonic() + 60
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            while process.poll() is None and time.monotonic() < deadline:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    time.sleep(0.1)
            yield client
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    finally:
        process.kill()
        process.wait()


UVICORN = ("-m", "uvicorn", "--log-level", "warning", "--port", "{port}")
HYPERCORN = ("-m", "hypercorn", "--log-level", "warning", "--bind", "127.0.0.1:{port}")
GUNICORN = (
    "-m",
    "gunicorn",
    "--log-level",
    "warning",
    "--workers",
    "2",
    "--bind",
    "127.0.0.1:{port}",
)
SERVERS = {
    "uvicorn, FastAPI": (*UVICORN, "app:api"),
    "uvicorn, two workers": (*UVICORN, "--workers", "2", "app:api"),
    "uvicorn, plain ASGI": (*UVICORN, "app:raw"),
    "uvicorn, WSGI": (*UVICORN, "--interface", "wsgi", "app:wsgi"),
    "hypercorn, FastAPI": (*HYPERCORN, "app:api"),
    "hypercorn, plain ASGI": (*HYPERCORN, "app:raw"),
    "hypercorn, WSGI": (*HYPERCORN, "app:wsgi"),
    "gunicorn, WSGI": (*GUNICORN, "app:wsgi"),
}


def in_service(
    name: str, folder: Path, models: ModelServer, **given: str
) -> tuple[list[str], int, dict[str, str]]:
    (folder / "app.py").write_text(APPS)
    command = SERVERS[name]
    if find_spec(command[1]) is None:
        pytest.skip(f"{command[1]} is not here")
    port = free_port()
    return [part.format(port=port) for part in command], port, {"MODELS": models.base_url, **given}


@pytest.mark.parametrize("name", SERVERS)
def test_each_http_request_is_a_request(name: str, models: ModelServer, tmp_path: Path) -> None:
    """One for each that meters something, once however many layers it goes through."""
    command, port, given = in_service(name, tmp_path, models)
    with served(["--feature", "chat", *command], port, tmp_path, **given) as client:
        for path in ("/ask/1", "/ask/2", "/ask/0"):
            assert client.get(path).status_code == 200
    report = reported(tmp_path)
    asked = [one for one in report["requests"] if one["calls"]]
    assert sorted((one["name"], one["calls"]) for one in asked) == [
        ("GET /ask/1", 1),
        ("GET /ask/2", 2),
    ]
    assert {(one["feature"], one["status"]) for one in asked} == {("chat", "ok")}
    assert (models.billed().calls, report["unattributed"]["calls"]) == (3, 0)
    assert [one["name"] for one in report["requests"] if one["name"] == "GET /ask/0"] == []
    assert report["faults"] == {}


def test_streams_and_mounted_applications_are_one_request_each(
    models: ModelServer, tmp_path: Path
) -> None:
    """What is asked while the answer streams belongs to it; a server alone leaves no request."""
    command, port, given = in_service("uvicorn, FastAPI", tmp_path, models)
    with served(command, port, tmp_path, **given) as client:
        assert client.get("/stream").text == "onetwo"
        assert client.get("/below/ask/1").text == "1"
        assert client.get("/health").text == '"ok"'
    found = [(one["name"], one["calls"]) for one in reported(tmp_path)["requests"]]
    assert sorted(found) == [("GET /below/ask/1", 1), ("GET /stream", 1)]


def test_work_that_outlives_its_answer_keeps_its_request(
    models: ModelServer, tmp_path: Path
) -> None:
    """A request that ended empty is recorded with the call that comes after its answer."""
    command, port, given = in_service("uvicorn, FastAPI", tmp_path, models)
    with served(["--per", "http", "--user", "u", *command], port, tmp_path, **given) as client:
        assert client.get("/later").text == '"soon"'
        assert client.get("/now").status_code == 200
    (one,) = reported(tmp_path)["requests"]
    assert (one["name"], one["user"], one["calls"]) == ("GET /later", "u", 1)
    assert (one["status"], one["missing_parents"], one["missing"]) == ("ok", 0, [])


def test_what_the_application_says_goes_over_the_owner_of_the_command(
    models: ModelServer, tmp_path: Path
) -> None:
    """That is a default, also on what was recorded before; it holds where nothing is said."""
    command, port, given = in_service("uvicorn, FastAPI", tmp_path, models)
    default = ["--user", "svc", "--feature", "api"]
    with served([*default, *command], port, tmp_path, **given) as client:
        assert client.get("/own").status_code == 200
        assert client.get("/ask/1").status_code == 200
    fields = ("name", "user", "tenant", "feature", "calls", "contested")
    found = sorted(tuple(one[name] for name in fields) for one in reported(tmp_path)["requests"])
    assert found == [
        ("GET /ask/1", "svc", None, "api", 1, []),
        ("GET /own", "alice", "acme", "api", 2, []),
    ]


def test_the_applications_own_middleware_goes_before(models: ModelServer, tmp_path: Path) -> None:
    """Who knows the user opens the request; ours around it leaves nothing."""
    command, port, given = in_service("uvicorn, FastAPI", tmp_path, models)
    with served([*command[:-1], "app:named"], port, tmp_path, **given) as client:
        client.get("/ask/1")
    found = [(one["user"], one["calls"]) for one in reported(tmp_path)["requests"]]
    assert found == [("named", 1)]


def test_per_process_a_server_is_one_request(models: ModelServer, tmp_path: Path) -> None:
    """With ``--per process`` all that it serves is on the request of the process."""
    command, port, given = in_service("uvicorn, FastAPI", tmp_path, models)
    with served(["--per", "process", *command], port, tmp_path, **given) as client:
        client.get("/ask/1")
        client.get("/ask/2")
    found = [(one["name"], one["calls"]) for one in reported(tmp_path)["requests"]]
    assert found == [("uvicorn", 3)]


def test_opentelemetry_instrument_serves_too(models: ModelServer, tmp_path: Path) -> None:
    """An application that runs itself, under the OpenTelemetry command."""
    (tmp_path / "app.py").write_text(
        APPS + "from starlette.testclient import TestClient\nTestClient(api).get('/ask/2')\n"
    )
    program = str(Path(sys.executable).parent / "opentelemetry-instrument")
    done = run([program, sys.executable, "app.py"], tmp_path, MODELS=models.base_url)
    assert done.returncode == 0, done.stderr
    found = [(one["name"], one["calls"]) for one in reported(tmp_path)["requests"] if one["calls"]]
    assert found == [("GET /ask/2", 2)]
