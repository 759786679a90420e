"""Live events: what they say, who gets them, and that nobody waits for those who do."""

import asyncio
import gc
import json
import threading
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

import agentmeter as am
from agentmeter.exceptions import ScopeError
from agentmeter.pricing.plans import PlanBook
from agentmeter.runtime.faults import FAULTS
from agentmeter.runtime.state import STATE
from agentmeter.testing import Kept, metered
from agentmeter.web import live

NOW = 1_790_000_000_000_000_000


@pytest.fixture
def meter() -> Iterator[Kept]:
    before = STATE.carrier_key, STATE.plans, STATE.public_names
    with metered() as kept:
        yield kept
        assert FAULTS.counts() == {}
    STATE.carrier_key, STATE.plans, STATE.public_names = before


def use(tokens: int = 1000) -> None:
    with am.call(provider="openai", model="gpt-5") as call:
        call.record(am.Usage(input=tokens))


async def test_a_request_is_followed_from_here_to_its_end(meter: Kept) -> None:
    """Its state at once, after each change, and at the end; then there is no more."""
    with am.request("ask") as request:
        use()
        events = live.events(request, money="cost", public_names={"find": "Found"}, every=0)
        first = await anext(events)
        with am.tool("find"):
            use()
        second = await anext(events)
        with am.step("secret"):
            pass
    last = [event async for event in events]
    assert (first["type"], first["outcome"], first["done"]) == ("progress", "running", [])
    assert first["cost"] == {"USD": "0.00125"}
    assert second["work"]["input_tokens"] in (1000, 2000)
    assert [event["type"] for event in last][-1] == "end"
    assert (last[-1]["outcome"], last[-1]["at_least"]) == ("done", False)
    assert last[-1]["done"] == [
        {"what": "Found", "kind": "tool", "times": 1},
        {"what": "a step", "kind": "step", "times": 1},
    ]
    assert last[-1]["cost"] == {"USD": "0.0025"}
    assert last[-1]["work"]["model_calls"] == 2


async def test_by_default_there_is_no_word_of_money(meter: Kept) -> None:
    """Nor of models; only what a receipt says."""
    with am.request("ask") as request:
        use()
    (event,) = [event async for event in live.events(request)]
    assert not {"cost", "charge", "margin", "models"} & set(event)
    assert "gpt" not in json.dumps(event)


async def test_the_plans_charge_so_far(meter: Kept) -> None:
    """With ``charge`` the money is that of the owner's plan."""
    STATE.plans = PlanBook.from_text(
        '[[plan]]\nname="p"\n[[plan.charge]]\nname="U"\nfor="cost"\nmarkup="100"\n'
    )
    with am.request("ask", plan="p") as request:
        use()
        events = live.events(request, money="charge", every=0)
        first = await anext(events)
        use()
    last = [event async for event in events][-1]
    assert (first["charge"]["amount"], first["charge"]["at_least"]) == ("0.0025", True)
    assert (last["charge"]["amount"], last["charge"]["at_least"]) == ("0.005", False)
    assert "cost" not in last


async def test_a_token_is_good_for_its_own_request(meter: Kept) -> None:
    """Its bearer follows that request and no other."""
    with am.request("one") as one, am.request("two", new=True) as two:
        tokens = live.token(one), live.token(two)
    ids = [(await anext(live.events(token)))["request_id"] for token in tokens]
    assert ids == [one.id, two.id]


@pytest.mark.parametrize("key", [None, b"a shared key"])
def test_a_forged_token_is_good_for_nothing(meter: Kept, key: bytes | None) -> None:
    """Nor is one of another request's name, an altered one, an old one, or a carrier's signature."""
    STATE.carrier_key = key
    with am.request("one") as one, am.request("two", new=True) as two:
        good, other = live.token(one), live.token(two)
        carrier = dict(am.inject({}))
    name, issued, signature = good.split(".")
    forged = [
        "",
        "x",
        "a.b.c",
        "é.1.ü",
        f"{other.split('.')[0]}.{issued}.{signature}",
        f"{name}.{int(issued) + 1}.{signature}",
        f"{name}.{'9' * 400}.{signature}",
        f"{name}.{issued}.{signature[:-1]}",
        f"{name}.{issued}.",
        f"{name}.{carrier.get('agentmeter-signature', '1-00').replace('-', '.')}",
        one.id,
    ]
    for token in forged:
        with pytest.raises(ScopeError, match="none that was given out"):
            live.events(token)
    clock: Any = STATE.now_ns
    clock.now += 2 * 86_400 * 10**9
    with pytest.raises(ScopeError, match="older than 86400 seconds"):
        live.events(good)


def test_a_request_that_is_forgotten_cannot_be_followed(meter: Kept) -> None:
    """Following keeps no request alive; its token is then refused with the reason."""
    with am.request() as request:
        token = live.token(request)
    del request
    gc.collect()
    with pytest.raises(ScopeError, match="not of this process, or long over"):
        live.events(token)
    with pytest.raises(ScopeError, match="has not begun"):
        live.token(am.request())


async def test_who_does_not_listen_gets_no_backlog(meter: Kept) -> None:
    """A thousand changes while nobody asked are one event; the caller waited for none of them."""
    with am.request() as request:
        events = live.events(request, money="cost", every=0)
        await anext(events)
        for _ in range(1000):
            use(1)
        later = await anext(events)
        assert later["work"]["input_tokens"] == 1000
    rest = [event async for event in events]
    assert len(rest) <= 2


async def test_work_in_other_threads_is_heard_of(meter: Kept) -> None:
    """An entry from any thread wakes who follows."""
    with am.request() as request:
        events = live.events(request, every=0)
        await anext(events)
        thread = threading.Thread(target=am.carried(lambda: use(7)))
        thread.start()
        event = await asyncio.wait_for(anext(events), 10)
        thread.join()
    await events.aclose()
    assert event["work"]["input_tokens"] == 7


async def test_leaving_ends_the_listening(meter: Kept) -> None:
    """A reader who goes away leaves no listener; the request goes on."""
    with am.request() as request:
        events = live.events(request)
        await anext(events)
        assert request.ledger is not None
        assert len(request.ledger._listeners) == 1
        await events.aclose()
        assert request.ledger._listeners == ()
        use()


def test_a_loop_that_is_gone_is_no_fault(meter: Kept) -> None:
    """Whoever followed from a loop that has been closed is not missed."""
    with am.request() as request:
        events = live.events(request)

        async def begin() -> None:
            await anext(events)

        loop = asyncio.new_event_loop()
        loop.run_until_complete(begin())
        loop.close()
        use()
    assert request.usage.total_tokens == 1000


def test_a_listener_that_fails_is_counted_and_the_entry_kept() -> None:
    """The ledger has it all the same, and so has the next listener."""
    heard: list[object] = []
    with metered():
        with am.request() as request:
            assert request.ledger is not None
            stops = [
                request.ledger.listen(lambda ledger, entry: 1 / 0),
                request.ledger.listen(lambda ledger, entry: heard.append(entry)),
            ]
            use()
            for stop in stops:
                stop()
            use()
        assert request.cost.amount == Decimal("0.0025")
        assert FAULTS.counts() == {"ledger.listener: ZeroDivisionError": 1}
    assert len(heard) == 1


async def test_events_go_out_as_a_stream(meter: Kept) -> None:
    """Named by their type, one JSON object on one line; in silence a comment; at the end nothing."""
    with am.request("a\nb\u2028", feature="x\r\n\r\ndata: y") as request:
        stream = live.server_sent(live.events(request, every=0), beat=0.01)
        first = await anext(stream)
        silence = await anext(stream)
        while silence != b": still here\n\n":
            silence = await anext(stream)
    rest = [piece async for piece in stream]
    head, data, *end = first.decode().split("\n")
    assert (head, end) == ("event: progress", ["", ""])
    assert json.loads(data.removeprefix("data: "))["asked"] == "x\r\n\r\ndata: y"
    assert rest[-1].startswith(b"event: end\ndata: {")


async def test_a_stream_that_is_left_ends_its_events(meter: Kept) -> None:
    """Also while it waits for the next one."""
    with am.request() as request:
        stream = live.server_sent(live.events(request, every=0), beat=0.01)
        await anext(stream)
        await anext(stream)
        await stream.aclose()
        assert request.ledger is not None
        assert request.ledger._listeners == ()
