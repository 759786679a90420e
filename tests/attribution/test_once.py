"""Once, and never less than once: what looks like one call and is two stays two."""

from typing import Any

import pytest

from agentmeter.model import (
    REPORTED,
    Attempt,
    Call,
    Evidence,
    Extent,
    Kind,
    Owner,
    Record,
    Usage,
)
from agentmeter.report.report import build

TRACE = "t" * 32
ROOT = Record(
    "r", "root", None, Kind.REQUEST, "ask", Owner(), 0, 1000, trace_id=TRACE, span_id="root"
)


def branch(scope_id: str) -> Record:
    ids = {"trace_id": TRACE, "span_id": scope_id, "parent_span_id": "root"}
    return Record("r", scope_id, "root", Kind.BRANCH, scope_id, Owner(), 1, 500, **ids)


def call(
    scope_id: str, start: int, end: int, parent: str = "root", observer: str = "", **more: Any
) -> Record:
    usage = Usage(input=more.pop("tokens", 100))
    request_id, trace_id = more.pop("request_id", "r"), more.pop("trace_id", TRACE)
    facts = {"model": "gpt-5", "usage": usage, "evidence": dict.fromkeys(usage, REPORTED), **more}
    return Record(
        request_id,
        scope_id,
        parent,
        Kind.CALL,
        "c",
        Owner(),
        start,
        end,
        call=Call(**facts),
        trace_id=trace_id,
        span_id=scope_id,
        parent_span_id=parent,
        observer=observer,
    )


def counted(*records: Record) -> list[tuple[str, int, int]]:
    """Request, calls and tokens, what is unattributed last."""
    made = build(records, {})
    parts = [*made.requests, *([made.unattributed] if made.unattributed else [])]
    return [(one.request_id, one.calls, one.usage.total_tokens) for one in parts]


def test_equal_calls_in_two_branches_are_two_though_each_was_seen_by_another() -> None:
    """Time, model and usage agree, and the branches that they ran in do not."""
    ours, theirs = call("c", 10, 100, "b1"), call("f", 20, 90, "b2", "other")
    assert counted(ROOT, branch("b1"), branch("b2"), ours, theirs) == [("r", 2, 200)]


def test_a_span_that_lost_its_scope_is_merged_by_time() -> None:
    """One that hangs below the request may be of any scope in it."""
    ours, theirs = call("c", 10, 100, "b1"), call("f", 20, 90, "root", "other")
    assert counted(ROOT, branch("b1"), branch("b2"), ours, theirs) == [("r", 1, 100)]


def test_a_lost_attempt_stays_a_lower_bound_whoever_else_saw_the_call() -> None:
    """Another's usage is of the answer, and can have nothing of what was never answered in it."""
    tries = (Attempt(10, 20, None, "ReadTimeout"), Attempt(21, 100, 200))
    evidence = {"input": Evidence(extent=Extent.AT_LEAST)}
    ours = call("c", 10, 100, attempts=tries, evidence=evidence)
    (one,) = build((ROOT, ours, call("f", 20, 90, "root", "other")), {}).requests
    assert (one.calls, one.usage.total_tokens, one.is_lower_bound) == (1, 100, True)


def test_equal_calls_at_once_that_two_have_seen_are_two() -> None:
    """Two of each observer, without response ids, all in one another's time."""
    seen = [
        call(f"{kind}{n}", 10 + n, 100 - n, "root", kind) for kind in ("", "other") for n in (1, 2)
    ]
    assert counted(ROOT, *seen) == [("r", 2, 200)]


def test_a_response_id_that_a_server_gives_again_makes_no_two_calls_one() -> None:
    """Another time and another usage: the id alone is no proof."""
    ours = call("c", 10, 20, response_id="chatcmpl-7")
    theirs = call("f", 500, 600, "root", "other", response_id="chatcmpl-7", tokens=7)
    assert counted(ROOT, ours, theirs) == [("r", 2, 107)]


@pytest.mark.parametrize(("start", "tokens"), [(50, 900), (10**12, 100)])
def test_a_response_id_holds_where_time_or_usage_agrees(start: int, tokens: int) -> None:
    """Of one time, or of clocks that differ: one call."""
    ours = call("c", 10, 100, response_id="chatcmpl-7")
    theirs = call("f", start, start + 10, "root", "other", response_id="chatcmpl-7", tokens=tokens)
    assert [(name, calls) for name, calls, _ in counted(ROOT, ours, theirs)] == [("r", 1)]


def test_calls_of_nobody_do_not_come_to_a_request_by_a_repeated_id() -> None:
    """Only the one that is the request's own is brought home, and that once."""
    ours = call("c", 10, 100, response_id="x")
    astray = [
        call(
            f"f{n}",
            10**12 * n + 20,
            10**12 * n + 30,
            "",
            "other",
            response_id="x",
            request_id="unattributed",
            trace_id="z" * 32,
            tokens=tokens,
        )
        for n, tokens in ((0, 100), (1, 100), (2, 999))
    ]
    assert counted(ROOT, ours, *astray) == [("r", 1, 100), ("unattributed", 2, 1099)]


def test_samples_taken_side_by_side_are_no_repetition() -> None:
    """Equal questions asked at once are asked on purpose; asked again after an answer, not."""
    asked = [call(f"c{n}", 10 + n, 100 + n, input_digest="d") for n in range(3)]
    again = call("z", 200, 210, input_digest="d")
    (one,) = build([ROOT, *asked, again], {}).requests
    assert [scope.node.waste for scope in one.tree.children] == [None] * 3 + ["repeated call"]
