"""mcp: a tool server's own model calls come home to the request of whoever called the tool."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.integrations.loops import INNER, amounts_to, outline

import agentmeter as am
from agentmeter.report.report import build
from agentmeter.store.reader import read
from agentmeter.testing import ModelServer

pytest.importorskip("mcp")

from mcp.client.session import ClientSession
from mcp.client.stdio import StdioServerParameters, stdio_client

SERVER = str(Path(__file__).with_name("mcp_server.py"))


@pytest.fixture
def journal(tmp_path: Path) -> Any:
    """Both processes write to one folder; what was configured before is put back."""
    from agentmeter.runtime.state import STATE

    fields = ("sink", "reader", "pricer", "spans", "settings", "configured")
    before = {name: getattr(STATE, name) for name in fields}
    am.configure(directory=tmp_path)
    am.instrument("mcp")
    yield tmp_path
    am.uninstrument()
    STATE.sink.close()  # type: ignore[union-attr]
    for name, value in before.items():
        setattr(STATE, name, value)


async def call(server: ModelServer, folder: Path, users: str) -> None:
    parameters = StdioServerParameters(
        command=sys.executable, args=[SERVER, server.base_url, str(folder)]
    )
    async with (
        stdio_client(parameters) as (reading, writing),
        ClientSession(reading, writing) as session,
    ):
        await session.initialize()

        async def one(user: str) -> None:
            async with am.request("ask", user=user):
                await asyncio.gather(
                    *(session.call_tool("get_weather", {"city": c}) for c in ("Oslo", "Rome"))
                )

        await asyncio.gather(*map(one, users))


def test_the_servers_calls_are_the_callers(journal: Path) -> None:
    """Two tools at once in another process: its calls lie below the caller's tool scopes."""
    with ModelServer(default=INNER) as server:
        asyncio.run(call(server, journal, "a"))
        am.flush()
        contents = read(journal)
        report = build(contents.entries, contents.tariffs)
        amounts_to(report, server)
    below = ["tool get_weather", ["step get_weather", "call gpt-5-mini"]]
    assert outline(report.requests[0].tree) == ["request ask", below, below]


def test_each_caller_pays_for_its_own(journal: Path) -> None:
    """One session that two requests use side by side."""
    with ModelServer(default=INNER) as server:
        asyncio.run(call(server, journal, "ab"))
    am.flush()
    contents = read(journal)
    report = build(contents.entries, contents.tariffs)
    found = {one.view.owner.user: one.usage.total_tokens for one in report.requests}
    assert found == {"a": 24, "b": 24}
    assert report.unattributed is None


def test_uninstrumenting_puts_every_method_back() -> None:
    """Both layers of the client's."""
    before = ClientSession.call_tool
    am.instrument("mcp")
    assert ClientSession.call_tool is not before
    am.uninstrument("mcp")
    assert ClientSession.call_tool is before
