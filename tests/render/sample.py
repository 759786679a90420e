"""Two days of seeded traffic, by the public face and a real client, with names that mean harm."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import openai

import agentmeter as am
from agentmeter.model import Evidence, Extent, Source
from agentmeter.report.report import Report
from agentmeter.runtime.state import STATE
from agentmeter.testing import Kept, ModelServer, Reply, metered
from agentmeter.testing.meter import FakeClock

SECOND = 1_000_000_000
HOUR = 3_600 * SECOND
DAY = 24 * HOUR
TODAY = 1_794_096_000 * SECOND // DAY * DAY
"""The midnight, UTC, that the sample's second day begins at."""
NOW = TODAY + 15 * HOUR + 20 * 60 * SECOND
HOSTILE = "<script>document.title='owned'</script>"
BREAKOUT = "</script><img src=x onerror=\"document.title='owned'\"> & \u2028'\""
TENANTS = (
    "acme",
    "globex",
    "initech",
    "umbrella",
    "hooli",
    "stark",
    "wayne",
    "tyrell",
    "cyberdyne",
)
FEATURES = ("chat", "research", "code review", "summaries")
MODELS = ("gpt-5-mini", "gpt-5-mini", "gpt-5-mini", "gpt-5", "gpt-4o-mini")


def sample(requests: int = 240, *, seed: int = 7) -> Report:
    """The report over the traffic; the same one at every run."""
    dice = random.Random(seed)
    with metered() as kept:
        for number in range(requests):
            moved_to(TODAY - DAY + (NOW - TODAY + DAY) * number // requests)
            small(dice)
        moved_to(TODAY + 9 * HOUR)
        research(kept)
        moved_to(TODAY + 10 * HOUR)
        odd()
        return kept.report()


def moved_to(at: int) -> None:
    """Set the meter's clock."""
    clock = STATE.now_ns
    assert isinstance(clock, FakeClock)
    clock.now = at


def passed(seconds: float) -> None:
    """Let time pass on the meter's clock."""
    clock = STATE.now_ns
    assert isinstance(clock, FakeClock)
    clock.now += int(seconds * SECOND)


def used(dice: random.Random, scale: float) -> am.Usage:
    whole = int(dice.lognormvariate(7, 0.8) * scale)
    return am.Usage(
        input=whole // 3, cache_read=whole - whole // 3, output=int(dice.lognormvariate(5, 0.7))
    )


def small(dice: random.Random) -> None:
    """A request of a few calls, seldom of many."""
    feature = dice.choices(FEATURES, (6, 1, 2, 2))[0]
    loops = 1 + int(dice.paretovariate(1.1)) if feature == "research" else dice.randint(1, 3)
    tenant = dice.choices(TENANTS, (9, 6, 4, 3, 2, 1, 1, 1, 1))[0]
    user = f"u-{dice.randint(1, 60)}"
    with (
        am.request("ask", user=user, tenant=tenant, feature=feature, plan="pro"),
        am.agent("assistant"),
    ):
        for turn in range(min(loops, 30)):
            with am.call(provider="openai", model=dice.choice(MODELS)) as call:
                passed(dice.lognormvariate(0.3, 0.6))
                call.record(used(dice, 1 + turn))
            if feature == "research":
                with am.branch("look up") as branch, am.tool("search"):
                    am.charge("serpapi.search", usd="0.005")
                    passed(0.4)
                if dice.random() < 0.1:
                    branch.discard()


def odd() -> None:
    """Unknown models, cut streams, failures, and names that would be markup."""
    with am.request(
        HOSTILE, user=BREAKOUT, tenant=HOSTILE, feature=BREAKOUT, tags={HOSTILE: BREAKOUT}
    ):
        with am.agent(HOSTILE), am.call(provider="openai", model=HOSTILE) as call:
            passed(1)
            call.record(am.Usage(input=1200, output=300))
        with am.tool(BREAKOUT), am.call(provider="openai", model="gpt-5") as call:
            passed(2)
            call.record(am.Usage(input=900, output=80))
            call.update(evidence={"output": Evidence(Source.ESTIMATED, Extent.AT_LEAST)})
    unknown = am.call(provider="openai", model="gpt-5")
    with am.request("ask", user="u-9", tenant="acme", feature="chat"), unknown:
        passed(3)
    with am.call(provider="openai", model="gpt-5-mini") as call:
        call.record(am.Usage(input=700, output=20))


@contextmanager
def client() -> Iterator[Any]:
    """The real client, metered, against the scripted server."""
    long = Reply(text="found", input=6400, cached=4096, output=900, reasoning=320)
    with ModelServer(default=long) as server:
        server.script(long, when=answered_slowly)
        server.script(
            Reply(status=503), long, when=lambda body: "markets" in str(body["messages"][-1])
        )
        am.instrument("openai")
        try:
            with openai.OpenAI(base_url=server.base_url, api_key="scripted") as made:
                yield made
        finally:
            am.uninstrument()


def answered_slowly(_: object) -> bool:
    """Time passes while the server thinks; it is no condition that ever holds."""
    passed(1.3)
    return False


def research(kept: Kept) -> None:
    """One large request: sub-agents, branches, a retry, and one tool result sent again and again."""
    with (
        client() as made,
        am.request(
            "ask", user="u-2", tenant="acme", feature="research", plan="pro", tags={"region": "eu"}
        ),
    ):
        with am.agent("researcher"):
            messages = [
                {"role": "system", "content": "You are a careful analyst. " * 40},
                {"role": "user", "content": "How will storage prices move?"},
            ]
            with am.step("plan"):
                ask(made, "gpt-5", messages)
            for topic in ("history", "markets", "regulation", "technology"):
                with am.branch(topic) as branch:
                    with am.tool("search"):
                        am.charge("serpapi.search", usd="0.005")
                        passed(0.7)
                    with am.agent("summariser"):
                        ask(made, "gpt-5-mini", [*messages, said(topic)])
                if topic == "history":
                    branch.discard()
            for turn in range(7):
                messages += result(turn)
                with am.step("refine"):
                    ask(made, "gpt-5", messages)
        with am.agent("writer"), am.step("write"):
            ask(made, "gpt-5", messages)


def said(text: str) -> dict[str, Any]:
    return {"role": "user", "content": f"Summarise what is known about {text}"}


def result(turn: int) -> list[dict[str, Any]]:
    call = {"id": f"c{turn}", "type": "function", "function": {"name": "search", "arguments": "{}"}}
    found = "disk prices fell by a third " * (200 if turn == 0 else 20)
    return [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": f"c{turn}", "content": found + str(turn)},
    ]


def ask(made: openai.OpenAI, model: str, messages: list[Any]) -> None:
    passed(1.5)
    made.chat.completions.create(model=model, messages=messages)
    passed(0.5)
