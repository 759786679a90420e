"""Scopes on the four function shapes: who pays, how they end, and that nothing leaks."""

import asyncio
import contextlib
import functools
import gc
import inspect
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import agentmeter as am
from agentmeter.model import Extent
from agentmeter.runtime.call import CallScope
from agentmeter.runtime.context import current_scope
from agentmeter.runtime.counting import COUNTER
from agentmeter.runtime.state import STATE
from agentmeter.testing import Kept, metered


def use(tokens: int) -> None:
    with am.call(provider="openai", model="gpt-5") as call:
        call.record(am.Usage(input=tokens))


@am.request(user=lambda user: user)
def function(user: str, tokens: int, fail: bool = False) -> str:
    use(tokens)
    if fail:
        raise ValueError(user)
    return user


@am.request(user=lambda user: user)
async def coroutine(user: str, tokens: int, fail: bool = False) -> str:
    await asyncio.sleep(0)
    use(tokens)
    if fail:
        raise ValueError(user)
    return user


@am.request(user=lambda user: user)
def generator(user: str, tokens: int, fail: bool = False) -> Iterator[int]:
    for index in range(3):
        use(tokens)
        yield index
    if fail:
        raise ValueError(user)


@am.request(user=lambda user: user)
async def async_generator(user: str, tokens: int, fail: bool = False) -> AsyncIterator[int]:
    for index in range(3):
        use(tokens)
        await asyncio.sleep(0)
        yield index
    if fail:
        raise ValueError(user)


def by_user(meter: Kept) -> dict[str | None, int]:
    return {one.view.owner.user: one.usage.total_tokens for one in meter.report().requests}


def statuses(meter: Kept) -> list[str]:
    return [record.status.value for record in meter.records if record.kind == "request"]


def test_decorated_functions_keep_their_kind() -> None:
    """inspect sees what it saw before, so that frameworks treat them alike."""
    assert inspect.iscoroutinefunction(coroutine)
    assert inspect.isgeneratorfunction(generator)
    assert inspect.isasyncgenfunction(async_generator)
    assert str(inspect.signature(function)) == "(user: str, tokens: int, fail: bool = False) -> str"


def test_methods_of_every_kind_stay_what_they_are(meter: Kept) -> None:
    """Above and below ``classmethod``, ``staticmethod`` and ``property``, bare and with a name."""

    class Agent:
        @am.step
        def method(self) -> object:
            return self

        @am.step
        @classmethod
        def above(cls) -> object:
            return cls

        @classmethod
        @am.step("named")
        def below(cls) -> object:
            return cls

        @am.step
        @staticmethod
        def static(value: int) -> object:
            return value

        @property
        @am.step
        def value(self) -> object:
            return self

    one = Agent()
    assert (one.method(), one.value) == (one, one)
    assert (Agent.above(), one.above(), Agent.below()) == (Agent, Agent, Agent)
    assert (Agent.static(3), one.static(4)) == (3, 4)
    assert [record.name for record in meter.records] == [
        *("method", "value", "above", "above", "named", "static", "static")
    ]


async def test_every_shape_returns_and_is_billed(meter: Kept) -> None:
    """A return of each of the four shapes closes its request as ok, with its own tokens."""
    assert function("f", 1) == "f"
    assert await coroutine("c", 2) == "c"
    assert list(generator("g", 3)) == [0, 1, 2]
    assert [item async for item in async_generator("a", 4)] == [0, 1, 2]
    assert by_user(meter) == {"f": 1, "c": 2, "g": 9, "a": 12}
    assert statuses(meter) == ["ok"] * 4


async def test_every_shape_raises_unchanged(meter: Kept) -> None:
    """The application's error passes through each shape and closes its request as error."""
    with pytest.raises(ValueError, match="f"):
        function("f", 1, fail=True)
    with pytest.raises(ValueError, match="c"):
        await coroutine("c", 1, fail=True)
    with pytest.raises(ValueError, match="g"):
        list(generator("g", 1, fail=True))
    with pytest.raises(ValueError, match="a"):
        [item async for item in async_generator("a", 1, fail=True)]
    assert statuses(meter) == ["error"] * 4
    assert by_user(meter) == {"f": 1, "c": 1, "g": 3, "a": 3}


async def test_early_close_and_abandonment(meter: Kept) -> None:
    """Closed and dropped generators close their request as closed, with what they used."""
    closed = generator("closed", 1)
    next(closed)
    closed.close()
    for _ in generator("dropped", 1):
        break
    stream = async_generator("aclosed", 1)
    await anext(stream)
    await asyncio.create_task(stream.aclose())
    dropped = async_generator("adropped", 1)
    await anext(dropped)
    del dropped
    gc.collect()
    await asyncio.sleep(0.01)
    assert by_user(meter) == {"closed": 1, "dropped": 1, "aclosed": 1, "adropped": 1}
    assert statuses(meter) == ["closed"] * 4


async def test_cancellation_passes_through(meter: Kept) -> None:
    """A cancelled coroutine closes its request as cancelled."""

    @am.request(user="x")
    async def forever() -> None:
        use(1)
        await asyncio.sleep(60)

    task = asyncio.create_task(forever())
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert statuses(meter) == ["cancelled"]


@given(st.lists(st.sampled_from("ab"), max_size=12))
def test_interleaved_generators_keep_their_own_requests(order: list[str]) -> None:
    """Whatever the order of steps, each generator's tokens are its own and nothing leaks."""
    with metered() as meter:
        generators = {"a": generator("a", 1), "b": generator("b", 100)}
        taken = {"a": 0, "b": 0}
        for name in order:
            taken[name] += next(generators[name], None) is not None
            assert am.current() is None
        for one in generators.values():
            one.close()
        tokens = {"a": 1, "b": 100}
        expected = {name: count * tokens[name] for name, count in taken.items() if count}
        assert by_user(meter) == expected


def test_send_throw_and_return_values_pass_through(meter: Kept) -> None:
    """A decorated generator answers send and throw, and returns, as the bare one does."""

    @am.step
    def echo() -> Iterator[object]:
        got: object = None
        while got != "stop":
            try:
                got = yield got
            except KeyError as error:
                got = error.args[0]
        return "returned"

    one = echo()
    assert next(one) is None
    assert one.send(1) == 1
    assert one.throw(KeyError("k")) == "k"
    with pytest.raises(StopIteration) as stop:
        one.send("stop")
    assert stop.value.value == "returned"


def test_threads_with_the_helper_land_on_their_request(meter: Kept) -> None:
    """Work in a ContextExecutor and in a carried thread lands on the submitting request."""
    with am.request(user="a"), am.ContextExecutor(ThreadPoolExecutor(4)) as pool:
        list(pool.map(use, [1] * 20))
        thread = threading.Thread(target=am.carried(use), args=(5,))
        thread.start()
        thread.join()
    assert by_user(meter) == {"a": 25}


def test_otel_threading_instrumentation_carries_the_request(meter: Kept) -> None:
    """The request lives in the OpenTelemetry context, so its threading instrumentation carries it."""
    from opentelemetry.instrumentation.threading import ThreadingInstrumentor

    ThreadingInstrumentor().instrument()
    try:
        with am.request(user="a"), ThreadPoolExecutor(2) as pool:
            list(pool.map(use, [1] * 5))
    finally:
        ThreadingInstrumentor().uninstrument()
    assert by_user(meter) == {"a": 5}


async def test_tasks_and_to_thread(meter: Kept) -> None:
    """gather and to_thread keep every task on its own request."""

    async def one(user: str, tokens: int) -> None:
        with am.request(user=user):
            await asyncio.to_thread(use, tokens)
            await asyncio.gather(*(asyncio.to_thread(use, 1) for _ in range(3)))

    await asyncio.gather(*(one(f"u{n}", n) for n in range(1, 20)))
    assert by_user(meter) == {f"u{n}": n + 3 for n in range(1, 20)}


def test_a_nested_request_joins_and_fills_blanks(meter: Kept) -> None:
    """An inner request is a scope of the outer one; only blank owner fields are filled."""
    with am.request(user="outer"), am.request(user="inner", tenant="acme"):
        use(1)
    (only,) = meter.report().requests
    assert (only.view.owner.user, only.view.owner.tenant) == ("outer", "acme")


def test_a_new_request_inside_is_billed_by_itself(meter: Kept) -> None:
    """``new=True`` is not included in the request it was started from, and names it."""
    with am.request(user="outer") as outer, am.request(user="inner", new=True):
        use(7)
    inner = next(one for one in meter.report().requests if one.view.owner.user == "inner")
    assert by_user(meter) == {"outer": 0, "inner": 7}
    assert inner.tree.record.parent_request_id == outer.id


def test_an_activation_cannot_be_entered_twice(meter: Kept) -> None:
    """Entering one activation twice is an error that says what to do."""
    scope = am.step("once")
    with scope:
        pass
    with pytest.raises(am.ScopeError, match="open a new one"), scope:
        pass


def test_a_request_resumed_after_it_ended(meter: Kept) -> None:
    """Headers carry a request to where it is continued, also after its end."""
    with am.request(user="a") as request:
        headers = am.inject({})
        use(1)
    with am.resume(headers):
        use(10)
    assert by_user(meter) == {"a": 11}
    assert [one.request_id for one in meter.report().requests] == [request.id]


@pytest.mark.parametrize("name", ["a\nb", "ä", "order 17", "x" * 129])
def test_an_id_that_cannot_stand_in_a_header_is_not_carried(name: str) -> None:
    """A client that refuses such a header would break the application's own request."""
    from agentmeter.runtime.faults import FAULTS

    with metered() as meter:
        with am.request(user="a", id=name):
            use(1)
            assert am.inject({"accept": "*/*"}) == {"accept": "*/*"}
        assert [one.request_id for one in meter.report().requests] == [name]
        assert FAULTS.counts() == {
            "carrier not written: the request's id cannot stand in a header": 1
        }


def test_usage_that_is_said_after_a_call_is_over_is_laid_over_it(meter: Kept) -> None:
    """The tokens are on the request, and priced, in process and from what was written."""
    with am.request(user="a") as request:
        with am.call(provider="openai", model="gpt-5") as late:
            pass
        use(4)
    late.record(am.Usage(input=96, output=1))
    assert dict(request.usage) == {"input": 100, "output": 1}
    (one,) = meter.report().requests
    assert (one.evidence, one.missing) == ({"reported": 2}, ())
    assert str(request.cost) == "0.000135 USD"


def test_what_a_decorated_call_returns_is_recorded(meter: Kept) -> None:
    """A response, or a usage; what the function said itself stays, and other values say nothing."""

    @am.call(provider="openai", model="gpt-5")
    def ask(answer: Any, said: am.Usage | None = None) -> Any:
        if said is not None:
            scope = current_scope()
            assert isinstance(scope, CallScope)
            scope.record(said)
        return answer

    @am.call(provider="openai", model="gpt-5")
    async def asked(answer: Any) -> Any:
        return answer

    response = {
        "id": "r-1",
        "model": "gpt-5",
        "usage": {"prompt_tokens": 7, "completion_tokens": 2},
    }
    with am.request() as request:
        assert ask(response) is response
        assert asyncio.run(asked(am.Usage(input=5))) == am.Usage(input=5)
        assert ask(response, am.Usage(input=1)) is response
        assert ask("text") == "text"
        assert ask({"usage": {"prompt_tokens": -1}}) == {"usage": {"prompt_tokens": -1}}
    assert request.usage == am.Usage(input=13, output=2)
    leaves = [entry.call for entry in meter.records if entry.call is not None]
    assert [call.response_id for call in leaves] == ["r-1", None, None, None, None]
    assert [call.evidence["input"].extent for call in leaves[3:]] == [Extent.UNKNOWN] * 2


def test_faults_without_end_are_counted_in_one_place() -> None:
    """A fault may name a value that it was handed; memory stays bounded and no count is lost."""
    from agentmeter.runtime.faults import Faults

    faults = Faults()
    for number in range(2000):
        faults.count(f"span of x: expected a count, got {number}")
    assert sum(faults.counts().values()) == 2000
    assert len(faults.counts()) == 501


def test_an_owner_callable_that_fails_is_counted_and_the_call_goes_on() -> None:
    """A broken owner callable costs its field, never the call."""
    from agentmeter.runtime.faults import FAULTS

    with metered() as meter:

        @am.request(user=lambda nobody: nobody.id, tenant="acme")
        def ask(question: str) -> str:
            return question

        assert ask("q") == "q"
        assert by_user(meter) == {None: 0}
        assert FAULTS.counts() == {"owner field 'user': TypeError": 1}


def test_an_owner_that_cannot_be_text_costs_its_field_alone() -> None:
    """The request keeps its id, its calls and the rest of its owner."""
    from agentmeter.runtime.faults import FAULTS

    class Nameless:
        def __str__(self) -> str:
            raise ValueError

    with metered() as meter:
        with am.request(user=Nameless(), tenant="acme", tags=["x"], id=17):  # type: ignore[call-overload]
            use(3)
        (one,) = meter.report().requests
        assert (one.request_id, one.view.owner, one.usage) == (
            "17",
            am.Owner(tenant="acme"),
            am.Usage(input=3),
        )
        assert FAULTS.counts() == {
            "owner field 'tags': AttributeError": 1,
            "owner field 'user': ValueError": 1,
        }


def test_a_call_that_contains_calls_adds_only_what_exceeds_them(meter: Kept) -> None:
    """A call that reports 100 around calls of 60 adds 40."""
    with am.request(user="a"), am.call(model="gpt-5", provider="openai") as outer:
        use(60)
        outer.record(am.Usage(input=100))
    assert by_user(meter) == {"a": 100}


def test_money_is_never_a_float(meter: Kept) -> None:
    """A float is refused with the way to write it."""
    with pytest.raises(TypeError, match="not float"):
        am.charge("x", usd=0.1)  # type: ignore[arg-type]


def test_a_request_of_many_calls_folds_to_a_few_entries_with_the_same_sums(meter: Kept) -> None:
    """Whole subtrees fold; usage, cost, calls and scopes known to be missing stay the same."""
    before, STATE.max_entries = STATE.max_entries, 100
    try:
        with am.request(user="a") as request:
            for number in range(1000):
                with am.agent("worker"), am.step("turn"):
                    use(2)
                if number % 10 == 0:
                    am.charge("search", usd="0.001")
            COUNTER.settle()
            use(2)
        COUNTER.settle()
        assert request.ledger is not None
        assert len(request.ledger._entries) <= 401
        assert request.usage == am.Usage(input=2002)
        (folded,), (whole,) = request.report().requests, meter.report().requests
        assert (folded.usage, folded.amounts) == (whole.usage, whole.amounts)
        assert (folded.calls, folded.evidence) == (whole.calls, whole.evidence)
        assert folded.view.missing == whole.view.missing == ()
        assert str(request.cost) == "0.1025025 USD"
    finally:
        STATE.max_entries = before


def test_a_call_open_around_folded_calls_still_adds_only_its_excess(meter: Kept) -> None:
    """The calls inside were folded before the outer call closed: they are not counted twice."""
    before, STATE.max_entries = STATE.max_entries, 20
    try:
        with am.request(user="a") as request:
            with am.call(model="gpt-5", provider="openai") as outer:
                for _ in range(100):
                    use(2)
                COUNTER.settle()
                outer.record(am.Usage(input=250))
            assert request.usage == am.Usage(input=250)
    finally:
        STATE.max_entries = before


def test_a_call_still_open_when_its_request_closes_is_never_passed_over(meter: Kept) -> None:
    """Its model is named and its usage unknown, in process and from what was written."""
    call = am.call("slow", provider="openai", model="gpt-5")
    with am.request(user="a") as request:
        call.open(current_scope())
    for report in (request.report(), meter.report()):
        (one,) = report.requests
        assert one.evidence == {"unknown": 1}
        assert {(gap.model, gap.meter) for gap in one.missing} == {
            ("gpt-5", "input"),
            ("gpt-5", "output"),
        }
    call.record(am.Usage(input=7))
    call.close()
    for report in (request.report(), meter.report()):
        (one,) = report.requests
        assert (dict(one.usage), one.evidence) == ({"input": 7}, {"reported": 1})
        assert one.tree.children[0].record.late


def test_what_a_decorator_below_has_made_is_what_counts(meter: Kept) -> None:
    """A generator that became a context manager, and a coroutine that became a function, stay so."""

    @am.step("opened")
    @contextlib.contextmanager
    def opened() -> Iterator[int]:
        yield 5

    async def answer() -> int:
        use(2)
        return 3

    @am.request(user="a")
    @functools.wraps(answer)
    def blocking() -> int:
        return asyncio.run(answer())

    with opened() as five:
        assert five == 5
    assert blocking() == 3
    assert by_user(meter) == {"a": 2}


async def test_a_function_that_answers_with_a_coroutine_works_until_it_is_done(
    meter: Kept,
) -> None:
    """A scope around a plain function stays open for the coroutine that it hands back."""

    async def answer(fail: bool) -> int:
        use(2)
        if fail:
            raise ValueError("failed")
        return 3

    hand_over = am.request(user="a")(lambda fail: answer(fail))
    assert await hand_over(False) == 3
    with pytest.raises(ValueError, match="failed"):
        await hand_over(True)
    assert statuses(meter) == ["ok", "error"]
    assert meter.report().usage.total_tokens == 4
    assert am.current() is None


def test_arguments_that_do_not_fit_are_refused_at_the_call() -> None:
    """A decorated generator refuses them when it is made, as the bare one does."""
    with pytest.raises(TypeError):
        generator()  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        async_generator()  # type: ignore[call-arg]


def test_a_name_may_be_given_by_its_name(meter: Kept) -> None:
    """``name=`` names a scope, and a request that was entered can reject its last call."""

    @am.tool(name="search")
    def s() -> None:
        with am.call(name="ask", provider="openai", model="gpt-5") as call:
            call.record(am.Usage(input=1))

    with am.request(name="question") as request:
        s()
        assert request.reject("did not validate")
    (one,) = meter.report().requests
    (tool,) = one.tree.children
    assert (one.tree.record.name, tool.record.name, tool.children[0].record.name) == (
        "question",
        "search",
        "ask",
    )
    assert tool.children[0].node.waste == "did not validate"
