"""The real anthropic client against the scripted server: metered equals billed."""

import asyncio
import gc
import inspect
import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import anthropic
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import agentmeter as am
from agentmeter.model import Call, Record
from agentmeter.report.report import build
from agentmeter.runtime.counting import COUNTER
from agentmeter.runtime.faults import FAULTS
from agentmeter.runtime.state import STATE
from agentmeter.testing import Billed, FakeClock, Kept, ModelServer, Reply, metered

OWN_SPANS = pytest.mark.skipif(
    not hasattr(anthropic._base_client, "finish_api_call_span"),
    reason="this version of the client makes no spans of its own",
)
SAID: dict[str, Any] = {
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "hello world"}],
}
ASKED = {"model": "claude-haiku-4-5", **SAID}
FULL = Reply(
    text="a b c d e f",
    input=1200,
    cached=700,
    written_5m=200,
    written_1h=50,
    output=60,
    reasoning=16,
    web_search=2,
)
USED = {
    "cache_read": 700,
    "cache_write_1h": 50,
    "cache_write_5m": 200,
    "input": 250,
    "output": 44,
    "reasoning": 16,
    "web_search": 2,
}
INPUT = {name: USED[name] for name in ("cache_read", "cache_write_1h", "cache_write_5m", "input")}


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer(default=FULL) as server:
        yield server


@pytest.fixture
def client(server: ModelServer) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=server.url, api_key="test") as client:
        am.instrument("anthropic")
        yield client
        am.uninstrument()


def last(meter: Kept) -> Record:
    COUNTER.settle()
    return meter.records[-1]


def call_of(record: Record) -> Call:
    assert record.call is not None
    return record.call


def amended(meter: Kept) -> Call:
    """The last call, with the late counts in."""
    report = meter.report().unattributed
    assert report is not None
    return call_of(report.tree.children[-1].record)


def read_lines(context: Any) -> None:
    with context as raw:
        for _ in raw.iter_lines():
            pass


def final(context: Any) -> None:
    with context as stream:
        stream.get_final_message()


PLAIN: dict[str, Callable[[anthropic.Anthropic], Any]] = {
    "create": lambda c: c.messages.create(**ASKED),
    "create stream": lambda c: list(c.messages.create(**ASKED, stream=True)),
    "stream helper": lambda c: final(c.messages.stream(**ASKED)),
    "raw": lambda c: c.messages.with_raw_response.create(**ASKED).parse(),
    "raw stream": lambda c: list(c.messages.with_raw_response.create(**ASKED, stream=True).parse()),
    "streaming response": lambda c: read_lines(c.messages.with_streaming_response.create(**ASKED)),
    "streaming response stream": lambda c: read_lines(
        c.messages.with_streaming_response.create(**ASKED, stream=True)
    ),
    "beta": lambda c: c.beta.messages.create(**ASKED),
    "beta stream": lambda c: list(c.beta.messages.create(**ASKED, stream=True)),
    "beta helper": lambda c: final(c.beta.messages.stream(**ASKED)),
    "extra body": lambda c: c.messages.create(**ASKED, extra_body={"top_k": 1}),
}


@pytest.mark.parametrize("way", PLAIN)
def test_every_way_of_calling_is_metered_whole(
    way: str, meter: Kept, client: anthropic.Anthropic, server: ModelServer
) -> None:
    """Whatever the way, seven meters are the provider's own, and the bill agrees."""
    PLAIN[way](client)
    record = last(meter)
    call = call_of(record)
    assert dict(call.usage) == USED
    assert {str(known) for known in call.evidence.values()} == {"reported"}
    assert (record.status, call.finish_reasons) == ("ok", ("end_turn",))
    assert (call.provider, call.response_id) == ("anthropic", "msg_00000001")
    billed = server.billed()
    assert (billed.calls, billed.input, billed.output) == (1, 1200, 60)
    assert billed.web_search == 2
    assert len(meter.records) == 1


def test_counting_tokens_costs_nothing(
    meter: Kept, client: anthropic.Anthropic, server: ModelServer
) -> None:
    """``count_tokens`` is no call."""
    with pytest.raises(anthropic.NotFoundError):  # the scripted server does not speak it
        client.messages.count_tokens(model=ASKED["model"], messages=SAID["messages"])
    assert server.requests[0].path == "/v1/messages/count_tokens"
    assert meter.records == []


def test_the_conditions_of_a_call_are_stated(
    meter: Kept, client: anthropic.Anthropic, server: ModelServer
) -> None:
    """Tier, place and speed that served are those of the usage; ordinary ones are left out."""
    server.script(Reply(service_tier="priority", region="us", speed="fast"))
    server.script(Reply(region="not_available", speed="standard"))
    client.messages.create(**ASKED)
    stated = call_of(last(meter))
    assert (stated.service_tier, stated.region, stated.speed) == ("priority", "us", "fast")
    client.messages.create(**ASKED)
    ordinary = call_of(last(meter))
    assert (ordinary.service_tier, ordinary.region, ordinary.speed) == (
        "standard",
        None,
        "standard",
    )
    assert (stated.batch, ordinary.batch) == (False, False)


def test_the_price_is_of_all_meters(meter: Kept, client: anthropic.Anthropic) -> None:
    """Haiku 4.5 per million: 1 in, 0.10 read, 1.25 and 2 written, 5 out; a search costs a cent."""
    client.messages.create(**ASKED)
    report = meter.report().to_json()["unattributed"]
    tokens = (250 * 100 + 700 * 10 + 200 * 125 + 50 * 200 + 60 * 500) * Decimal("0.00000001")
    assert Decimal(report["cost"]["amount"]) == tokens + 2 * Decimal("0.01")
    assert report["unpriced"] == []


@pytest.mark.skipif(not hasattr(anthropic, "beta_tool"), reason="no tool runner yet")
def test_the_tool_runner_makes_a_call_for_every_turn(
    meter: Kept, client: anthropic.Anthropic, server: ModelServer
) -> None:
    """Two turns with a tool between them are two calls; the tool's result is in the second."""

    @anthropic.beta_tool
    def weather(city: str) -> str:
        """The weather.

        Args:
            city: where

        """
        return f"sunny in {city}"

    server.script(Reply(tool_calls=(("weather", '{"city": "Oslo"}'),), input=100, output=20))
    server.script(Reply(text="sunny", input=140, output=5))
    with am.request(user="u") as request:
        runner = client.beta.messages.tool_runner(**ASKED, tools=[weather])
        assert runner.until_done().content[0].text == "sunny"
    (one,) = request.report().requests
    assert one.calls == 2
    assert dict(one.usage) == {"input": 240, "output": 25}
    assert server.billed() == Billed(calls=2, input=240, output=25)


def close(client: anthropic.Anthropic) -> None:
    stream = client.messages.create(**ASKED, stream=True)
    after_two_words(stream)
    stream.close()


def drop(client: anthropic.Anthropic) -> None:
    after_two_words(client.messages.create(**ASKED, stream=True))


def raise_inside(client: anthropic.Anthropic) -> None:
    with (
        pytest.raises(ZeroDivisionError),
        client.messages.create(**ASKED, stream=True) as stream,
    ):
        after_two_words(stream)
        raise ZeroDivisionError


def leave_helper(client: anthropic.Anthropic) -> None:
    with client.messages.stream(**ASKED) as stream:
        texts = iter(stream.text_stream)
        next(texts)
        next(texts)


def leave_lines(client: anthropic.Anthropic) -> None:
    with client.messages.with_streaming_response.create(**ASKED, stream=True) as raw:
        seen = 0
        for line in raw.iter_lines():
            seen += "text_delta" in line
            if line == "" and seen == 2:
                break


def after_two_words(stream: Any) -> None:
    seen = 0
    for event in stream:
        seen += event.type == "content_block_delta"
        if seen == 2:
            break


@pytest.mark.parametrize(
    ("cut", "status", "waste"),
    [
        (close, "closed", False),
        (drop, "closed", False),
        (raise_inside, "error", True),
        (leave_helper, "closed", False),
        (leave_lines, "closed", False),
    ],
)
def test_a_stream_cut_by_its_reader_keeps_what_arrived(
    cut: Callable[[anthropic.Anthropic], None],
    status: str,
    waste: bool,
    meter: Kept,
    client: anthropic.Anthropic,
) -> None:
    """The input was reported with the first event; of the output two words had arrived."""
    cut(client)
    assert last(meter).status == status
    call = amended(meter)
    arrived = call.usage["output"]
    assert dict(call.usage) == {**INPUT, "output": arrived}
    assert arrived in (2, 3)  # two words of o200k, by the factor for Claude's tokenizer
    assert {name: str(known) for name, known in call.evidence.items()} == {
        **dict.fromkeys(INPUT, "reported"),
        "output": "estimated, at_least",
    }
    report = meter.report().unattributed
    assert report is not None
    assert bool(report.waste) is waste


@pytest.mark.parametrize("kind", ["clean", "reset"])
def test_a_stream_cut_by_the_server_is_waste(
    kind: Any, meter: Kept, client: anthropic.Anthropic, server: ModelServer
) -> None:
    """Two words of four had arrived when the server ended the stream."""
    server.script(Reply(text="alpha beta gamma delta", cut_after=2, cut=kind))
    try:
        list(client.messages.create(**ASKED, stream=True))
    except Exception as error:
        assert (kind, type(error).__name__) in (
            ("reset", "APIConnectionError"),
            ("reset", "RemoteProtocolError"),
        )
    assert last(meter).status == "cut"
    call = amended(meter)
    assert call.usage["input"] == 12
    assert call.usage["output"] >= 2
    assert str(call.evidence["output"]) == "estimated, at_least"


def test_a_stream_closed_after_its_last_count_is_whole(
    meter: Kept, client: anthropic.Anthropic
) -> None:
    """After the last delta nothing more is generated, whether or not the end is read."""
    stream = client.messages.create(**ASKED, stream=True)
    for event in stream:
        if event.type == "message_delta":
            break
    stream.close()
    record = last(meter)
    assert record.status == "ok"
    assert dict(call_of(record).usage) == USED


async def test_an_async_stream_that_is_cancelled(meter: Kept, server: ModelServer) -> None:
    """Cancellation reaches the task; the input is known, and the words that had come."""
    am.instrument("anthropic")
    server.script(Reply(text="alpha beta gamma delta", chunk_delay=0.2))
    arrived = asyncio.Event()
    async with anthropic.AsyncAnthropic(base_url=server.url, api_key="test") as client:

        async def read() -> None:
            async with client.messages.stream(**ASKED) as stream:
                async for _ in stream.text_stream:
                    arrived.set()

        task = asyncio.create_task(read())
        await asyncio.wait_for(arrived.wait(), 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    am.uninstrument()
    assert last(meter).status == "cancelled"
    call = amended(meter)
    assert call.usage["input"] == 12
    assert call.usage["output"] >= 1


async def test_a_dropped_async_stream_is_seen(meter: Kept, server: ModelServer) -> None:
    """An async stream that nobody holds any more is closed, not lost."""
    am.instrument("anthropic")
    async with anthropic.AsyncAnthropic(base_url=server.url, api_key="test") as client:
        async for _ in await client.messages.create(**ASKED, stream=True):
            break
        gc.collect()
        await asyncio.sleep(0.05)
    am.uninstrument()
    assert last(meter).status == "closed"


def test_hidden_retries_are_attempts(
    meter: Kept, client: anthropic.Anthropic, server: ModelServer
) -> None:
    """An overloaded try and a lost connection are attempts of one call, each with its status."""
    server.script(Reply(status=529), Reply(disconnect=True), FULL)
    client.messages.create(**ASKED)
    call = call_of(last(meter))
    assert [one.http_status for one in call.attempts] == [529, None, 200]
    assert {str(known) for known in call.evidence.values()} == {"reported, at_least"}
    assert len(meter.records) == 1


def test_an_attempt_that_timed_out_makes_the_call_a_lower_bound(
    meter: Kept, client: anthropic.Anthropic, server: ModelServer
) -> None:
    """The server may bill what nobody waited for."""
    server.script(Reply(delay=30), FULL)
    client.with_options(timeout=1, max_retries=1).messages.create(**ASKED)
    call = call_of(last(meter))
    assert [one.error_type for one in call.attempts] == ["APITimeoutError", None]
    assert {str(known) for known in call.evidence.values()} == {"reported, at_least"}


BATCH = [
    {"custom_id": f"q{number}", "params": {"model": "claude-haiku-4-5", **SAID}}
    for number in range(3)
]
RESULTS = (Reply(input=100, output=10), Reply(status=500), Reply(input=300, output=30, cached=200))


def of_batch(report: Any) -> tuple[int, dict[str, int], Decimal]:
    return report.calls, dict(report.usage), report.amounts["USD"]


def test_results_of_a_batch_are_calls_of_who_created_it(
    meter: Kept,
    client: anthropic.Anthropic,
    server: ModelServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each result costs half, on the request that made the batch; read again it counts no more."""
    # The bundled prices know what batches cost since October 2026 only.
    monkeypatch.setattr(STATE, "now_ns", FakeClock(1_795_000_000_000_000_000))
    server.script(*RESULTS)
    with am.request(user="asks") as asks:
        batch = client.messages.batches.create(requests=BATCH)
        assert asks.usage == {}
    with am.request(user="reads"):
        results = list(client.messages.batches.results(batch.id))
        again = list(client.messages.batches.results(batch.id))
    assert [one.custom_id for one in results] == ["q0", "q1", "q2"]
    assert results == again
    by_user = {one.tree.record.owner.user: one for one in meter.report().requests}
    half = (200 * 100 + 200 * 10 + 40 * 500) * Decimal("0.00000001") / 2
    assert of_batch(by_user["asks"]) == (2, {"cache_read": 200, "input": 200, "output": 40}, half)
    assert by_user["reads"].calls == 0
    calls = [record.call for record in meter.records if record.call is not None]
    assert [(one.batch, one.service_tier) for one in calls] == [(True, None)] * 2
    assert [one.response_id for one in calls] == ["msg_00000001", "msg_00000003"]
    assert (server.billed().input, server.billed().output) == (400, 40)


def test_results_that_two_processes_read_count_once(
    meter: Kept, client: anthropic.Anthropic, server: ModelServer
) -> None:
    """A call's id is its message's, so a journal that has it twice has it once."""
    from agentmeter_anthropic.library import BATCHES

    server.script(*RESULTS)
    batch = client.messages.batches.create(requests=BATCH)
    for _ in range(2):
        list(client.messages.batches.results(batch.id))
        BATCHES.forget()  # what another process knows
    assert sum(record.call is not None for record in meter.records) == 4
    report = build(meter.entries, meter.tariffs).unattributed
    assert report is not None
    assert (report.calls, report.usage.total_tokens) == (2, 440)


def test_results_that_another_process_reads_come_home(
    meter: Kept, client: anthropic.Anthropic, server: ModelServer
) -> None:
    """Whoever reads them, and for whatever request, they are of the one that made the batch."""
    from agentmeter_anthropic.library import BATCHES

    server.script(*RESULTS)
    with am.request(user="asks"):
        batch = client.messages.batches.create(requests=BATCH)
    for user in ("reads", "reads again"):
        BATCHES.forget()  # what another process knows
        with am.request(user=user):
            list(client.messages.batches.results(batch.id))
    report = build(meter.entries, meter.tariffs)
    calls = {one.tree.record.owner.user: one.calls for one in report.requests}
    assert calls == {"asks": 2, "reads": 0, "reads again": 0}
    assert report.usage.total_tokens == 440


@pytest.mark.parametrize(
    "read",
    [
        lambda c, batch: list(c.messages.batches.with_raw_response.results(batch).parse()),
        lambda c, batch: list(c.beta.messages.batches.results(batch)),
        lambda c, batch: read_lines(c.messages.batches.with_streaming_response.results(batch)),
    ],
)
def test_results_are_metered_however_they_are_read(
    read: Callable[[anthropic.Anthropic, str], Any],
    meter: Kept,
    client: anthropic.Anthropic,
    server: ModelServer,
) -> None:
    """Raw responses and the beta's results are metered as the plain ones are."""
    server.script(*RESULTS)
    batch = client.messages.batches.create(requests=BATCH)
    if not hasattr(client.messages.batches.with_raw_response, "results"):
        pytest.skip("this version of the client has no raw results")
    read(client, batch.id)
    assert sum(one.call.usage.total_tokens for one in meter.records if one.call) == 440


async def test_results_are_metered_asynchronously(meter: Kept, server: ModelServer) -> None:
    """The async client's results are calls as well."""
    am.instrument("anthropic")
    server.script(*RESULTS)
    async with anthropic.AsyncAnthropic(base_url=server.url, api_key="test") as client:
        batch = await client.messages.batches.create(requests=BATCH)
        found = [one async for one in await client.messages.batches.results(batch.id)]
    am.uninstrument()
    assert len(found) == 3
    assert sum(one.call.usage.total_tokens for one in meter.records if one.call) == 440


@pytest.fixture
def vertex(server: ModelServer) -> anthropic.AnthropicVertex:
    return anthropic.AnthropicVertex(
        base_url=server.base_url, region="us-east5", project_id="p", access_token="test"
    )


@pytest.mark.parametrize("stream", [False, True])
def test_vertex_is_google(
    stream: bool, meter: Kept, client: anthropic.Anthropic, vertex: anthropic.AnthropicVertex
) -> None:
    """The client for Vertex is metered as Google's, in its region."""
    answer = vertex.messages.create(**ASKED, stream=stream)
    if stream:
        list(answer)
    call = call_of(last(meter))
    assert (call.provider, call.region) == ("google", "us-east5")
    assert (call.model, dict(call.usage)) == ("claude-haiku-4-5", USED)


def test_bedrock_is_aws(meter: Kept, client: anthropic.Anthropic, server: ModelServer) -> None:
    """The client for Bedrock is metered as AWS's, in its region, at AWS's price for the model."""
    server.script(Reply(input=1000, output=100, model="claude-haiku-4-5-20251001"))
    if "api_key" not in inspect.signature(anthropic.AnthropicBedrock).parameters:
        pytest.skip("this version of the client signs its requests, with boto3")
    bedrock = anthropic.AnthropicBedrock(
        base_url=server.url, aws_region="eu-west-1", api_key="test"
    )
    model = "anthropic.claude-haiku-4-5-20251001-v1:0"
    bedrock.messages.create(model=model, **SAID)
    call = call_of(last(meter))
    assert (call.provider, call.region, call.model) == ("aws", "eu-west-1", model)
    assert dict(call.usage) == {"input": 1000, "output": 100}
    assert call.unpriced is None


def test_uninstrument_puts_everything_back() -> None:
    """The patched methods are the very objects they were."""
    from anthropic import _base_client as base

    owners = (base.BaseClient, base.SyncAPIClient, base.AsyncAPIClient)
    before = [dict(vars(owner)) for owner in owners]
    am.instrument("anthropic")
    assert base.SyncAPIClient.request is not before[1]["request"]
    am.uninstrument()
    assert [dict(vars(owner)) for owner in owners] == before


@pytest.fixture
def exported() -> Iterator[InMemorySpanExporter]:
    """A tracer provider of its own, and the spans that it exports."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    before, trace._TRACER_PROVIDER = trace._TRACER_PROVIDER, provider
    try:
        yield exporter
    finally:
        trace._TRACER_PROVIDER = before


@pytest.fixture
def spanned(exported: InMemorySpanExporter) -> Iterator[Kept]:
    """A meter whose spans are on, with a real clock so that times are comparable."""
    with metered(spans=True, fixed=False) as kept:
        yield kept
        assert FAULTS.counts() == {}


@pytest.fixture(params=["client first", "instrument first"])
def native(
    request: pytest.FixtureRequest, exported: InMemorySpanExporter, server: ModelServer
) -> Iterator[anthropic.Anthropic]:
    """A client that makes spans of its own, made before metering begins, and after."""
    if request.param == "instrument first":
        am.instrument("anthropic")
    with anthropic.Anthropic(base_url=server.url, api_key="test", max_retries=0) as client:
        am.instrument("anthropic")
        yield client
    am.uninstrument()


ONCE: dict[str, Callable[[anthropic.Anthropic], Any]] = {
    **PLAIN,
    "closed": lambda c: close(c),
    "dropped": lambda c: drop(c),
    "helper left": lambda c: leave_helper(c),
    "lines left": lambda c: leave_lines(c),
}


@pytest.mark.parametrize("way", ONCE)
def test_the_clients_own_span_never_counts_twice(
    way: str,
    spanned: Kept,
    native: anthropic.Anthropic,
    server: ModelServer,
    exported: InMemorySpanExporter,
) -> None:
    """The client's span and ours are one call with what was billed, live and as written."""
    with am.request(user="u") as request, am.agent("planner"):
        ONCE[way](native)
        ONCE[way](native)
    gc.collect()
    billed = server.billed()
    for report in (request.report(), spanned.report()):
        (one,) = report.requests
        assert one.calls == 2, str(report)
        assert one.usage.total_input == billed.input == 2400
        assert one.usage["cache_write_1h"] == 100
        if way in PLAIN:
            assert one.usage.total_output == billed.output == 120
            assert one.missing == ()
        assert report.unattributed is None


@OWN_SPANS
@pytest.mark.parametrize("way", PLAIN)
def test_one_span_alone_carries_the_usage(
    way: str, spanned: Kept, native: anthropic.Anthropic, exported: InMemorySpanExporter
) -> None:
    """Where the client's own span says what was used, ours does not repeat it."""
    with am.request(user="u"):
        PLAIN[way](native)
    spans = {span.name: dict(span.attributes or {}) for span in exported.get_finished_spans()}
    telling = [name for name, said in spans.items() if "gen_ai.usage.output_tokens" in said]
    assert len(telling) == 1, telling
    assert spans["anthropic.messages.create"]["agentmeter.request.id"]


@OWN_SPANS
def test_a_client_whose_spans_are_off_is_metered_by_ours(
    spanned: Kept, server: ModelServer, exported: InMemorySpanExporter
) -> None:
    """With the client's spans switched off, our span carries the usage."""
    am.instrument("anthropic")
    client = anthropic.Anthropic(base_url=server.url, api_key="test", open_telemetry=False)
    with am.request(user="u") as request:
        client.messages.create(**ASKED)
    am.uninstrument()
    assert request.usage.total_input == 1200
    (ours,) = [span for span in exported.get_finished_spans() if span.name.startswith("chat")]
    assert (ours.attributes or {})["gen_ai.usage.input_tokens"] == 1200


def test_no_text_is_kept(meter: Kept, client: anthropic.Anthropic) -> None:
    """Neither the prompt nor the answer is in any entry."""
    secret = "the launch code is 7431"
    client.messages.create(
        **{**ASKED, "messages": [{"role": "user", "content": secret}]}, system="be silent"
    )
    close(client)
    COUNTER.settle()
    kept = json.dumps([repr(entry) for entry in meter.entries])
    assert "7431" not in kept
    assert "silent" not in kept


def test_a_tool_result_is_a_piece_of_its_own(meter: Kept, client: anthropic.Anthropic) -> None:
    """Provenance tells a tool's result, by the tool's name, from what the user said."""
    used = {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Oslo"}}
    told = {"type": "tool_result", "tool_use_id": "t1", "content": "sunny"}
    messages = [
        {"role": "user", "content": "weather?"},
        {"role": "assistant", "content": [used]},
        {"role": "user", "content": [told]},
    ]
    client.messages.create(**{**ASKED, "messages": messages}, system="be brief")
    call = amended(meter)
    assert [(one.origin.value, one.name) for one in call.segments] == [
        ("system", None),
        ("user", None),
        ("assistant", None),
        ("tool", "weather"),
    ]
