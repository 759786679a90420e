"""The tree of a request: which record is its root, and whose name it has."""

from agentmeter.model import Call, Kind, Opened, Owner, Record, Status, Usage
from agentmeter.report.report import build


def test_a_request_that_was_begun_is_the_root_of_what_was_resumed() -> None:
    """A clock that is slow elsewhere, and a carrier without a place, take nobody's name away."""
    ada = Owner(user="ada")
    opened = Opened("r", "a", "ask", ada, 100, "t", "a")
    closed = Record("r", "a", None, Kind.REQUEST, "ask", ada, 100, 200)
    resumed = Record("r", "b", None, Kind.STEP, "resumed", Owner(), 50, 60)
    used = Record("r", "c", "b", Kind.CALL, "c", Owner(), 51, 52, call=Call(usage=Usage(input=7)))
    (whole,) = build([opened, closed, resumed, used], {}).requests
    (killed,) = build([opened, resumed, used], {}).requests
    (alone,) = build([resumed, used], {}).requests
    assert whole.tree.record == closed
    assert (killed.tree.record.name, killed.tree.record.status) == ("ask", Status.NEVER_CLOSED)
    assert alone.tree.record == resumed
    assert [one.view.owner.user for one in (whole, killed, alone)] == ["ada", "ada", None]
    assert {one.usage.total_tokens for one in (whole, killed, alone)} == {7}


def test_a_name_cannot_steer_the_terminal_that_it_is_shown_on() -> None:
    """What users are called is shown on one line, escaped where it is no text to print."""
    owner = Owner(user="\x1b[2Jeve\nline")
    one = Record("r", "a", None, Kind.REQUEST, "a\tsk", owner, 1, 2)
    two = Record("s", "b", None, Kind.REQUEST, "ask", Owner(user="Zoë"), 3, 4)
    shown = str(build([one], {})) + str(build([one, two], {}))
    assert "\x1b" not in shown
    assert "\t" not in shown
    assert shown.count(r"\x1b[2Jeve\nline") == 2
    assert "Zoë" in shown


def _asked(user: str | None, scope: str, start: int) -> Record:
    owner = Owner(user, "acme")
    return Record("r", scope, None, Kind.REQUEST, "ask", owner, start, start + 1)


def test_an_id_that_was_given_out_twice_is_noticed() -> None:
    """The owner is what the first said, and the fields that others say differently are named."""
    made = build([_asked("a", "s1", 1), _asked("b", "s2", 2), _asked(None, "s3", 3)], {})
    (one,) = made.requests
    assert (one.view.owner.user, one.view.contested) == ("a", ("user",))
    assert made.to_json()["requests"][0]["contested"] == ["user"]
    assert "its records name different owners (user)" in str(made)
    (agreed,) = build([_asked("a", "s1", 1), _asked(None, "s2", 2)], {}).requests
    assert agreed.view.contested == ()


def test_shared_work_stays_with_those_that_share_it() -> None:
    """A part that is nobody's goes to no request that another observer saw the response in."""
    call = Call(usage=Usage(input=9), response_id="x")
    shared = Record(
        "shared",
        "a",
        None,
        Kind.CALL,
        "c",
        Owner(),
        1,
        2,
        call=call,
        trace_id="t",
        span_id="a",
        shares={"r1": 1, "unattributed": 2},
    )
    seen = Record(
        "r2",
        "b",
        None,
        Kind.CALL,
        "c",
        Owner(),
        1,
        2,
        call=call,
        trace_id="t",
        span_id="b",
        observer="other",
    )
    made = build([shared, seen], {})
    assert made.unattributed is not None
    assert made.unattributed.usage.total_tokens == 6
    assert {one.request_id: one.usage.total_tokens for one in made.requests}["r1"] == 3
