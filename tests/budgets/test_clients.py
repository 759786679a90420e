"""Budgets around real clients: what is sent, what is billed, and what is not sent at all."""

import asyncio
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import anthropic
import openai
import pytest

import agentmeter as am
from agentmeter.model import Record, Status
from agentmeter.runtime import tokenizer
from agentmeter.runtime.counting import COUNTER
from agentmeter.testing import Kept, ModelServer, Reply

HELLO: Any = [{"role": "user", "content": "hello world"}]
COUNTED = tokenizer.count_chat_input(HELLO, None, "gpt-5").tokens
"""What the tokenizer makes of it: 9 tokens."""
CLAUDE = "claude-sonnet-4-6"
WORDS = " ".join(f"w{n}" for n in range(40))


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer(default=Reply(text="ok", input=COUNTED, output=5)) as server:
        yield server


@pytest.fixture
def client(server: ModelServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=server.base_url, api_key="test", max_retries=3) as client:
        am.instrument("openai", "anthropic")
        yield client
        am.uninstrument()


def last(meter: Kept) -> Record:
    COUNTER.settle()
    return next(one for one in reversed(meter.records) if one.call is not None)


def test_a_refused_request_is_never_sent(
    meter: Kept, server: ModelServer, client: openai.OpenAI
) -> None:
    """It has no attempt and no bill."""
    with (
        am.request(budget=am.Budget(tokens=30)),
        pytest.raises(am.BudgetExceeded, match="the call may take 109 tokens and 30 is left"),
    ):
        client.chat.completions.create(model="gpt-5", messages=HELLO, max_tokens=100)
    assert server.requests == []
    assert (last(meter).status, last(meter).call.attempts) == (Status.REFUSED, ())  # type: ignore[union-attr]


CLAMPED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "chat, max_tokens": (
        lambda c: c.chat.completions.create(model="gpt-5", messages=HELLO, max_tokens=500),
        "max_tokens",
    ),
    "chat, max_completion_tokens": (
        lambda c: c.chat.completions.create(
            model="gpt-5", messages=HELLO, max_completion_tokens=500
        ),
        "max_completion_tokens",
    ),
    "chat without a limit": (
        lambda c: c.chat.completions.create(model="gpt-5", messages=HELLO),
        "max_completion_tokens",
    ),
    "chat of a model that nobody knows": (
        lambda c: c.chat.completions.create(model="mystery", messages=HELLO),
        "max_completion_tokens",
    ),
    "chat stream": (
        lambda c: list(
            c.chat.completions.create(model="gpt-5", messages=HELLO, max_tokens=500, stream=True)
        ),
        "max_tokens",
    ),
    "responses": (
        lambda c: c.responses.create(model="gpt-5", input="hello world", max_output_tokens=500),
        "max_output_tokens",
    ),
}


@pytest.mark.parametrize("case", CLAMPED)
def test_what_is_sent_is_clamped_to_what_is_left(
    meter: Kept, server: ModelServer, client: openai.OpenAI, case: str
) -> None:
    """100 tokens less the input are left for the output; the caller's own body stays as it is."""
    ask, field = CLAMPED[case]
    counted = tokenizer.count_chat_input(HELLO, None, "mystery").tokens
    with am.request(budget=am.Budget(tokens=100, action="clamp")) as request:
        ask(client)
        assert request.remaining().tokens == 100 - COUNTED - 5
    assert server.requests[0].body[field] == 100 - (counted if "nobody" in case else COUNTED)


def test_money_is_clamped_at_the_price_of_the_output(
    meter: Kept, server: ModelServer, client: openai.OpenAI
) -> None:
    """0.001 USD less 9 tokens at 1.25 a million leave 98.875 at 10 a million: 98."""
    with am.request(budget=am.Budget(usd="0.001", action="clamp")):
        client.chat.completions.create(model="gpt-5", messages=HELLO, max_tokens=500)
    assert server.requests[0].body["max_tokens"] == 98


def test_every_choice_gets_its_part_of_what_is_left(
    meter: Kept, server: ModelServer, client: openai.OpenAI
) -> None:
    """Three answers of 30 tokens are no more than 91."""
    with am.request(budget=am.Budget(tokens=100, action="clamp")):
        client.chat.completions.create(model="gpt-5", messages=HELLO, max_tokens=500, n=3)
    assert server.requests[0].body["max_tokens"] == (100 - COUNTED) // 3


def test_below_a_useful_minimum_the_call_is_refused(
    meter: Kept, server: ModelServer, client: openai.OpenAI
) -> None:
    """Sixteen tokens, unless the budget says otherwise."""
    with (
        am.request(budget=am.Budget(tokens=COUNTED + 15, action="clamp")),
        pytest.raises(am.BudgetExceeded, match="fewer than 16 tokens of output would fit"),
    ):
        client.chat.completions.create(model="gpt-5", messages=HELLO, max_tokens=500)
    assert server.requests == []


def test_anthropics_limit_is_clamped_with_its_thinking(
    meter: Kept, server: ModelServer, client: openai.OpenAI
) -> None:
    """Thinking that would not fit into the limit is switched off."""
    with (
        anthropic.Anthropic(base_url=server.url, api_key="test") as claude,
        am.request(budget=am.Budget(tokens=1000, action="clamp")),
    ):
        claude.messages.create(
            model=CLAUDE,
            max_tokens=4000,
            messages=HELLO,
            thinking={"type": "enabled", "budget_tokens": 2000},
        )
    body = server.requests[0].body
    assert 900 < body["max_tokens"] < 1000
    assert body["thinking"] == {"type": "disabled"}


def test_a_cache_write_is_reserved_only_where_one_may_be_made(
    meter: Kept, server: ModelServer, client: openai.OpenAI
) -> None:
    """Anthropic writes what is marked: at 6 USD a million for an hour in the place of 3."""
    asked: list[Decimal | int | None] = []

    def ask(over: am.BudgetExceeded) -> bool:
        asked.append(over.needed)
        return False

    marked = [{"type": "text", "text": "hello world", "cache_control": {"type": "ephemeral"}}]
    with anthropic.Anthropic(base_url=server.url, api_key="test") as claude:
        for content in ("hello world", marked):
            with (
                am.request(budget=am.Budget(usd=0, action="ask", ask=ask)),
                pytest.raises(am.BudgetExceeded),
            ):
                claude.messages.create(
                    model=CLAUDE,
                    max_tokens=100,
                    messages=[{"role": "user", "content": content}],  # type: ignore[typeddict-item]
                )
    plain, written = asked
    assert isinstance(plain, Decimal)
    assert isinstance(written, Decimal)
    tokens = (plain - Decimal("0.0015")) / Decimal("0.000003")
    assert tokens == int(tokens)
    assert written == Decimal("0.0015") + tokens * Decimal("0.000006")


OPEN_ENDED = {
    "an image": {
        "messages": [
            {
                "role": "user",
                "content": [{"type": "image_url", "image_url": {"url": "https://x.test/a.png"}}],
            }
        ]
    },
    "a search": {"web_search_options": {}},
}


@pytest.mark.parametrize("reason", OPEN_ENDED)
def test_what_the_body_does_not_show_is_a_worst_case_that_nobody_knows(
    meter: Kept, server: ModelServer, client: openai.OpenAI, reason: str
) -> None:
    """The message names it."""
    given: Any = {"model": "gpt-5", "max_tokens": 9, "messages": HELLO, **OPEN_ENDED[reason]}
    with (
        am.request(budget=am.Budget(usd="1", unknown="refuse")),
        pytest.raises(am.BudgetExceeded, match=f"{reason}: not in the request's tokens"),
    ):
        client.chat.completions.create(**given)
    assert server.requests == []


@pytest.mark.parametrize(
    ("model", "tokens"),
    [
        ("gpt-5-mini", COUNTED + 128_000),
        ("gpt-3.5-turbo-0613", 16_385),
        ("gpt-4o", COUNTED + 16_384),
    ],
)
def test_without_a_limit_of_its_own_the_models_longest_answer_is_the_worst_case(
    meter: Kept, server: ModelServer, client: openai.OpenAI, model: str, tokens: int
) -> None:
    """Its own limit, or what its window leaves; the error says what to do."""
    told = f"may take {tokens:,} tokens .*give max_tokens, or the budget a default_output"
    with (
        am.request(budget=am.Budget(tokens=10_000)),
        pytest.raises(am.BudgetExceeded, match=told),
    ):
        client.chat.completions.create(model=model, messages=HELLO)
    assert server.requests == []


@pytest.mark.parametrize("model", ["gpt-5", "mystery"])
def test_a_budget_may_state_what_a_call_without_a_limit_takes(
    meter: Kept, server: ModelServer, client: openai.OpenAI, model: str
) -> None:
    """Of whatever model; the first example of the documents lets ordinary calls in."""
    with am.request(budget=am.Budget(tokens=COUNTED + 500, default_output=500)):
        client.chat.completions.create(model=model, messages=HELLO)
    with (
        am.request(budget=am.Budget(tokens=COUNTED + 499, default_output=500)),
        pytest.raises(am.BudgetExceeded, match=f"may take {COUNTED + 500} tokens"),
    ):
        client.chat.completions.create(model=model, messages=HELLO)
    assert len(server.requests) == 1


def test_no_answer_is_longer_than_its_models_longest(
    meter: Kept, server: ModelServer, client: openai.OpenAI
) -> None:
    """Also where the budget states more for whatever model it may be."""
    with am.request(budget=am.Budget(tokens=20_000, default_output=50_000)):
        client.chat.completions.create(model="gpt-4o", messages=HELLO)
    assert len(server.requests) == 1


@pytest.mark.parametrize("limit", [{}, {"max_tokens": 5_000}])
def test_a_narrow_budget_clamps_before_a_wide_one_refuses(
    meter: Kept, server: ModelServer, client: openai.OpenAI, limit: dict[str, int]
) -> None:
    """What was clamped fits both; what no budget clamps is refused as before."""
    with am.request(budget=am.Budget(tokens=1_000)):
        with am.step("narrow", budget=am.Budget(tokens=COUNTED + 200, action="clamp")):
            client.chat.completions.create(model="gpt-5", messages=HELLO, **limit)
        with pytest.raises(am.BudgetExceeded, match="budget 'request'"):
            client.chat.completions.create(model="gpt-5", messages=HELLO, **limit)
    (sent,) = server.requests
    assert (sent.body.get("max_completion_tokens") or sent.body["max_tokens"]) == 200


def test_retries_reserve_once(meter: Kept, server: ModelServer, client: openai.OpenAI) -> None:
    """Three attempts of one call are held, and counted, as one."""
    server.script(Reply(status=500), Reply(status=500))
    with am.request(budget=am.Budget(tokens=COUNTED + 100, calls=2)) as request:
        client.chat.completions.create(model="gpt-5", messages=HELLO, max_tokens=100)
        assert (request.remaining().tokens, request.remaining().calls) == (95, 1)
    assert len(server.requests) == 3


def test_a_refused_attempt_gives_its_room_back(
    meter: Kept, server: ModelServer, client: openai.OpenAI
) -> None:
    """A call that the provider refuses has used nothing."""
    server.script(Reply(status=400))
    with (
        am.request(budget=am.Budget(tokens=200)) as request,
        pytest.raises(openai.BadRequestError),
    ):
        client.chat.completions.create(model="gpt-5", messages=HELLO, max_tokens=100)
        assert request.remaining().tokens == 200


def test_a_stream_closed_early_is_settled_at_what_had_arrived(
    meter: Kept, server: ModelServer, client: openai.OpenAI
) -> None:
    """At its worst until the text is counted, then at the count."""
    server.script(Reply(text=WORDS, input=COUNTED, output=40))
    with am.request(budget=am.Budget(tokens=1000)) as request:
        stream = client.chat.completions.create(
            model="gpt-5", messages=HELLO, max_tokens=500, stream=True
        )
        for _ in range(4):
            next(stream)
        stream.close()
        COUNTER.settle()
        left = request.remaining().tokens
    used = dict(meter.report().requests[0].usage)
    assert left == 1000 - used["input"] - used["output"]
    assert 0 < used["output"] < 40


def test_a_stream_is_cut_where_the_budget_ends(
    meter: Kept, server: ModelServer, client: openai.OpenAI
) -> None:
    """The iterator stops; the record says CUT, keeps the tokens, and tells why."""
    server.script(Reply(text=WORDS, input=COUNTED, output=80, chunk_delay=0.002))
    budget = am.Budget(tokens=COUNTED + 20, cut_streams=True, name="live")
    with am.request(budget=budget):
        stream = client.chat.completions.create(
            model="gpt-5", messages=HELLO, max_tokens=500, stream=True
        )
        text = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
    record = last(meter)
    assert WORDS.startswith(text)
    assert 16 <= tokenizer.count(text, "gpt-5").tokens <= 21
    assert record.status is Status.CUT
    assert record.attributes["cut"] == "by budget 'live': 20 tokens of output were left"
    assert "cut by budget 'live': 20 tokens of output were left" in str(meter.report())
    used = meter.report().requests[0].usage
    assert used["output"] == tokenizer.count(text, "gpt-5").tokens
    assert server.requests[0].body["max_tokens"] == 500  # it is ours to cut


def test_an_asynchronous_stream_is_cut_when_time_is_over(
    meter: Kept, server: ModelServer, client: openai.OpenAI
) -> None:
    """Whatever is left of the tokens."""
    server.script(Reply(text=WORDS, input=COUNTED, output=80))

    async def read() -> int:
        read = 0
        async with openai.AsyncOpenAI(base_url=server.base_url, api_key="test") as client:
            with am.request(budget=am.Budget(seconds="0.02", cut_streams=True)):
                stream = await client.chat.completions.create(
                    model="gpt-5", messages=HELLO, stream=True
                )
                async for _ in stream:
                    read += 1
        return read

    assert 0 < asyncio.run(read()) < 40
    assert last(meter).attributes["cut"] == "by budget 'request': its time is over"


async def test_an_asynchronous_client_awaits_the_answer(
    meter: Kept, server: ModelServer, client: openai.OpenAI
) -> None:
    """And sends where it is approved."""
    answers = iter([True, False])

    async def ask(over: am.BudgetExceeded) -> bool:
        await asyncio.sleep(0)
        return next(answers)

    async with openai.AsyncOpenAI(base_url=server.base_url, api_key="test") as asking:
        with am.request(budget=am.Budget(tokens=10, action="ask", ask=ask)):
            await asking.chat.completions.create(model="gpt-5", messages=HELLO, max_tokens=9)
            with pytest.raises(am.BudgetExceeded):
                await asking.chat.completions.create(model="gpt-5", messages=HELLO, max_tokens=9)
    assert len(server.requests) == 1


def test_embeddings_are_held_by_their_input(
    meter: Kept, server: ModelServer, client: openai.OpenAI
) -> None:
    """They generate nothing."""
    server.script(Reply(input=2))
    with am.request(budget=am.Budget(tokens=3)) as request:
        client.embeddings.create(model="text-embedding-3-small", input="hello world")
        assert request.remaining().tokens == 1
        with pytest.raises(am.BudgetExceeded, match="may take 2 tokens and 1 is left"):
            client.embeddings.create(model="text-embedding-3-small", input="hello world")


def test_an_application_call_around_a_client_reserves_once(
    meter: Kept, server: ModelServer, client: openai.OpenAI
) -> None:
    """What ``am.call`` holds is what the client's call draws on."""
    with am.request(budget=am.Budget(tokens=COUNTED + 100, calls=1)) as request:
        with am.call(provider="openai", model="gpt-5", input_tokens=COUNTED, max_tokens=100):
            client.chat.completions.create(model="gpt-5", messages=HELLO, max_tokens=100)
        assert (request.remaining().tokens, request.remaining().calls) == (95, 0)
