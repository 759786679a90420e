"""Connections that keep others out if they may."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn

from agentmeter.serve.connection import Connection

HEAD = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n"


async def hello(scope: Any, receive: Any, send: Any) -> None:
    """Answers once the body has come, and a while after that."""
    while (await receive()).get("more_body"):
        pass
    await asyncio.sleep(5 * Brief.seconds)
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


class Brief(Connection):
    seconds = 0.1


@asynccontextmanager
async def served() -> AsyncIterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(hello, http=Brief, lifespan="off", log_config=None)
        server = uvicorn.Server(config)
        running = asyncio.create_task(server._serve([listener]))
        yield listener.getsockname()[1]
        server.should_exit = True
        await running


@pytest.mark.parametrize("sent", [b"", b"GET", HEAD], ids=["nothing", "a word", "half a head"])
async def test_a_head_that_never_ends_is_not_waited_for(sent: bytes) -> None:
    """However much of it has come; the connection is closed without an answer."""
    async with served() as port:
        heard, said = await asyncio.open_connection("127.0.0.1", port)
        said.write(sent)
        assert await asyncio.wait_for(heard.read(), 30) == b""
        said.close()


async def test_what_is_under_way_is_waited_for() -> None:
    """A slow body and a slow answer are others' to bound; the next head is waited for as well."""
    async with served() as port:
        heard, said = await asyncio.open_connection("127.0.0.1", port)
        said.write(HEAD + b"Content-Length: 2\r\n\r\n{")
        await asyncio.sleep(5 * Brief.seconds)
        said.write(b"}")
        answer = await asyncio.wait_for(heard.readuntil(b"\r\n\r\n"), 30)
        assert answer.startswith(b"HTTP/1.1 204")
        said.write(HEAD)
        assert await asyncio.wait_for(heard.read(), 30) == b""
        said.close()
