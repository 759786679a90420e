"""google-genai's other faces: live sessions, batches, interactions."""

import json
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from google import genai
from google.genai import types

import agentmeter as am
from agentmeter.model import Record
from agentmeter.report.report import RequestReport, build
from agentmeter.runtime.counting import COUNTER
from agentmeter.testing import Kept, ModelServer, Reply
from agentmeter.testing.live import LiveServer
from agentmeter_google_genai.batches import BATCHES
from agentmeter_google_genai.interactions import AWAITED

MODEL = "gemini-2.5-flash"
REPLY = Reply(text="one two", input=1200, cached=1000, output=60, reasoning=16)
USED = {"cache_read": 1000, "input": 200, "output": 44, "reasoning": 16}
SPOKEN = Reply(text="one two", input=200, input_audio=120, output=60, output_audio=40, reasoning=4)
HEARD = {"input": 80, "input_audio": 120, "output": 16, "output_audio": 40, "reasoning": 4}
HI: Any = {"role": "user", "parts": [{"text": "hi"}]}


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer(default=REPLY) as server:
        am.instrument("google-genai")
        yield server
        am.uninstrument()
        BATCHES.forget()
        AWAITED.forget()


@pytest.fixture
def client(server: ModelServer) -> Iterator[genai.Client]:
    options = types.HttpOptions(base_url=server.url)
    with genai.Client(api_key="test", vertexai=False, http_options=options) as client:
        yield client


@pytest.fixture
def live(server: ModelServer) -> Iterator[genai.Client]:
    """A client whose web sockets go to the loopback, without TLS."""
    with LiveServer(server) as at:
        client = genai.Client(api_key="test", vertexai=False)
        client._api_client._websocket_ssl_ctx = {}
        client._api_client._websocket_base_url = lambda *_: at.url  # type: ignore[method-assign]
        yield client


def by_user(meter: Kept) -> dict[str | None, RequestReport]:
    COUNTER.settle()
    report = build(meter.entries, meter.tariffs)
    return {one.tree.record.owner.user: one for one in report.requests}


def calls(meter: Kept) -> list[Record]:
    return [node.record for node in by_user(meter)["u"].tree.children if node.record.call]


async def turn(session: Any) -> list[Any]:
    await session.send_client_content(turns=HI, turn_complete=True)
    return [message async for message in session.receive()]


async def test_every_turn_of_a_session_is_a_call(
    meter: Kept, server: ModelServer, live: genai.Client
) -> None:
    """With its text and audio tokens, as they are billed."""
    server.script(SPOKEN, SPOKEN)
    with am.request(user="u"):
        async with live.aio.live.connect(model="gemini-live-2.5-flash") as session:
            for _ in range(2):
                assert (await turn(session))[-1].usage_metadata.total_token_count == 260
    found = calls(meter)
    assert [(one.status.value, dict(one.call.usage)) for one in found if one.call] == [
        ("ok", HEARD),
        ("ok", HEARD),
    ]
    assert dict(server.billed().usage) == {name: 2 * n for name, n in HEARD.items()}
    (model,) = {(one.call.provider, one.call.model, one.call.stream) for one in found if one.call}
    assert model == ("google", "gemini-live-2.5-flash", True)
    assert by_user(meter)["u"].amounts["USD"] > Decimal("0.0015")


async def test_a_turn_that_is_left_is_unknown(
    meter: Kept, server: ModelServer, live: genai.Client
) -> None:
    """Nobody has told what it took."""
    with am.request(user="u"):
        async with live.aio.live.connect(model="gemini-live-2.5-flash") as session:
            await session.send_client_content(turns=HI, turn_complete=True)
            async for _ in session.receive():
                break
    (record,) = calls(meter)
    assert record.call is not None
    assert (record.status.value, dict(record.call.usage)) == ("closed", {})
    assert {str(known) for known in record.call.evidence.values()} == {"unknown"}


def requests(count: int) -> Any:
    return [{"contents": [HI]} for _ in range(count)]


def test_results_of_a_batch_are_calls_of_who_created_it(
    meter: Kept, server: ModelServer, client: genai.Client
) -> None:
    """At half the price, but for what a cache gave, once, however often they are looked at."""
    server.script(replace(REPLY, cached=0), Reply(status=500), REPLY)
    with am.request(user="u"):
        batch = client.batches.create(model=MODEL, src=requests(3))
    with am.request(user="reads"):
        for _ in range(2):
            done = client.batches.get(name=batch.name or "")
            assert done.dest is not None
            assert len(done.dest.inlined_responses or ()) == 3
    found = by_user(meter)
    assert (found["u"].calls, found["reads"].calls) == (2, 0)
    assert dict(found["u"].usage) == dict(server.billed().usage)
    price = ((1400 * 30 + 120 * 250) / Decimal(2) + 1000 * 3) * Decimal("0.00000001")
    assert found["u"].amounts["USD"] == price


def test_results_in_a_file_are_read_from_it(
    meter: Kept, server: ModelServer, client: genai.Client
) -> None:
    """When it is downloaded; also by a process that did not create the batch."""
    lines = [{"key": f"q{at}", "request": {"contents": [HI]}} for at in range(3)]
    server.jobs.held["/files/in"] = "\n".join(map(json.dumps, lines)).encode()
    with am.request(user="u"):
        batch = client.batches.create(model=MODEL, src="files/in")
    BATCHES.forget()  # what another process knows
    with am.request(user="reads"):
        done = client.batches.get(name=batch.name or "")
        assert done.dest is not None
        assert client.files.download(file=done.dest.file_name or "").count(b"response") >= 3
    found = by_user(meter)
    assert (found["u"].calls, found["reads"].calls) == (3, 0)
    assert dict(found["u"].usage) == dict(server.billed().usage)


async def test_batches_are_so_asynchronously(
    meter: Kept, server: ModelServer, client: genai.Client
) -> None:
    """Inline, and in a file."""
    line = json.dumps({"key": "q", "request": {"contents": [HI]}})
    server.jobs.held["/files/in"] = line.encode()
    async with am.request(user="u"):
        inline = await client.aio.batches.create(model=MODEL, src=requests(1))
        file = await client.aio.batches.create(model=MODEL, src="files/in")
    await client.aio.batches.get(name=inline.name or "")
    done = await client.aio.batches.get(name=file.name or "")
    assert done.dest is not None
    await client.aio.files.download(file=done.dest.file_name or "")
    assert dict(by_user(meter)["u"].usage) == dict(server.billed().usage)
    assert by_user(meter)["u"].calls == 2


ASKED: Any = {"model": MODEL, "input": "hello world"}


def test_interactions_are_calls(meter: Kept, server: ModelServer, client: genai.Client) -> None:
    """Plain and streamed."""
    with am.request(user="u"):
        client.interactions.create(**ASKED)
        assert len(list(client.interactions.create(**ASKED, stream=True))) > 2
    found = [record.call for record in calls(meter)]
    assert [dict(call.usage) for call in found if call] == [USED, USED]
    assert {(call.provider, call.model) for call in found if call} == {("google", MODEL)}
    assert dict(server.billed().usage) == {name: 2 * n for name, n in USED.items()}


async def test_interactions_are_calls_asynchronously(
    meter: Kept, server: ModelServer, client: genai.Client
) -> None:
    """As well."""
    async with am.request(user="u"):
        await client.aio.interactions.create(**ASKED)
        async for _ in await client.aio.interactions.create(**ASKED, stream=True):
            pass
    assert [dict(one.call.usage) for one in calls(meter) if one.call] == [USED, USED]


def test_an_interaction_in_the_background_is_one_call(
    meter: Kept, server: ModelServer, client: genai.Client
) -> None:
    """However often it is looked at, and after its request has ended."""
    with am.request(user="u"):
        begun = client.interactions.create(**ASKED, background=True)
    with am.request(user="looks"):
        client.interactions.get(begun.id)
        client.interactions.get(begun.id)
    found = by_user(meter)
    assert (found["u"].calls, dict(found["u"].usage)) == (1, USED)
    assert found["looks"].calls == 0


def test_an_interaction_that_is_cut_is_known_in_part(
    meter: Kept, server: ModelServer, client: genai.Client
) -> None:
    """What had arrived is counted."""
    server.script(replace(REPLY, cut_after=1))
    with am.request(user="u"):
        list(client.interactions.create(**ASKED, stream=True))
    (record,) = calls(meter)
    assert record.call is not None
    assert record.status.value == "cut"
    assert {name: str(known) for name, known in record.call.evidence.items()} == {
        "input": "estimated",
        "output": "estimated, at_least",
    }


def test_a_budget_refuses_an_interaction_before_it_is_sent(
    meter: Kept, server: ModelServer, client: genai.Client
) -> None:
    """As any other call."""
    with am.request(user="u", budget=am.Budget(usd="0.0000001")), pytest.raises(am.BudgetExceeded):
        client.interactions.create(**ASKED, generation_config={"max_output_tokens": 50})
    assert server.requests == []
