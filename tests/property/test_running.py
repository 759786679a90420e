"""A report that is kept up with its entries is the report over all of them."""

from hypothesis import given, settings
from hypothesis import strategies as st

from agentmeter.model import (
    REPORTED,
    UNATTRIBUTED,
    Amendment,
    Call,
    Entry,
    Kind,
    Opened,
    Owner,
    Record,
    Usage,
)
from agentmeter.pricing import Cached, Catalog
from agentmeter.pricing.keys import key_of
from agentmeter.pricing.tariff import Tariff
from agentmeter.report.report import build
from agentmeter.report.running import RunningReport

REQUESTS = st.sampled_from(["r1", "r2", "r3", UNATTRIBUTED])
TRACES = st.sampled_from(["a" * 32, "b" * 32, "c" * 32])
SPANS = st.integers(1, 12).map(lambda number: f"{number:016x}")
PRICED = Cached(Catalog()).tariff(key_of(Call(provider="openai", model="gpt-5")))
assert isinstance(PRICED, Tariff)
CALLS = st.builds(
    Call,
    provider=st.just("openai"),
    model=st.just("gpt-5"),
    response_id=st.none() | st.sampled_from(["x", "y", "z"]),
    usage=st.builds(Usage, st.fixed_dictionaries({"input": st.integers(1, 99)})),
    evidence=st.just({"input": REPORTED}),
    tariff=st.none() | st.just(PRICED.digest),
)
INSTANTS = st.integers(1, 50)


@st.composite
def records(draw: st.DrawFn) -> Record:
    """Records of ours and of others, whose ids meet as often as they can."""
    observer = draw(st.sampled_from(["", "", "other", "third"]))
    span, started = draw(SPANS), draw(INSTANTS)
    kind = draw(st.sampled_from([Kind.CALL, Kind.AGENT, Kind.LINK if observer else Kind.STEP]))
    shared = not observer and draw(st.integers(0, 9)) == 0
    return Record(
        "" if observer and draw(st.booleans()) else "shared" if shared else draw(REQUESTS),
        span,
        draw(st.none() | SPANS),
        kind,
        "s",
        Owner(),
        started,
        started + draw(INSTANTS),
        call=draw(CALLS) if kind is Kind.CALL else None,
        trace_id=draw(TRACES),
        span_id=span,
        parent_span_id=draw(st.none() | SPANS),
        observer=observer,
        shares={"r1": 1, draw(REQUESTS): 2} if shared else {},
    )


OPENED = st.builds(Opened, REQUESTS, SPANS, st.just("s"), st.just(Owner()), INSTANTS, TRACES, SPANS)
AMENDMENTS = st.builds(
    Amendment,
    SPANS,
    REQUESTS,
    SPANS,
    INSTANTS,
    usage=st.just(Usage(input=7)),
    evidence=st.just({"input": REPORTED}),
    tariff=st.none() | st.just(PRICED.digest),
)
ENTRIES = st.lists(records() | OPENED | AMENDMENTS, max_size=14)


@settings(max_examples=200, deadline=None)
@given(st.lists(ENTRIES, max_size=4), st.integers(0, 4))
def test_it_is_the_report_over_all(batches: list[list[Entry]], priced: int) -> None:
    """After every batch, whatever is shared, astray or seen by others, and priced only late."""
    running = RunningReport()
    taken: list[Entry] = []
    for number, batch in enumerate(batches):
        taken += batch
        tariffs = {PRICED.digest: PRICED} if number >= priced else {}
        running.take(batch, tariffs)
        whole = build(taken, tariffs)
        assert running.report().to_json() == whole.to_json()
        for one in whole.requests:
            assert running.request(one.request_id) == one


def test_what_is_old_is_let_go_of_in_whole_requests() -> None:
    """The requests that nothing came for the longest go first, and how many went is known."""
    running = RunningReport()
    entries = [
        Record(f"r{n}", f"{n}{k}", None, Kind.STEP, "s", Owner(), n, n + 1, trace_id=f"t{n}")
        for n in range(5)
        for k in range(3)
    ]
    running.take(entries, {})
    running.report()
    running.forget(7)
    assert [one.request_id for one in running.report().requests] == ["r3", "r4"]
    assert running.forgotten == 3
    assert running.request("r0") is None


def test_requests_of_a_sampled_pipeline_are_told_as_long_as_they_are_held() -> None:
    """One is no longer when a record comes that was shipped unsampled, or when it is forgotten."""
    running = RunningReport()
    for number, name in enumerate(("r1", "r2", "r3"), 1):
        record = Record(name, f"{number:016x}", None, Kind.REQUEST, "r", Owner(), number, number)
        running.take([record], {}, {name: True})
    assert running.report().sampled == 3
    assert running.report().is_lower_bound
    running.take([], {}, {"r3": False})
    assert running.report().sampled == 2
    running.forget(1)
    assert running.report().sampled == 0
