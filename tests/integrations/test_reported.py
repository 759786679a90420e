"""Runs and reported calls: what frameworks tell, beside what clients of ours have seen."""

import threading
from typing import Any

import pytest

import agentmeter as am
from agentmeter.integration import (
    AgentScope,
    Call,
    Patches,
    ReportedCall,
    Runs,
    StepScope,
    Usage,
    counted,
    current_scope,
    reporting,
)
from agentmeter.runtime.faults import FAULTS
from agentmeter.testing import Kept

TOLD = Call(usage=Usage(input=10, output=5), response_id="r1")


def client(usage: dict[str, int] | None, response_id: str | None = None) -> None:
    with am.call(provider="openai", model="gpt-5") as call:
        if usage is not None:
            call.record(Usage(usage))
        call.update(response_id=response_id)


def leaves(request: Any) -> list[tuple[str, dict[str, int]]]:
    return [
        (node.record.observer, dict(node.usage))
        for node in request.report().requests[0].tree.children
    ]


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        ([], [("agentmeter.x", {"input": 10, "output": 5})]),
        ([({"input": 10, "output": 5}, "r1")], [("", {"input": 10, "output": 5})]),
        ([({"input": 9, "output": 5}, "r1")], [("", {"input": 9, "output": 5})]),
        ([(None, None)], [("", {"input": 10, "output": 5})]),
        (
            [({"input": 4, "output": 2}, None), ({"input": 6, "output": 3}, None)],
            [("", {"input": 4, "output": 2}), ("", {"input": 6, "output": 3})],
        ),
        (
            [({"input": 4, "output": 2}, None)],
            [("", {"input": 4, "output": 2}), ("agentmeter.x", {"input": 6, "output": 3})],
        ),
        (
            [({"input": 4, "output": 2}, "other")],
            [("", {"input": 4, "output": 2}), ("agentmeter.x", {"input": 10, "output": 5})],
        ),
    ],
    ids=["no client", "same", "client knows", "client knows not", "sum", "excess", "another"],
)
def test_a_report_adds_only_what_the_clients_calls_do_not_say(
    made: list[Any], expected: list[Any], meter: Kept
) -> None:
    """The client's call is the leaf where there is one; nothing counts twice, nothing is lost."""
    with am.request("ask") as request:
        call = ReportedCall("agentmeter.x", current_scope(), model="gpt-5")
        with call:
            for usage, response_id in made:
                client(usage, response_id)
        call.ended(TOLD)
        call.ended(TOLD)
    assert sorted(leaves(request), key=str) == sorted(expected, key=str)
    assert "unknown" not in request.report().requests[0].evidence


def test_one_framework_on_top_of_another_counts_once(meter: Kept) -> None:
    """The inner one's report is the leaf; the outer one's adds nothing to it."""
    with am.request("ask") as request:
        outer = ReportedCall("agentmeter.outer", current_scope(), model="gpt-5")
        with outer:
            inner = ReportedCall("agentmeter.inner", current_scope(), model="gpt-5")
            inner.ended(TOLD)
        outer.ended(TOLD)
    assert leaves(request) == [("agentmeter.inner", {"input": 10, "output": 5})]


def test_a_call_for_another_request_is_none_of_its_own(meter: Kept) -> None:
    """What leaks into another request's context is not taken for an answer."""
    with am.request("ask", user="a") as request:
        call = ReportedCall("agentmeter.x", current_scope(), model="gpt-5")
        with call, am.request("other", user="b", new=True):
            client({"input": 1})
        call.ended(TOLD)
    assert request.usage == Usage(input=10, output=5)


def test_a_report_that_knows_nothing_is_unknown(meter: Kept) -> None:
    """Nobody has seen what the call used: that is said, and no zero."""
    with am.request("ask") as request:
        ReportedCall("agentmeter.x", current_scope(), model="gpt-5").ended()
    assert set(request.report().requests[0].evidence) == {"unknown"}


def test_runs_close_once_and_lie_where_they_were_begun(meter: Kept) -> None:
    """Parents go by their ids, in whatever thread; a run without a scope hands its children on."""
    runs = Runs()
    with am.request("ask") as request:
        runs.begin(1, AgentScope("planner"))
        runs.pass_over(2, 1)

        def elsewhere() -> None:
            assert current_scope() is None
            runs.begin(3, StepScope("node"), 2)
            runs.end(3)

        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        assert current_scope() is not runs.at(1)
        for run_id in (2, 1, 1):
            runs.end(run_id)
    (agent,) = request.report().requests[0].tree.children
    assert (agent.record.name, [one.record.name for one in agent.children]) == ("planner", ["node"])
    assert len(meter.records) == 3
    assert len(runs) == 0


def test_a_run_inside_a_scope_of_the_applications_lies_in_that(meter: Kept) -> None:
    """The context is further in than the framework's parent: it holds."""
    runs = Runs()
    with am.request("ask"):
        runs.begin(1, AgentScope("planner"), current=True)
        with am.step("own"):
            runs.begin(2, StepScope("node"), 1)
            runs.end(2)
        runs.end(1)
        node = next(one for one in meter.records if one.name == "node")
        own = next(one for one in meter.records if one.name == "own")
    assert node.parent_id == own.scope_id


def test_runs_are_bounded_and_end_with_the_process(meter: Kept) -> None:
    """Of runs that never end the oldest is given up, which is counted; the rest at exit."""
    runs = Runs(most=2)
    for run_id in range(3):
        runs.begin(run_id, StepScope(str(run_id)))
    assert [(one.name, one.status) for one in meter.records] == [("0", "closed")]
    runs.give_up()
    assert [one.name for one in meter.records] == ["0", "1", "2"]
    assert FAULTS.counts() == {"runs that never ended": 1}
    FAULTS.clear()


def test_counts_that_are_not_split_say_so() -> None:
    """What a framework says nothing of is no zero."""
    assert counted(12, 5) == Usage(input_unsplit=12, output_unsplit=5)
    assert counted(12, 5, cache_read=0, reasoning=0) == Usage(input=12, output=5)
    assert counted(12, 5, cache_read=7, cache_write=2, reasoning=1) == Usage(
        input=3, cache_read=7, cache_write=2, output=4, reasoning=1
    )


class Model:
    """A framework's model, in every kind of function."""

    def plain(self) -> Call:
        return TOLD

    async def later(self) -> Call:
        return TOLD

    def items(self) -> Any:
        yield None
        yield TOLD

    async def items_later(self) -> Any:
        yield None
        yield TOLD


async def _all(kind: str, model: Model) -> None:
    if kind == "plain":
        model.plain()
    elif kind == "later":
        await model.later()
    elif kind == "items":
        assert list(model.items()) == [None, TOLD]
    else:
        assert [item async for item in model.items_later()] == [None, TOLD]


@pytest.mark.parametrize("kind", ["plain", "later", "items", "items_later"])
async def test_every_kind_of_method_reports(kind: str, meter: Kept) -> None:
    """The result, or the last item that says anything, is what is reported."""
    patches = Patches()
    make = reporting(
        patches, lambda *_: ReportedCall("agentmeter.x", current_scope()), lambda told: told
    )
    patches.replace_below(Model, kind, make)
    async with am.request("ask") as request:
        await _all(kind, Model())
    patches.undo()
    assert leaves(request) == [("agentmeter.x", {"input": 10, "output": 5})]
    async with am.request("again") as again:
        await _all(kind, Model())
    assert again.usage == Usage()
