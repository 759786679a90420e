"""The server: what it is made of, put together, run and ended in order."""

import asyncio
import contextlib
import fcntl
import os
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from agentmeter.exceptions import BusyError, ConfigurationError
from agentmeter.pricing import Cached, Catalog
from agentmeter.serve.connection import Connection
from agentmeter.serve.guard import Guard, is_loopback
from agentmeter.serve.limits import Limits
from agentmeter.serve.live import Live, Reporter
from agentmeter.serve.page import PageRoutes
from agentmeter.serve.refusal import Refusal
from agentmeter.serve.spans import Intake
from agentmeter.serve.tokens import Token, Tokens
from agentmeter.serve.traces import Traces, refused
from agentmeter.serve.writer import Writer

_LOCK = ".serve.lock"
_STOPS = (signal.SIGTERM, signal.SIGINT)
_CONNECTIONS = 512
_LAST_SECONDS = 30
"""For so long exports that are under way may take when the server is told to stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How to serve. ``names`` are hosts that the server is reached by besides this machine's own;
    ``shown`` is how many entries the page holds at most. Without ``sync`` what is acknowledged
    outlives the process, and not the power.
    """

    folder: Path
    host: str = "127.0.0.1"
    port: int = 4318
    tokens: tuple[Token, ...] = ()
    names: tuple[str, ...] = ()
    plans: Path | None = None
    sync: bool = True
    keep_content: bool = False
    shown: int = 100_000
    limits: Limits = field(default_factory=Limits)


def serve(settings: Settings, ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; ``ready`` is told the address once it can be reached.

    Raises ``ConfigurationError`` where the address cannot be listened on, or must not without a
    token, or the folder cannot be written to, and ``BusyError`` where another server has it.
    """
    if not settings.tokens and not is_loopback(settings.host):
        raise ConfigurationError(
            f"{settings.host} can be reached from other machines, where anybody could read what "
            "requests cost and send spans: name tokens (--tokens FILE, or AGENTMETER_TOKEN), or "
            "listen on 127.0.0.1"
        )
    with _owned(settings.folder), _listening(settings.host, settings.port) as listener:
        asyncio.run(_run(settings, listener, ready))


async def _run(settings: Settings, listener: socket.socket, ready: Callable[[str], None]) -> None:
    reporter = Reporter(settings.folder, settings.shown, settings.plans)
    live = Live(settings.folder, reporter, settings.limits.followers)
    writer = Writer(settings.folder, sync=settings.sync)
    config = uvicorn.Config(
        application(settings, live, writer),
        http=Connection,
        log_level="warning",
        access_log=False,
        server_header=False,
        lifespan="off",
        limit_concurrency=_CONNECTIONS,
        timeout_graceful_shutdown=_LAST_SECONDS,
    )
    try:
        await _Server(config, live, lambda: ready(_address(listener))).serve([listener])
    finally:
        await live.close()
        await asyncio.to_thread(writer.close)
        await reporter.close()


def application(settings: Settings, live: Live, writer: Writer) -> Starlette:
    """The routes: the receiver's, and those of the page."""
    guard = Guard(Tokens(settings.tokens), settings.names)
    intake = Intake(settings.limits, Cached(Catalog()), keep_content=settings.keep_content)
    traces = Traces(guard, settings.limits, intake, writer)
    page = PageRoutes(guard, live)
    routes = [
        Route("/v1/traces", traces.export, methods=["POST"]),
        Route("/", page.page),
        Route("/api/report", page.report),
        Route("/api/request", page.tree),
        Route("/api/events", page.events),
        Route("/health", _health),
    ]
    return Starlette(routes=routes, exception_handlers={Refusal: refused, ClientDisconnect: _gone})


async def _health(request: Request) -> Response:
    return PlainTextResponse("ok\n")


async def _gone(request: Request, error: Exception) -> Response:
    """Nobody hears this: the sender went before its body had come."""
    return Response(status_code=400)


class _Server(uvicorn.Server):
    """Says when it can be reached; lets go of who follows events before it waits for the rest."""

    def __init__(self, config: uvicorn.Config, live: Live, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._live = live
        self._ready = ready

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop in order at a signal, and end well: the signal is not raised again."""
        loop = asyncio.get_running_loop()
        for one in _STOPS:
            loop.add_signal_handler(one, self.handle_exit, one, None)
        try:
            yield
        finally:
            for one in _STOPS:
                loop.remove_signal_handler(one)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._live.close()
        await super().shutdown(sockets)


@contextlib.contextmanager
def _owned(folder: Path) -> Iterator[None]:
    """Be the only server of a folder. Raises ``BusyError``, and ``ConfigurationError`` where the
    folder cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigurationError(
            f"{folder}: {error.strerror}; name a folder that this process may write to"
        ) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise BusyError(
            f"{folder}: another agentmeter serve has this folder; stop it, or name another folder"
        ) from error
    else:
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that listens. Raises ``ConfigurationError``."""
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.create_server(address, family=family, backlog=2048)
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {host}:{port}: {error.strerror}; is a collector or another server "
            "there? Choose another --port or --host"
        ) from error
    with listener:
        yield listener


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
