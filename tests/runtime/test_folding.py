"""Folding: what a ledger lets go of changes no sum, whoever saw the calls and however they ended."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import pytest

import agentmeter as am
from agentmeter.integration import describe_input
from agentmeter.model import Kind, Record
from agentmeter.report.report import build
from agentmeter.runtime.counting import COUNTER
from agentmeter.runtime.faults import FAULTS
from agentmeter.runtime.fold import folded
from agentmeter.runtime.state import STATE
from agentmeter.testing import Kept, metered


@pytest.fixture
def meter() -> Iterator[Kept]:
    """A meter whose ledgers fold past twenty entries, and which had no fault."""
    before, STATE.max_entries = STATE.max_entries, 20
    try:
        with metered() as kept:
            yield kept
            assert FAULTS.counts() == {}
    finally:
        STATE.max_entries = before


def use(tokens: int) -> None:
    with am.call(provider="openai", model="gpt-5") as call:
        call.record(am.Usage(input=tokens))


def test_charges_in_two_currencies_fold_side_by_side(meter: Kept) -> None:
    """Each currency keeps its own sum, as it does where nothing was folded."""
    with am.request(user="a") as request:
        for _ in range(200):
            am.charge("search", usd="0.01")
            am.charge("search", amount="0.02", currency="EUR")
        COUNTER.settle()
        assert request.ledger is not None
        assert len(request.ledger._entries) <= 80
        (one,) = request.report().requests
    assert one.amounts == {"USD": Decimal("2.00"), "EUR": Decimal("4.00")}


def test_a_call_that_two_have_seen_is_not_counted_again_once_it_could_fold(meter: Kept) -> None:
    """The other instrumentation's record stays merged with ours."""
    with am.request(user="a") as request:
        for _ in range(30):
            use(3)
    theirs = [
        replace(
            record,
            observer="other.library",
            scope_id=f"f{record.scope_id[1:]}",
            span_id=f"f{record.span_id[1:]}",
            parent_id=record.scope_id,
            parent_span_id=record.span_id,
        )
        for record in meter.records
        if record.kind is Kind.CALL
    ]
    entries = [*meter.entries, *theirs]
    kept = folded(entries, request.id, set(), meter.tariffs)
    assert build(kept, meter.tariffs).usage == build(entries, meter.tariffs).usage
    assert build(kept, meter.tariffs).usage == am.Usage(input=90)


def test_calls_that_two_have_seen_do_not_pile_up(meter: Kept) -> None:
    """Memory stays bounded where another instrumentation tells of every call as well."""
    with am.request(user="a") as request:
        assert request.ledger is not None
        for number in range(500):
            use(2)
            ours = meter.records[-1]
            span_id = f"f{number:015x}"
            theirs = replace(
                ours,
                observer="other.library",
                scope_id=span_id,
                span_id=span_id,
                parent_id=ours.scope_id,
                parent_span_id=ours.span_id,
            )
            request.ledger.add(theirs)
            COUNTER.settle()
        assert len(request.ledger._entries) <= 80
        assert request.usage == am.Usage(input=1000)
        (one,) = request.ledger.known().requests
    assert (one.calls, one.only_observed) == (500, 0)


def test_calls_that_only_others_have_seen_do_not_pile_up(meter: Kept) -> None:
    """Memory stays bounded, and what their sum rests on stays known."""
    with am.request(user="a") as request:
        assert request.ledger is not None
        for number in range(500):
            use(2)
            ours = meter.records[-1]
            tariff = meter.tariffs[ours.call.tariff or ""] if ours.call else None
            span_id = f"f{number:015x}"
            theirs = replace(
                ours, observer="other.library", scope_id=span_id, span_id=span_id,
                started_ns=ours.started_ns + 10**12, ended_ns=ours.ended_ns + 10**12,
                call=replace(ours.call, usage=am.Usage(input=3)) if ours.call else None,
                parent_id=request.scope_id, position=0,
            )  # fmt: skip
            request.ledger.add(theirs, tariff)
            COUNTER.settle()
        assert len(request.ledger._entries) <= 80
        assert request.usage == am.Usage(input=2500)
        (one,) = request.ledger.known().requests
    assert (one.calls, one.only_observed, one.is_lower_bound) == (1000, 500, True)


def test_what_is_said_of_a_folded_call_does_not_pile_up(meter: Kept) -> None:
    """Memory stays bounded where every call has an amendment of its own."""
    with am.request(user="a") as request:
        for number in range(500):
            with am.call(provider="openai", model="gpt-5") as call:
                body = {"messages": [{"role": "user", "content": f"question {number}"}]}
                describe_input(call, "openai.chat", body)
                call.record(am.Usage(input=2))
        COUNTER.settle()
        for _ in range(100):
            use(2)
        COUNTER.settle()
        assert request.ledger is not None
        assert len(request.ledger._entries) <= 80
        assert request.usage == am.Usage(input=1200)


def test_an_attribute_called_folded_is_the_applications_own(meter: Kept) -> None:
    """Only what the ledger has folded stands for several scopes."""
    with am.request(user="a") as request:
        with am.step("sheet", folded="twice"):
            use(1)
        with am.step("sheet", folded="7"):
            use(1)
    lost = [record for record in meter.records if record.position == 1 and record.kind == "step"]
    entries = [entry for entry in meter.entries if entry not in lost]
    (one,) = build(entries, meter.tariffs).requests
    assert one.view.missing == (f"request request {request.scope_id}/1",)


def test_a_fold_that_fails_costs_no_record(meter: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ledger and journal keep every entry, the fault is counted, and the next fold is tried."""
    from agentmeter.runtime import fold

    def broken(*_: object) -> list[object]:
        raise ValueError("broken")

    monkeypatch.setattr(fold, "folded", broken)
    with am.request(user="a") as request:
        for _ in range(200):
            use(1)
        COUNTER.settle()
        monkeypatch.undo()
        STATE.max_entries = 20
        assert set(FAULTS.counts()) <= {"counting: ValueError", "ledger: ValueError"}
        assert FAULTS.counts()
        FAULTS.clear()
        assert request.usage == am.Usage(input=200)
        assert sum(isinstance(entry, Record) for entry in meter.entries) == 200
        for _ in range(800):
            use(1)
        COUNTER.settle()
        assert request.ledger is not None
        assert len(request.ledger._entries) < 500
        assert request.usage == am.Usage(input=1000)
