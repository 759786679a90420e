"""openai's pictures that another model draws or writes: what that one took is a call of its own."""

import json
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import openai
import pytest
from openai.resources.responses import Responses
from tests.integrations.openai_served import served

import agentmeter as am
from agentmeter.model import Call
from agentmeter.runtime.counting import COUNTER
from agentmeter.testing import Kept, ModelServer, Reply
from agentmeter.testing.live import LiveServer

SVG = {
    "model": "gpt-5",
    "input_tokens": 40,
    "output_tokens": 300,
    "reasoning_tokens": 100,
    "total_tokens": 340,
}
DRAWN = {
    "input_tokens": 100,
    "input_tokens_details": {"image_tokens": 30, "text_tokens": 70},
    "cached_tokens": 20,
    "cached_tokens_details": {"cached_image_tokens": 15, "cached_text_tokens": 5},
    "output_tokens": 500,
    "output_tokens_details": {"image_tokens": 480, "text_tokens": 20},
    "total_tokens": 600,
}
PICTURE = {"type": "image_generation_call", "id": "ig", "status": "completed", "result": ""}
TOLD: dict[str, Any] = {
    "output": [{**PICTURE, "svg_usage": SVG}],
    "tools": [{"type": "image_generation", "model": "gpt-image-2"}],
    "tool_usage": {"image_gen": DRAWN, "web_search": {"num_requests": 0}},
}
REPLY = Reply(told=TOLD)
GPT: dict[str, Any] = {"model": "gpt-5", "input": "a cat"}

ASKED = ("gpt-5", "chat", {"input": 12, "output": 5})
DRAWER_USED = {
    "input": 65,
    "cache_read": 5,
    "input_image": 15,
    "cache_read_image": 15,
    "output": 20,
    "output_image": 480,
}
DRAWER = ("gpt-image-2", "image_generation", DRAWER_USED)
WRITER = ("gpt-5", "image_generation", {"input": 40, "output": 200, "reasoning": 100})


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with served(REPLY) as server:
        yield server


@pytest.fixture
def client(server: ModelServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=server.base_url, api_key="test") as client:
        yield client


def calls(meter: Kept) -> list[Call]:
    COUNTER.settle()
    (request,) = meter.report().requests
    nodes = [*request.tree.children]
    nodes += [below for node in nodes for below in node.children]
    return [node.record.call for node in nodes if node.record.call is not None]


def made(meter: Kept) -> list[tuple[str | None, str | None, dict[str, int]]]:
    return [(one.model, one.operation, dict(one.usage)) for one in calls(meter)]


@pytest.mark.parametrize("more", [{}, {"stream": True}])
def test_who_drew_for_a_response_is_a_call_beside_it(
    more: dict[str, Any], meter: Kept, client: openai.OpenAI
) -> None:
    """With tokens and a price of its own; and so is who wrote the picture as SVG."""
    with am.request():
        answer = client.responses.create(**GPT, **more)
        if more:
            list(answer)
    assert made(meter) == [ASKED, DRAWER, WRITER]
    assert {one.provider for one in calls(meter)} == {"openai"}
    drawn = 65 * 5 + 5 * Decimal("1.25") + 15 * 8 + 15 * 2 + 500 * 30
    others = (12 + 40) * Decimal("1.25") + (5 + 300) * 10
    assert meter.report().requests[0].amounts["USD"] == (drawn + others) / 1_000_000


@pytest.mark.parametrize("more", [{}, {"stream": True}])
async def test_it_is_so_asynchronously(
    more: dict[str, Any], meter: Kept, server: ModelServer
) -> None:
    """Plain and streamed."""
    client = openai.AsyncOpenAI(base_url=server.base_url, api_key="test")
    async with client, am.request():
        answer: Any = await client.responses.create(**GPT, **more)
        if more:
            assert [event async for event in answer]
    assert made(meter) == [ASKED, DRAWER, WRITER]


def test_raw_answers_tell_it_as_well(meter: Kept, client: openai.OpenAI) -> None:
    """Whoever parses them, and when."""
    with am.request():
        client.responses.with_raw_response.create(**GPT).parse()
    assert made(meter) == [ASKED, DRAWER, WRITER]


def test_a_drawer_that_nobody_names_is_unknown(
    meter: Kept, server: ModelServer, client: openai.OpenAI
) -> None:
    """Its tokens are counted, and are without a price; output that is not told apart is drawn."""
    told = {"tool_usage": {"image_gen": {**DRAWN, "output_tokens_details": None}}}
    server.script(replace(REPLY, told=told))
    with am.request():
        client.responses.create(**GPT)
    drawn = {name: count for name, count in DRAWER_USED.items() if "output" not in name}
    assert made(meter) == [ASKED, (None, "image_generation", {**drawn, "output_image": 500})]
    assert calls(meter)[1].unpriced is not None


def test_a_response_that_draws_nothing_is_alone(
    meter: Kept, server: ModelServer, client: openai.OpenAI
) -> None:
    """Tools that were not used are told with zeros."""
    nothing = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}
    told = {"tool_usage": {"image_gen": nothing, "web_search": {"num_requests": 0}}}
    server.script(replace(REPLY, told=told))
    with am.request():
        client.responses.create(**GPT)
    assert made(meter) == [ASKED]


def test_who_wrote_the_picture_of_an_endpoint_is_a_call_beside_it(
    meter: Kept, server: ModelServer, client: openai.OpenAI
) -> None:
    """Generated or edited."""
    server.script(*[Reply(input=50, output=200, output_image=180, told={"svg_usage": SVG})] * 2)
    with am.request():
        client.images.generate(model="gpt-image-2", prompt="a cat")
        client.images.edit(model="gpt-image-2", prompt="a cat", image=b"1")
    drawn = ("gpt-image-2", "image_generation", {"input": 50, "output": 20, "output_image": 180})
    assert made(meter) == [drawn, WRITER] * 2


def test_a_background_response_tells_it_when_it_is_looked_at(
    meter: Kept, client: openai.OpenAI
) -> None:
    """Once, however often, and on the request that asked."""
    with am.request():
        response = client.responses.create(**GPT, background=True)
    for _ in range(4):
        client.responses.retrieve(response.id)
    assert made(meter) == [ASKED, DRAWER, WRITER]


def test_results_of_a_batch_tell_it(meter: Kept, client: openai.OpenAI) -> None:
    """Once, however often they are read, at the batch's price."""
    line = {"custom_id": "q", "method": "POST", "url": "/v1/responses", "body": GPT}
    with am.request():
        file = client.files.create(file=json.dumps(line).encode(), purpose="batch")
        begun = client.batches.create(
            input_file_id=file.id, endpoint="/v1/responses", completion_window="24h"
        )
    output = client.batches.retrieve(begun.id).output_file_id
    assert output is not None
    for _ in range(2):
        assert client.files.content(output).text
    assert made(meter) == [ASKED, DRAWER, WRITER]
    assert all(one.batch for one in calls(meter))


@pytest.mark.skipif(not hasattr(Responses, "connect"), reason="no such connections yet")
def test_responses_over_a_connection_tell_it(meter: Kept, server: ModelServer) -> None:
    """As those over HTTP do."""
    with LiveServer(server) as live, am.request():
        client = openai.OpenAI(websocket_base_url=f"{live.url}/v1", api_key="test")
        with client, client.responses.connect() as connection:
            connection.response.create(**GPT)
            next(event for event in connection if event.type == "response.completed")
    assert made(meter) == [ASKED, DRAWER, WRITER]
