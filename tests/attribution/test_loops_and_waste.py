"""Iterations of loops, and the reasons of waste, from scopes alone."""

import threading

import pytest

import agentmeter as am
from agentmeter.exceptions import ConfigurationError
from agentmeter.model import Kind
from agentmeter.report.breakdown import breakdown
from agentmeter.report.document import document
from agentmeter.report.report import walk
from agentmeter.report.text import rows_text
from agentmeter.testing import Kept


def ask(tokens: int = 10, model: str = "gpt-5") -> None:
    with am.call(provider="openai", model=model) as call:
        call.record(am.Usage(input=tokens))


def test_the_turns_of_an_agent_are_counted_from_its_calls(meter: Kept) -> None:
    """Two calls with tools between them are two turns; a sub-agent counts its own."""
    with am.request(user="u"), am.agent("planner"):
        ask()
        with am.tool("search"):
            ask()
        with am.step("think"):
            ask()
        with am.agent("helper"):
            ask()
    rows = {row.key: row.usage.total_tokens for row in breakdown(meter.report(), "iteration")}
    assert rows == {"planner #1": 10, "planner #2": 10, "search #1": 10, "helper #1": 10}


def test_calls_side_by_side_are_of_one_turn(meter: Kept) -> None:
    """Two calls of an agent that overlap in time belong to the same turn."""
    first, second = am.call("one"), am.call("two")
    with am.request(user="u"), am.agent("planner") as agent:
        first.open(agent)
        second.open(agent)
        first.close()
        second.close()
        ask()
    (one,) = meter.report().requests
    turns = {s.record.name: s.node.iteration for s in walk(one.tree) if s.record.kind is Kind.CALL}
    assert turns == {"one": 1, "two": 1, "gpt-5": 2}


def test_a_step_is_of_the_turn_of_the_call_inside_it(meter: Kept) -> None:
    """Though it begins before that call; one without a call is of the turn begun last."""
    with am.request("ask") as request, am.agent("planner"):
        for name in ("first", "second"):
            with am.step(name):
                ask()
            with am.step(f"after {name}"):
                pass
    (one,) = request.report().requests
    turns = {s.record.name: s.node.iteration for s in walk(one.tree) if s.record.kind is Kind.STEP}
    assert turns == {"first": 1, "after first": 1, "second": 2, "after second": 2}


def test_waste_has_its_reason_and_is_part_of_the_total(meter: Kept) -> None:
    """Discarded, failed and cancelled branches, and rejected output, each under its own name."""
    with am.request(user="u") as request:
        with am.branch("thrown") as branch:
            ask(1)
        branch.discard("worse answer")
        with pytest.raises(KeyError), am.branch("raised"):
            ask(2)
            raise KeyError
        with pytest.raises(KeyError), am.branch("kept") as kept:
            ask(4)
            raise KeyError
        kept.keep()
        ask(8)
        handle = am.current()
        assert handle is not None
        assert handle.reject("did not validate")
        ask(16)
    for report in (request.report(), meter.report()):
        (one,) = report.requests
        waste = {
            reason: int(sum(amounts.values()) / (one.amounts["USD"] / 31))
            for reason, amounts in one.waste_by.items()
        }
        assert waste == {"worse answer": 1, "failed branch": 2, "did not validate": 8}
        assert sum(one.waste.values()) < sum(one.amounts.values())
        assert one.usage.total_tokens == 31


def test_identical_calls_are_repetitions_after_the_first(meter: Kept) -> None:
    """Of three calls that asked the same, two bought nothing new; a failed first one does not count."""
    with am.request(user="u"):
        for failed in (True, False, False, False):
            call = am.call(provider="openai", model="gpt-5")
            with call:
                call.record(am.Usage(input=10))
                call.update(input_digest="a" * 16)
            if failed:
                handle = am.current()
                assert handle is not None
                handle.reject()
    (one,) = meter.report().requests
    reasons = [scope.node.waste for scope in walk(one.tree) if scope.record.kind is Kind.CALL]
    assert reasons == ["rejected output", None, "repeated call", "repeated call"]


def test_a_breakdown_sums_to_the_total(meter: Kept) -> None:
    """Every leaf stands in one row, whatever it is broken down by."""

    def work() -> None:
        with am.agent("worker"), am.branch("a"):
            ask(5, "gpt-5-mini")

    with am.request(user="u", tenant="t", tags={"team": "x"}), am.agent("planner"):
        ask()
        am.charge("search", usd="0.005")
        thread = threading.Thread(target=am.carried(work))
        thread.start()
        thread.join()
    ask(3)
    report = meter.report()
    for by in ("agent", "tool", "branch", "model", "iteration", "user", "tag:team", "provider"):
        rows = breakdown(report, by)
        assert sum(row.amounts.get("USD", 0) for row in rows) == report.amounts["USD"], by
        assert sum(row.calls for row in rows) == 4
    assert [row.key for row in breakdown(report, "user")] == ["u", "-"]
    with pytest.raises(ConfigurationError, match="cannot break down by 'mood'"):
        breakdown(report, "mood")


def test_a_lost_record_is_named_by_its_place(meter: Kept) -> None:
    """Of three calls of an agent the second's record is lost: the agent's second child is named."""
    with am.request(user="u"), am.agent("planner") as agent:
        ask(1)
        ask(2)
        ask(4)
    lost = meter.records[1]
    meter.entries.remove(lost)
    (one,) = meter.report().requests
    assert one.view.missing == (f"agent planner {agent.scope_id}/2",)
    assert one.usage.total_tokens == 5
    assert one.is_lower_bound


def test_a_total_and_a_breakdown_say_that_they_leave_something_out(meter: Kept) -> None:
    """A model without a price is no model of no cost."""
    with am.request("r"):
        for model in ("m", "nobody-knows-this"):
            with am.call(provider="test", model=model) as call:
                call.record(am.Usage(input=1))
    report = meter.report()
    told = {row.key: row.is_lower_bound for row in breakdown(report, "model")}
    assert told["nobody-knows-this"]
    assert report.is_lower_bound
    listing = rows_text("model", breakdown(report, "model")).splitlines()
    unknown = next(line for line in listing if line.startswith("nobody"))
    assert "≥ $0.000000" in unknown
    assert document(report)["total"]["lower_bound"]
