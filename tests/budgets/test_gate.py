"""What a budget does to calls: reserved before, settled after, by each of its actions."""

import asyncio
import gc
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import agentmeter as am
from agentmeter.model import Record, Status
from agentmeter.runtime.budget.gate import Gate
from agentmeter.runtime.budget.store import MemoryBudgets
from agentmeter.runtime.call import CallScope
from agentmeter.runtime.context import current_scope
from agentmeter.runtime.counting import COUNTER
from agentmeter.runtime.faults import FAULTS
from agentmeter.runtime.state import STATE
from agentmeter.testing import Kept

GPT = {"provider": "openai", "model": "gpt-5"}
"""1.25 USD a million in, 10 USD a million out."""


def spend(given: int, made: int, *, most: int | None = None) -> None:
    """A call that takes what it says, or less than ``most``."""
    with am.call(**GPT, input_tokens=given, max_tokens=most or made) as call:
        call.record(am.Usage(input=given, output=made))


def test_a_worst_case_is_reserved_and_the_truth_settled(meter: Kept) -> None:
    """1,000 in and 2,000 out at most are 0.02125 USD; 900 and 100 turn out to be 0.002125."""
    with am.request(budget=am.Budget(usd="0.50", tokens=5000, calls=3)) as request:
        with am.call(**GPT, input_tokens=1000, max_tokens=2000) as call:
            assert request.remaining() == am.Remaining(Decimal("0.47875"), 2000, 2)
            call.record(am.Usage(input=900, output=100))
        assert request.remaining() == am.Remaining(Decimal("0.497875"), 4000, 2)


def test_a_call_without_room_raises_before_it_is_made(meter: Kept) -> None:
    """The error has the figures, and the call used nothing."""
    with am.request(id="r", budget=am.Budget(usd="0.03", name="tight")) as request:
        spend(1000, 1000)  # 0.01125
        with (
            pytest.raises(am.BudgetExceeded) as caught,
            am.call(**GPT, input_tokens=1000, max_tokens=2000),
        ):
            pytest.fail("the call was made")  # pragma: no cover
        over = caught.value
        assert (over.budget, over.scope, over.measure) == ("tight", "request r", "usd")
        assert (over.limit, over.spent, over.reserved) == (Decimal("0.03"), Decimal("0.01125"), 0)
        assert (over.needed, over.left) == (Decimal("0.02125"), Decimal("0.01875"))
        assert str(over) == (
            "budget 'tight' of request r: the call may take 0.02125 USD and 0.01875 is left "
            "(of 0.03 USD 0.01125 spent, 0 reserved)"
        )
        assert request.cost.amount == Decimal("0.01125")
    report = meter.report().requests[0]
    assert report.calls == 1
    assert [child.record.status for child in report.tree.children] == [Status.OK, Status.REFUSED]


def test_the_report_tells_of_the_budget_and_of_what_it_refused(meter: Kept) -> None:
    """In text and JSON, from the records alone."""
    with am.request(id="r", budget=am.Budget(usd="0.03")) as request:
        spend(1000, 1000)
        for _ in range(3):
            with pytest.raises(am.BudgetExceeded):
                spend(1000, 2000)
    text = str(meter.report())
    assert "3 calls refused by budget" in text
    assert (
        "budget request: 0.01125 of 0.03 USD spent, 0.01125 at most with what was reserved" in text
    )
    (told,) = request.report().to_json()["requests"]
    assert told["refused_by_budget"] == 3
    assert told["budgets"] == [
        {
            "scope_id": request.scope_id,
            "name": "request",
            "usd": {"limit": "0.03", "spent": "0.01125", "most_with_reserved": "0.01125"},
            "seconds": None,
            "counts": {"refused": 3, "exceeded": 0, "clamped": 0, "cut": 0, "open_ended": 0},
        }
    ]


def test_the_narrowest_budget_holds(meter: Kept) -> None:
    """A branch's in an agent's in a request's: each is held, and none where one refuses."""
    with (
        am.request(budget=am.Budget(tokens=1000)) as request,
        am.agent("planner", budget=am.Budget(tokens=500)),
    ):
        with am.branch(budget=am.Budget(tokens=100)):
            spend(50, 40)
            with pytest.raises(am.BudgetExceeded, match="budget 'branch'"):
                spend(10, 1)
        spend(300, 100)
        with pytest.raises(am.BudgetExceeded, match="budget 'agent' of agent planner"):
            spend(5, 6)
        current = am.current()
        assert current is not None
        assert current.remaining().tokens == 10
        assert request.remaining().tokens == 510


def test_a_call_inside_a_call_reserves_once(meter: Kept) -> None:
    """The calls inside draw on what the outer one holds, and widen it only where that is less."""
    with am.request(budget=am.Budget(tokens=1000, calls=10)) as request:
        with am.call(**GPT, input_tokens=200, max_tokens=200):
            assert (request.remaining().tokens, request.remaining().calls) == (600, 9)
            with am.call(**GPT, input_tokens=200, max_tokens=100) as inner:
                assert (request.remaining().tokens, request.remaining().calls) == (600, 9)
                inner.record(am.Usage(input=150, output=50))
            with am.call(**GPT, input_tokens=200, max_tokens=100) as inner:
                assert (request.remaining().tokens, request.remaining().calls) == (500, 8)
                inner.record(am.Usage(input=150, output=50))
        assert (request.remaining().tokens, request.remaining().calls) == (600, 8)


def test_three_calls_inside_each_other_reserve_once(meter: Kept) -> None:
    """And what the outermost says beyond the sum is charged as well."""
    with am.request(budget=am.Budget(tokens=1000)) as request:
        with (
            am.call(**GPT, input_tokens=200, max_tokens=200) as outer,
            am.call(**GPT, input_tokens=200, max_tokens=200),
            am.call(**GPT, input_tokens=200, max_tokens=250) as inner,
        ):
            assert request.remaining().tokens == 550
            inner.record(am.Usage(input=100, output=100))
            outer.record(am.Usage(input=110, output=100))
        assert request.remaining().tokens == 790
        assert request.usage.total_tokens == 210


def test_a_call_inside_that_outlives_the_outer_one_is_charged_once(meter: Kept) -> None:
    """What it may take stays charged until it ends, and then its truth is."""
    with am.request(budget=am.Budget(tokens=1000)) as request:
        with am.call(**GPT, input_tokens=200, max_tokens=200):
            inner = am.call(**GPT, input_tokens=100, max_tokens=100)
            inner.open(current_scope())
        assert request.remaining().tokens == 800
        inner.record(am.Usage(input=10, output=20))
        inner.close()
        assert request.remaining().tokens == 970


def test_usage_that_nobody_knows_counts_at_its_worst_until_it_is_known(meter: Kept) -> None:
    """Unknown is not zero; late usage corrects it."""
    with am.request(budget=am.Budget(tokens=1000)) as request:
        with am.call(**GPT, input_tokens=100, max_tokens=300) as call:
            pass
        assert request.remaining().tokens == 600
        call.record(am.Usage(input=90, output=10))
        assert request.remaining().tokens == 900


def test_a_charge_is_held_before_it_is_made(meter: Kept) -> None:
    """Money and quantities; a refused one is not in the cost."""
    with am.request(budget=am.Budget(usd="0.01")) as request:
        am.charge("search", usd="0.006")
        with pytest.raises(am.BudgetExceeded, match=r"the call may take 0\.005 USD and 0\.004 is"):
            am.charge("search", usd="0.005")
        am.charge("search", usd="0.004")
        assert request.remaining().usd == 0
        assert request.cost.amount == Decimal("0.010")


def test_seconds_pass_for_the_scope(meter: Kept) -> None:
    """After them no call is made; the fake clock moves by a millisecond at every look."""
    with am.request(budget=am.Budget(seconds="0.5")) as request:
        spend(1, 1)
        STATE.now_ns.now += 500_000_000  # type: ignore[attr-defined]
        with pytest.raises(am.BudgetExceeded, match="its time is over"):
            spend(1, 1)
        assert request.remaining().seconds == 0


def test_to_warn_is_to_count_and_to_let_pass(meter: Kept) -> None:
    """With an event on the span of the application."""
    kept = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    budget = am.Budget(tokens=10, action="warn")
    with trace.use_span(provider.get_tracer("t").start_span("app"), end_on_exit=True):
        with am.request(budget=budget) as request:
            spend(20, 5)
            spend(20, 5)
        assert request.remaining().tokens == 0
    (span,) = kept.get_finished_spans()
    assert [event.name for event in span.events] == ["agentmeter.budget.exceeded"] * 2
    assert meter.report().requests[0].tree.record.attributes["budget.exceeded"] == "2"


@pytest.mark.parametrize("approves", [True, False])
def test_whoever_is_asked_decides(meter: Kept, approves: bool) -> None:
    """The callable gets the error that would be raised."""
    asked: list[am.BudgetExceeded] = []

    def ask(over: am.BudgetExceeded) -> bool:
        asked.append(over)
        return approves

    with am.request(budget=am.Budget(tokens=10, action="ask", ask=ask)) as request:
        if approves:
            spend(20, 5)
        else:
            with pytest.raises(am.BudgetExceeded):
                spend(20, 5)
        assert request.usage.total_tokens == (25 if approves else 0)
    assert [(over.needed, over.left) for over in asked] == [(25, 10)]


async def test_an_asynchronous_answer_is_awaited(meter: Kept) -> None:
    """For ``async with`` and for decorated coroutines."""

    async def ask(over: am.BudgetExceeded) -> bool:
        await asyncio.sleep(0)
        return over.needed == 25

    @am.call(**GPT, input_tokens=20, max_tokens=5)
    async def called() -> None:
        call = current_scope()
        assert isinstance(call, CallScope)
        call.record(am.Usage(input=20, output=5))

    budget = am.Budget(tokens=10, action="ask", ask=ask)
    async with am.request(budget=budget) as request:
        await called()
        async with am.call(**GPT, input_tokens=20, max_tokens=5) as call:
            call.record(am.Usage(input=20, output=5))
        with pytest.raises(am.BudgetExceeded):
            async with am.call(**GPT, input_tokens=20, max_tokens=6):
                pass
    assert request.usage.total_tokens == 50


def test_an_asynchronous_answer_cannot_be_had_by_a_synchronous_call(meter: Kept) -> None:
    """Then the call is refused, and the message says why."""

    async def ask(over: am.BudgetExceeded) -> bool:
        return True

    with (
        am.request(budget=am.Budget(tokens=10, action="ask", ask=ask)),
        pytest.raises(am.BudgetExceeded, match="ask= is asynchronous, and the client is not"),
    ):
        spend(20, 5)


def test_an_answer_that_fails_is_no_approval(meter: Kept) -> None:
    """The cause is kept."""

    def ask(over: am.BudgetExceeded) -> bool:
        raise KeyError("nobody")

    with (
        am.request(budget=am.Budget(tokens=10, action="ask", ask=ask)),
        pytest.raises(am.BudgetExceeded) as caught,
    ):
        spend(20, 5)
    assert isinstance(caught.value.__cause__, KeyError)


@pytest.mark.parametrize("unknown", ["allow", "refuse"])
def test_a_call_whose_worst_case_is_not_known_follows_the_choice(meter: Kept, unknown: Any) -> None:
    """Allowed and counted, or refused with the reason."""
    with am.request(budget=am.Budget(usd="1", unknown=unknown)) as request:
        if unknown == "allow":
            with am.call(provider="acme", model="x-1", input_tokens=5, max_tokens=5) as call:
                call.record(am.Usage(input=5, output=5))
        else:
            with pytest.raises(
                am.BudgetExceeded, match="worst case is not known: unknown provider 'acme'"
            ):
                spend_at("acme")
    attributes = meter.report().requests[0].tree.record.attributes
    assert attributes["budget.open_ended" if unknown == "allow" else "budget.refused"] == "1"
    assert request.usage.total_tokens == (10 if unknown == "allow" else 0)


def spend_at(provider: str) -> None:
    with am.call(provider=provider, model="x-1", input_tokens=5, max_tokens=5):
        pass


def test_nothing_unknown_is_let_in_once_a_budget_is_spent(meter: Kept) -> None:
    """What is spent leaves no room for a call that may take anything."""
    with am.request(budget=am.Budget(usd="0.01")):
        am.charge("search", usd="0.01")
        with pytest.raises(am.BudgetExceeded):
            spend_at("acme")


def test_rules_hold_for_every_user_and_period(meter: Kept) -> None:
    """Each user has an account of their own, which begins anew with the next day."""
    STATE.gate = Gate(MemoryBudgets(), (am.BudgetRule(by="user", per="day", tokens=100),))
    for user in ("a", "b", "a"):
        with am.request(user=user) as request:
            spend(30, 10)
    assert request.remaining().tokens == 20
    with am.request(user="a"), pytest.raises(am.BudgetExceeded, match="user 'a' per day"):
        spend(30, 10)
    with am.request():
        spend(300, 10)  # nobody's
    STATE.now_ns.now += 86_400_000_000_000  # type: ignore[attr-defined]
    with am.request(user="a"):
        spend(30, 10)


def test_shared_work_is_borne_by_each_request_for_its_part(meter: Kept) -> None:
    """One to two: 30 tokens are 10 and 20, rounded up."""
    with (
        am.request(budget=am.Budget(tokens=100)) as one,
        am.request(new=True, budget=am.Budget(tokens=100)) as other,
        am.shared({one: 1, other: 2}),
    ):
        spend(20, 10)
        assert (one.remaining().tokens, other.remaining().tokens) == (90, 80)
        with pytest.raises(am.BudgetExceeded):
            spend(120, 1)


def test_a_request_continued_in_the_same_process_keeps_its_budget(meter: Kept) -> None:
    """``resume`` finds it by the request's id."""
    with am.request(budget=am.Budget(tokens=100)) as request:
        headers = am.inject({})
    with am.resume(headers):
        spend(50, 10)
        with pytest.raises(am.BudgetExceeded):
            spend(50, 10)
    assert request.remaining().tokens == 40


def test_a_new_request_is_not_held_to_the_outer_ones_budget(meter: Kept) -> None:
    """It is billed by itself."""
    with am.request(budget=am.Budget(tokens=10)), am.request(new=True):
        spend(50, 10)


@am.request(budget=am.Budget(tokens=10))
def plain() -> None:
    spend(20, 1)


@am.request(budget=am.Budget(tokens=10))
async def coroutine() -> None:
    spend(20, 1)


@am.request(budget=am.Budget(tokens=10))
def generator() -> Iterator[int]:
    spend(5, 1)
    yield 1
    spend(20, 1)


@am.request(budget=am.Budget(tokens=10))
async def async_generator() -> AsyncIterator[int]:
    spend(5, 1)
    yield 1
    spend(20, 1)


async def _drained() -> None:
    async for _ in async_generator():
        pass


@pytest.mark.parametrize(
    "run",
    [
        plain,
        lambda: asyncio.run(coroutine()),
        lambda: list(generator()),
        lambda: asyncio.run(_drained()),
    ],
    ids=["def", "async def", "generator", "async generator"],
)
def test_the_error_reaches_the_application_through_every_kind_of_function(
    meter: Kept, run: Any
) -> None:
    """And twice: every activation has an account of its own."""
    for _ in range(2):
        with pytest.raises(am.BudgetExceeded, match="of request 0"):
            run()
    roots = [record for record in meter.records if record.parent_id is None]
    assert [(root.status, root.error_type) for root in roots] == [
        (Status.ERROR, "BudgetExceeded")
    ] * 2


@am.call(**GPT, input_tokens=20, max_tokens=5)
def decorated_call() -> None:
    pytest.fail("the call was made")  # pragma: no cover


def test_a_decorated_call_is_held_too(meter: Kept) -> None:
    """Before its body runs."""
    with am.request(budget=am.Budget(tokens=10)), pytest.raises(am.BudgetExceeded):
        decorated_call()
    assert last_call(meter).status is Status.REFUSED


def last_call(meter: Kept) -> Record:
    return next(one for one in reversed(meter.records) if one.call is not None)


def test_a_fault_in_the_budget_is_none_of_the_applications(meter: Kept) -> None:
    """The call is made, and the fault counted."""

    class Broken(MemoryBudgets):
        def reserve(self, holds: Any) -> Any:
            raise ZeroDivisionError

    STATE.gate = Gate(Broken())
    with am.request(budget=am.Budget(tokens=10)) as request:
        spend(20, 5)
    assert request.usage.total_tokens == 25
    assert FAULTS.counts() == {"budget: ZeroDivisionError": 1}
    FAULTS.clear()


def test_accounts_are_forgotten_with_their_scopes(meter: Kept) -> None:
    """A thousand requests leave nothing behind."""
    store = MemoryBudgets()
    STATE.gate = Gate(store)
    for _ in range(1000):
        with am.request(budget=am.Budget(tokens=100)):
            spend(20, 5)
    gc.collect()
    assert len(store._accounts) <= 1


def test_refusals_are_folded_and_still_counted(
    meter: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loop that goes on asking does not fill the memory."""
    monkeypatch.setattr(STATE, "max_entries", 20)
    with am.request(budget=am.Budget(tokens=100)) as request:
        spend(50, 10)
        for _ in range(500):
            with pytest.raises(am.BudgetExceeded):
                spend(50, 10)
        COUNTER.settle()
        assert len(request._live()._entries) < 200
        text = str(request.report())
    assert "500 calls refused by budget" in text
    assert "1 calls, 1 attempts, 50 input + 10 output" in text


def test_what_nobody_asked_about_is_charged_all_the_same(meter: Kept) -> None:
    """A batch's result, say, that an integration records when it is read."""
    with am.request(budget=am.Budget(tokens=100, calls=5)) as request:
        scope = CallScope(**GPT, batch=True)
        scope.open(current_scope())
        scope.record(am.Usage(input=60, output=10))
        scope.close()
        assert (request.remaining().tokens, request.remaining().calls) == (30, 4)
        with am.call(**GPT, input_tokens=10, max_tokens=10):
            scope = CallScope(**GPT)
            scope.open(current_scope())
            scope.record(am.Usage(input=5))
            scope.close()
        assert (request.remaining().tokens, request.remaining().calls) == (25, 3)


def test_one_request_that_is_begun_twice_has_one_account(meter: Kept) -> None:
    """With the same id and budget."""
    budget = am.Budget(tokens=100)
    with am.request(id="r", budget=budget) as one:
        spend(50, 10)
        with am.request(id="r", new=True, budget=budget) as again:
            spend(10, 10)
            assert one.remaining() == again.remaining() == am.Remaining(tokens=20)


def test_a_call_may_have_a_budget_of_its_own(meter: Kept) -> None:
    """It is held to that from the beginning."""
    with (
        am.request(),
        pytest.raises(am.BudgetExceeded, match="budget 'call' of call gpt-5"),
        am.call(**GPT, input_tokens=20, max_tokens=5, budget=am.Budget(tokens=24)),
    ):
        pytest.fail("the call was made")  # pragma: no cover


def test_budgets_are_loaded_with_the_first_of_them() -> None:
    """A program without any does not pay for them, metered clients included."""
    program = (
        "import sys, agentmeter as am\n"
        "am.configure(journal=False)\n"
        "am.instrument('openai')\n"
        "with am.request():\n"
        "    with am.call(provider='openai', model='gpt-5') as call:\n"
        "        call.record(am.Usage(input=1))\n"
        "print([name for name in sys.modules if 'runtime.budget' in name or name == 'redis'])\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ran.stdout == "[]\n"
