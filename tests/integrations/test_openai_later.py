"""openai's usage that comes by another request: background responses and batches."""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import openai
import pytest
from tests.integrations.openai_served import served

import agentmeter as am
from agentmeter.report.report import RequestReport, build
from agentmeter.runtime.counting import COUNTER
from agentmeter.testing import Kept, ModelServer, Reply
from agentmeter_openai.later import AWAITED, BATCHES

REPLY = Reply(input=1200, cached=1000, output=60, reasoning=16)
USED = {"cache_read": 1000, "input": 200, "output": 44, "reasoning": 16}
GPT: dict[str, Any] = {"model": "gpt-5", "input": "hello world"}


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with served(REPLY) as server:
        yield server


@pytest.fixture
def client(server: ModelServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=server.base_url, api_key="test") as client:
        yield client


def by_user(meter: Kept) -> dict[str | None, RequestReport]:
    COUNTER.settle()
    report = build(meter.entries, meter.tariffs)
    return {one.tree.record.owner.user: one for one in report.requests}


def poll(client: openai.OpenAI, response: Any) -> None:
    while client.responses.retrieve(response.id).status != "completed":
        pass


def read(client: openai.OpenAI, response: Any) -> None:
    assert list(client.responses.retrieve(response.id, stream=True))[-1].type.endswith("completed")


def look_raw(client: openai.OpenAI, response: Any) -> None:
    for _ in range(3):
        client.responses.with_raw_response.retrieve(response.id).parse()


def cancel(client: openai.OpenAI, response: Any) -> None:
    assert client.responses.cancel(response.id).status == "cancelled"


LOOKS = {"polled": poll, "streamed": read, "raw": look_raw, "cancelled": cancel}


@pytest.mark.parametrize("look", LOOKS)
def test_a_background_response_is_one_call_whose_usage_comes_later(
    look: str, meter: Kept, server: ModelServer, client: openai.OpenAI
) -> None:
    """Once, however often it is looked at, and on a request that has ended."""
    server.script(Reply(input=1200, cached=1000, output=60, reasoning=16, looks=2))
    with am.request(user="asks"):
        response = client.responses.create(**GPT, background=True)
        assert (response.status, response.usage) == ("queued", None)
    with am.request(user="looks"):
        LOOKS[look](client, response)
        client.responses.retrieve(response.id)
    found = by_user(meter)
    assert (found["asks"].calls, dict(found["asks"].usage)) == (1, USED)
    assert (found["looks"].calls, dict(found["looks"].usage)) == (0, {})
    assert dict(server.billed().usage) == USED
    (node,) = found["asks"].tree.children
    assert node.record.call is not None
    assert {str(known) for known in node.record.call.evidence.values()} == {"reported"}
    price = (200 * 125 + 1000 * Decimal("12.5") + 60 * 1000) * Decimal("0.00000001")
    assert found["asks"].amounts["USD"] == price


def test_until_it_is_looked_at_its_output_is_unknown(meter: Kept, client: openai.OpenAI) -> None:
    """And its input an estimate."""
    with am.request(user="asks"):
        client.responses.create(**GPT, background=True)
    (node,) = by_user(meter)["asks"].tree.children
    assert node.record.call is not None
    assert {name: str(known) for name, known in node.record.call.evidence.items()} == {
        "input": "estimated",
        "output": "unknown",
    }


def test_a_stream_that_was_left_is_made_whole_by_a_later_look(
    meter: Kept, server: ModelServer, client: openai.OpenAI
) -> None:
    """What had been an estimate of a part is then what the provider says."""
    server.script(REPLY)
    with am.request(user="asks"):
        response = client.responses.create(**GPT, background=True)
    with am.request(user="leaves"):
        stream = client.responses.retrieve(response.id, stream=True)
        next(iter(stream))
        stream.close()
    assert dict(by_user(meter)["asks"].usage) == {"input": 9}
    client.responses.retrieve(response.id)
    client.responses.retrieve(response.id)
    assert dict(by_user(meter)["asks"].usage) == USED


async def test_it_is_so_asynchronously(meter: Kept, server: ModelServer) -> None:
    """Polled and streamed."""
    async with openai.AsyncOpenAI(base_url=server.base_url, api_key="test") as client:
        async with am.request(user="asks"):
            first = await client.responses.create(**GPT, background=True)
            second = await client.responses.create(**GPT, background=True)
        for _ in range(3):
            await client.responses.retrieve(first.id)
        async for _ in await client.responses.retrieve(second.id, stream=True):
            pass
    asked = by_user(meter)["asks"]
    assert (asked.calls, dict(asked.usage)) == (2, {name: 2 * n for name, n in USED.items()})


def test_a_process_that_did_not_ask_leads_the_usage_home(
    meter: Kept, client: openai.OpenAI
) -> None:
    """By the response's id, whichever request looks."""
    with am.request(user="asks"):
        response = client.responses.create(**GPT, background=True)
    AWAITED.forget()  # what another process knows
    with am.request(user="looks"):
        poll(client, response)
        poll(client, response)
    found = by_user(meter)
    assert (found["asks"].calls, dict(found["asks"].usage)) == (1, USED)
    assert found["looks"].calls == 0
    assert meter.report().unattributed is None or meter.report().unattributed.calls == 0


@pytest.mark.parametrize("home", ["asks", None])
def test_however_many_processes_look_it_is_one_call(
    home: str | None, meter: Kept, client: openai.OpenAI
) -> None:
    """Of who asked; unattributed, and once, where nobody that is metered did."""
    if home is None:
        am.uninstrument()
    with am.request(user="asks"):
        response = client.responses.create(**GPT, background=True)
    am.instrument("openai")
    for _ in range(3):
        AWAITED.forget()  # what another process knows
        with am.request(user="looks"):
            poll(client, response)
    COUNTER.settle()
    report = build(meter.entries, meter.tariffs)
    calls = [(one.tree.record.owner.user, one.calls) for one in report.requests if one.calls]
    calls += [(None, report.unattributed.calls)] if report.unattributed is not None else []
    assert calls == [(home, 1)]
    assert dict(report.usage) == USED


ENDPOINTS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"model": "gpt-5", "messages": [{"role": "user", "content": "hi"}]},
    "/v1/responses": GPT,
    "/v1/embeddings": {"model": "text-embedding-3-small", "input": "hi"},
    "/v1/completions": {"model": "gpt-3.5-turbo-instruct", "prompt": "hi"},
}


def create(client: openai.OpenAI, endpoint: str, count: int = 3) -> Any:
    lines = [
        {"custom_id": f"q{at}", "method": "POST", "url": endpoint, "body": ENDPOINTS[endpoint]}
        for at in range(count)
    ]
    content = "\n".join(map(json.dumps, lines)).encode()
    file = client.files.create(file=content, purpose="batch")
    made: Any = client.batches.create(
        input_file_id=file.id, endpoint=endpoint, completion_window="24h"
    )
    return made


def text(client: openai.OpenAI, file_id: str) -> str:
    return client.files.content(file_id).text


def raw(client: openai.OpenAI, file_id: str) -> str:
    return client.files.with_raw_response.content(file_id).text


def pieces(client: openai.OpenAI, file_id: str) -> str:
    with client.files.with_streaming_response.content(file_id) as response:
        return b"".join(response.iter_bytes(7)).decode()


@pytest.mark.parametrize("fetch", [text, raw, pieces])
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_every_result_of_a_batch_is_a_call_of_who_created_it(
    endpoint: str, fetch: Any, meter: Kept, server: ModelServer, client: openai.OpenAI
) -> None:
    """At the batch's price, once, however often and by whomever the file is read."""
    replies = [Reply(input=100, output=0 if "embed" in endpoint else 10), Reply(status=500)]
    server.script(*replies, Reply(input=300, output=0 if "embed" in endpoint else 30))
    with am.request(user="asks"):
        batch = create(client, endpoint)
    with am.request(user="reads"):
        output = client.batches.retrieve(batch.id).output_file_id
        assert fetch(client, output) == fetch(client, output)
    found = by_user(meter)
    assert (found["asks"].calls, found["reads"].calls) == (2, 0)
    assert dict(found["asks"].usage) == dict(server.billed().usage)
    made = [one.call for one in meter.records if one.call is not None]
    assert all(call.batch and call.provider == "openai" for call in made)
    assert {call.model for call in made} == {ENDPOINTS[endpoint]["model"]}
    if endpoint == "/v1/chat/completions":
        assert found["asks"].amounts["USD"] == (400 * 125 + 40 * 1000) * Decimal("0.00000001") / 2


async def test_batches_are_so_asynchronously(meter: Kept, server: ModelServer) -> None:
    """The async client's files are read on the way as well."""
    line = {"custom_id": "q", "method": "POST", "url": "/v1/responses", "body": GPT}
    async with openai.AsyncOpenAI(base_url=server.base_url, api_key="test") as client:
        async with am.request(user="asks"):
            file = await client.files.create(file=json.dumps(line).encode(), purpose="batch")
            made = await client.batches.create(
                input_file_id=file.id, endpoint="/v1/responses", completion_window="24h"
            )
        batch = await client.batches.retrieve(made.id)
        assert batch.output_file_id is not None
        assert json.loads((await client.files.content(batch.output_file_id)).text)["error"] is None
        async with client.files.with_streaming_response.content(batch.output_file_id) as response:
            assert [one async for one in response.iter_lines()]
    assert (by_user(meter)["asks"].calls, dict(by_user(meter)["asks"].usage)) == (1, USED)


@pytest.mark.parametrize("knows_batch", [True, False])
def test_a_process_that_did_not_create_the_batch_leads_results_home(
    knows_batch: bool, meter: Kept, server: ModelServer, client: openai.OpenAI
) -> None:
    """Below the step that creating it left; where another has read them too, they are there."""
    with am.request(user="asks"):
        batch = create(client, "/v1/chat/completions")
    output = client.batches.retrieve(batch.id).output_file_id
    assert output is not None
    if not knows_batch:
        text(client, output)
    BATCHES.forget()  # what another process knows
    with am.request(user="reads"):
        text(client, output)
    BATCHES.forget()
    text(client, output)
    found = by_user(meter)
    assert (found["asks"].calls, found["reads"].calls) == (3, 0)
    assert dict(found["asks"].usage) == dict(server.billed().usage)
    (step,) = found["asks"].tree.children
    assert (step.record.name, len(step.children)) == ("batch", 3)


def test_results_of_a_batch_that_nobody_metered_are_of_who_reads_them_first(
    meter: Kept, server: ModelServer, client: openai.OpenAI
) -> None:
    """One that another program created."""
    am.uninstrument()
    batch = create(client, "/v1/chat/completions")
    output = client.batches.retrieve(batch.id).output_file_id
    assert output is not None
    am.instrument("openai")
    for user in ("first", "second"):
        with am.request(user=user):
            text(client, output)
        BATCHES.forget()
    found = by_user(meter)
    assert (found["first"].calls, found["second"].calls) == (3, 0)
    assert dict(found["first"].usage) == dict(server.billed().usage)


def test_other_files_are_no_results(meter: Kept, client: openai.OpenAI) -> None:
    """Whatever they hold."""
    for content in (b"no json\n{]", b'{"custom_id": 1}', b"[1]", b""):
        file = client.files.create(file=content, purpose="batch")
        assert client.files.content(file.id).content == content
    assert [one for one in meter.records if one.call is not None] == []
