"""Alerts: who is told of what, when, and that nothing of it reaches the application."""

import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import openai
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import agentmeter as am
from agentmeter.exceptions import ConfigurationError
from agentmeter.model import Owner
from agentmeter.runtime.alerts.events import WORKER, subscribers
from agentmeter.runtime.alerts.jump import Jump, Jumps
from agentmeter.runtime.budget.account import Account
from agentmeter.runtime.budget.store import Draw, MemoryBudgets, Standing
from agentmeter.runtime.counting import COUNTER
from agentmeter.runtime.faults import FAULTS
from agentmeter.runtime.ledger import Ledger
from agentmeter.runtime.state import STATE
from agentmeter.testing import Kept, ModelServer, Reply, metered

Told = list[am.Alert]
Watch = Callable[..., Told]
HOUR = 3_600_000_000_000


@pytest.fixture
def watch(meter: Kept) -> Iterator[Watch]:
    """Subscribes, and gives the list that alerts come to; afterwards nobody listens."""
    stops = []

    def begin(event: str, **conditions: Any) -> Told:
        told: Told = []
        stops.append(am.on(event, told.append, **conditions))
        return told

    yield begin
    for stop in stops:
        stop()
    assert (Ledger.watchers, Ledger.tool_watcher, Ledger.budget_watcher) == ((), None, None)


def settle() -> None:
    COUNTER.settle()
    WORKER.settle()


def spend(usd: str, **owner: Any) -> am.Money:
    with am.request("ask", **owner) as request:
        am.charge("x", usd=usd)
    settle()
    return request.cost


@am.tool
def search(query: str, limit: int = 3) -> str:
    return query * limit


def test_a_tool_that_is_asked_the_same_again_and_again(watch: Watch) -> None:
    """The third time is told, once; other arguments, other requests are other things."""
    told = watch("loop.repeats")
    with am.request(user="u") as request:
        for _ in range(5):
            search("cats")
        search("cats", limit=4)
        search("dogs")
    with am.request():
        search("cats")
    settle()
    assert [(one.event, one.request_id, one.owner) for one in told] == [
        ("loop.repeats", request.id, Owner("u"))
    ]
    assert told[0].facts == {"kind": "tool", "times": 3, "tool": "search"}


def test_a_tool_without_a_function_repeats_by_its_attributes(watch: Watch) -> None:
    """``with am.tool(...)`` is told apart by what is said of it."""
    told = watch("loop.repeats", times=2)
    with am.request():
        for query in ("a", "b", "a"):
            with am.tool("search", query=query):
                pass
    settle()
    assert [one.facts["times"] for one in told] == [2]


def test_a_call_that_is_made_again_and_again(watch: Watch) -> None:
    """By the digest of what the real client sent; another question is another call."""
    told = watch("loop.repeats", times=2)
    am.instrument("openai")
    try:
        with ModelServer(default=Reply()) as server, am.request() as request:
            client = openai.OpenAI(base_url=server.base_url, api_key="test")
            for text in ("one", "two", "one", "one"):
                messages: Any = [{"role": "user", "content": text}]
                client.chat.completions.create(model="gpt-5", messages=messages)
            client.close()
    finally:
        am.uninstrument("openai")
    settle()
    assert [(one.request_id, dict(one.facts)) for one in told] == [
        (request.id, {"kind": "call", "times": 2})
    ]


def test_arguments_that_cannot_be_told_are_a_fault_and_no_error() -> None:
    """A ``repr`` that fails is counted; the tool runs."""

    class Odd:
        def __repr__(self) -> str:
            raise ZeroDivisionError

    with metered():
        stop = am.on("loop.repeats", print)
        with am.request():
            assert am.tool(lambda odd: "ran")(Odd()) == "ran"
        stop()
        assert FAULTS.counts() == {"tool.watcher: ZeroDivisionError": 1}


def test_an_unsubscribed_callback_is_told_no_more(watch: Watch) -> None:
    """And nobody listens to ledgers any more; ending it twice does nothing."""
    told: Told = []
    stop = am.on("loop.repeats", told.append, times=2)
    stop()
    stop()
    with am.request():
        search("a")
        search("a")
    settle()
    assert told == []
    assert (Ledger.watchers, subscribers("loop.repeats")) == ((), ())


def test_callbacks_run_elsewhere_and_their_faults_are_counted() -> None:
    """On a thread of agentmeter's; one that fails keeps no other from being told."""
    threads: list[str] = []

    def fail(alert: am.Alert) -> None:
        threads.append(threading.current_thread().name)
        raise ValueError(alert.event)

    told: Told = []
    with metered():
        stops = [am.on("loop.repeats", one, times=2) for one in (fail, told.append)]
        with am.request():
            search("a")
            search("a")
        settle()
        for stop in stops:
            stop()
        assert threads == ["agentmeter-alerts"]
        assert len(told) == 1
        assert FAULTS.counts() == {"alert callback for loop.repeats: ValueError": 1}


def test_a_callback_that_blocks_holds_nobody_up() -> None:
    """The application goes on; what waits is bounded, and what goes over is counted."""
    gate = threading.Event()
    with metered():
        stop = am.on("loop.repeats", lambda _: gate.wait(10))
        for _ in range(10_003):
            stop.tell(None, {})
        gate.set()
        WORKER.settle()
        stop()
        dropped = FAULTS.counts()["alerts dropped: callbacks do not keep up"]
    assert dropped in (2, 3)  # one may have been begun


def test_a_budgets_threshold_is_told_when_it_is_passed(watch: Watch) -> None:
    """By the call that reaches the share, once; of the budget that was named."""
    half, most, other = (
        watch("budget.threshold", share="0.5"),
        watch("budget.threshold", budget="daily"),
        watch("budget.threshold", budget="other"),
    )
    with am.request(user="u", budget=am.Budget(usd="1", name="daily")) as request:
        for _ in range(9):
            am.charge("x", usd="0.1")
            settle()
    assert [dict(one.facts) for one in half] == [
        {
            "budget": "daily",
            "scope": f"request {request.id}",
            "share": Decimal("0.5"),
            "measure": "usd",
            "limit": Decimal(1),
            "spent": Decimal("0.5"),
        }
    ]
    assert [one.facts["spent"] for one in most] == [Decimal("0.8")]
    assert (most[0].owner, most[0].request_id) == (Owner("u"), request.id)
    assert other == []


def test_every_measure_of_a_budget_has_a_threshold(watch: Watch) -> None:
    """Tokens and calls as well as dollars; a step's budget is told with its request."""
    told = watch("budget.threshold", share="0.5")
    with am.request() as request, am.step("plan", budget=am.Budget(tokens=100, calls=4)):
        for tokens in (40, 20, 1):
            with am.call(provider="openai", model="gpt-5") as call:
                call.record(am.Usage(input=tokens))
            settle()
    assert [(one.request_id, one.facts["measure"], one.facts["spent"]) for one in told] == [
        (request.id, "tokens", 60),
        (request.id, "calls", 2),
    ]


def test_a_threshold_is_passed_by_what_is_known_later(watch: Watch) -> None:
    """Late usage counts when it becomes known; less than was told before is not told again."""
    told = watch("budget.threshold", share="0.5")
    with am.request(budget=am.Budget(tokens=100)):
        with am.call(provider="openai", model="gpt-5") as call:
            call.record(am.Usage(input=10))
        settle()
        assert told == []
        for tokens in (70, 20, 80):
            call.record(am.Usage(input=tokens))
            settle()
    assert [one.facts["spent"] for one in told] == [70]


def test_a_rules_threshold_is_told_of_the_request_that_reached_it(watch: Watch) -> None:
    """A user's budget is spent by many requests; the one that passes the share is named."""
    told = watch("budget.threshold", share="0.5")
    am.configure(budgets=[am.BudgetRule(by="user", per="day", usd="1")])
    try:
        requests = []
        for _ in range(3):
            with am.request(user="u") as request:
                am.charge("x", usd="0.3")
            settle()
            requests.append(request.id)
    finally:
        am.configure(budgets=[])
    assert [(one.request_id, one.facts["scope"]) for one in told] == [
        (requests[1], "user 'u' per day")
    ]


def test_what_others_had_spent_before_is_no_news() -> None:
    """A process that begins with a shared budget nearly spent does not tell of it once more."""
    account = Account("k", am.Budget(usd="1"), "user 'u' per day", MemoryBudgets(), 0)
    account.saw(Standing(Draw(Decimal("0.9"))))
    assert account.told_of(Draw(Decimal("0.95"))) == Draw(Decimal("0.9"))
    assert account.told_of(Draw(Decimal("0.94"))) == Draw(Decimal("0.95"))
    assert account.told_of(Draw(Decimal("0.97"))) == Draw(Decimal("0.95"))


def test_a_threshold_that_shared_work_passes(watch: Watch) -> None:
    """Each request's budget is told with its own request."""
    told = watch("budget.threshold", share="0.5")
    budget = am.Budget(usd="1")
    with am.request(user="a", budget=budget) as a, am.request(user="b", new=True) as b:
        with am.shared({a: 1, b: 1}):
            am.charge("x", usd="1.2")
        settle()
    assert [(one.request_id, one.owner, one.facts["spent"]) for one in told] == [
        (a.id, Owner("a"), Decimal("0.6"))
    ]


def test_a_users_cost_that_jumps(watch: Watch) -> None:
    """Told once a window, after eight of them; not in the cold, not for one who is always dear."""
    told = watch("cost.jump", window=3600)
    clock: Any = STATE.now_ns
    for hour in range(8):
        clock.now = 1_790_000_000_000_000_000 + hour * HOUR
        spend("0.10" if hour else "9", user="a")
        spend("1", user="dear")
    clock.now += HOUR
    request = spend("0.2", user="a")
    assert told == []
    spend("0.11", user="a")
    spend("1", user="a")
    spend("2", user="dear")
    spend("5", user="new")
    assert request == am.Money(Decimal("0.2"))
    assert [dict(one.facts) for one in told] == [
        {
            "user": "a",
            "spent": Decimal("0.31"),
            "usual": Decimal("0.10"),
            "windows": 8,
            "currency": "USD",
        }
    ]


def test_a_feature_jumps_by_itself(watch: Watch) -> None:
    """``by`` says who is looked at; what has no such owner is nobody's."""
    told = watch("cost.jump", by="feature", windows=1, factor=2)
    clock: Any = STATE.now_ns
    for hour, usd in enumerate(("1", "3")):
        clock.now = 1_790_000_000_000_000_000 + hour * HOUR
        spend(usd, feature="chat", user=f"u{hour}")
        spend(usd)
    assert [one.facts["feature"] for one in told] == ["chat"]


def test_what_is_usual_in_bounded_memory() -> None:
    """The median of the latest windows with any cost; the idlest keys go first."""
    jumps: Jumps[str] = Jumps(10, Decimal(2), least=3, most=2)
    for window, amount in enumerate(("1", "5", "1")):
        assert jumps.spent("a", Decimal(amount), window * 10) is None
    assert jumps.spent("a", Decimal(2), 90) is None
    assert jumps.spent("a", Decimal("0.5"), 99) == Jump(Decimal("2.5"), Decimal(1), 3)
    assert jumps.spent("a", Decimal(9), 99) is None
    for key in ("b", "c"):
        jumps.spent(key, Decimal(1), 100)
    assert len(jumps) == 2
    assert jumps.spent("a", Decimal(100), 100) is None  # it was forgotten, and begins anew


def test_a_flush_tells_what_is_due(watch: Watch) -> None:
    """When it returns callbacks have run, those of alerts that had to be worked out first too."""
    repeated = watch("loop.repeats", times=2)
    spent = watch("budget.threshold", share="0.5")

    @am.tool
    def search(query: str) -> None:
        am.charge("x", usd="0.3")

    with am.request(user="u", budget=am.Budget(usd="1")):
        search("a")
        search("a")
    assert am.flush()
    assert [len(repeated), len(spent)] == [1, 1]


def test_a_callback_may_flush(watch: Watch) -> None:
    """It does not wait for itself."""
    flushed: list[bool] = []
    stop = am.on("loop.repeats", lambda _: flushed.append(am.flush(1)), times=2)

    @am.tool
    def search() -> None:
        am.charge("x", usd="0.3")

    try:
        with am.request(user="u"):
            search()
            search()
        assert am.flush()
    finally:
        stop()
    assert flushed == [True]


def record(folder: Path, count: int) -> None:
    """A journal of requests that cost 0.01, 0.02 …"""
    am.configure(directory=folder, spans=False)
    for number in range(1, count + 1):
        with am.request(user="u", feature="chat"):
            am.charge("x", usd=f"0.{number:02d}")
    am.flush()


def test_in_the_cold_nothing_is_beyond_a_forecast(tmp_path: Path) -> None:
    """Of ten requests nobody can tell what one in twenty exceeds."""
    record(tmp_path, 10)
    told: Told = []
    stop = am.on("forecast.exceeded", told.append)
    try:
        with am.request(user="u", feature="chat"):
            am.charge("x", usd="1000")
        settle()
    finally:
        stop()
        am.configure(journal=False)
    assert told == []


def test_a_request_beyond_its_forecast(tmp_path: Path) -> None:
    """Told once, while it runs, when it costs more than 95 % of those on record."""
    record(tmp_path, 39)
    told: Told = []
    stop = am.on("forecast.exceeded", told.append)
    try:
        with am.request(user="u", feature="chat") as request:
            am.charge("x", usd="0.30")
            settle()
            before = list(told)
            am.charge("x", usd="0.09")
            am.charge("x", usd="0.50")
            settle()
            during = list(told)
            am.charge("x", usd="1")
        settle()
    finally:
        stop()
        am.configure(journal=False)
    assert before == []
    assert told == during
    assert [(one.request_id, one.facts["forecast"]) for one in told] == [
        (request.id, Decimal("0.38"))
    ]
    assert told[0].facts["requests"] == 39
    assert told[0].facts["cost"] in (Decimal("0.39"), Decimal("0.89"))


@pytest.fixture
def exported() -> Iterator[InMemorySpanExporter]:
    """A provider whose spans are kept."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    before = trace.get_tracer_provider
    trace.get_tracer_provider = lambda: provider
    yield exporter
    trace.get_tracer_provider = before


def test_an_alert_is_an_event_on_the_requests_span(exported: InMemorySpanExporter) -> None:
    """On the root's, with the figures as attributes; without a callback that is all there is."""
    with metered(spans=True):
        stop = am.on("loop.repeats", times=2)
        with am.request("ask"), am.agent("a"):
            search("a")
            search("a")
        stop()
    spans = {span.name: span for span in exported.get_finished_spans()}
    root = next(span for span in spans.values() if span.events)
    assert root.parent is None
    assert [(event.name, dict(event.attributes or {})) for event in root.events] == [
        (
            "agentmeter.loop.repeats",
            {
                "agentmeter.alert.kind": "tool",
                "agentmeter.alert.times": 2,
                "agentmeter.alert.tool": "search",
            },
        )
    ]


@pytest.mark.parametrize(
    ("event", "given", "problem"),
    [
        ("loop", {}, "there is no event 'loop'; there are budget.threshold, "),
        ("loop.repeats", {"n": 3}, "loop.repeats has no condition 'n'; it has times"),
        ("loop.repeats", {"times": 1}, "times: a whole number from 2 on, got 1"),
        ("forecast.exceeded", {"percent": 100}, "percent: a percentage between 0 and 100"),
        ("cost.jump", {"factor": 1}, "factor: must be above 1, got 1"),
        ("cost.jump", {"by": "mood"}, "by: one of user, tenant, feature, plan, got 'mood'"),
        ("budget.threshold", {"share": "0"}, "share: must be above 0"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_at_once(
    event: str, given: dict[str, Any], problem: str
) -> None:
    """The message says what there is."""
    with pytest.raises(ConfigurationError, match=problem):
        am.on(event, print, **given)


def test_a_callback_is_a_plain_callable() -> None:
    """What would have to be awaited, or cannot be called, is refused."""

    async def later(alert: am.Alert) -> None: ...

    for callback in (later, "print"):
        with pytest.raises(TypeError, match="the callback is a plain callable"):
            am.on("loop.repeats", callback)  # type: ignore[arg-type]


def test_a_long_request_is_looked_at_ever_more_rarely(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The looks at a request of a thousand calls go over so many entries in all, no square."""
    from agentmeter.runtime import standing as module

    sizes: list[int] = []
    real = module.standing

    def counted(ledger: Ledger) -> Any:
        found = real(ledger)
        sizes.append(found.calls)
        return found

    monkeypatch.setattr(module, "standing", counted)
    watch("cost.jump")
    with am.request(user="u"):
        for _ in range(1000):
            with am.call(provider="openai", model="gpt-5") as call:
                call.record(am.Usage(input=1))
            WORKER.settle()
    settle()
    assert sizes[-1] == 1000
    assert sum(sizes) < 15 * 1000
