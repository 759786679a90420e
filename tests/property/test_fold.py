"""Whoever has seen the calls of a request, folding it changes no sum and lets go of what is over."""

from dataclasses import replace
from decimal import Decimal

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from agentmeter.attribution.standing_for import is_folded
from agentmeter.model import Entry, Extent, Kind, Record
from agentmeter.model.meters import METERS
from agentmeter.pricing.tariff import PriceKey, Rate, Tariff
from agentmeter.report.report import build
from agentmeter.runtime.fold import folded
from tests.property.overlaps import Overlaps, overlaps

TARIFF = Tariff(
    PriceKey("openai", "gpt-5"),
    "USD",
    "test",
    tuple(
        Rate(meter=name, price=Decimal("0.001"), source="test")
        for name, meter in METERS.items()
        if meter.unit == "token"
    ),
)
TARIFFS = {TARIFF.digest: TARIFF}


def priced(record: Record) -> Record:
    if record.call is None or not record.call.usage:
        return record
    return replace(record, call=replace(record.call, tariff=TARIFF.digest))


def told(entries: list[Entry]) -> object:
    """All that a report sums up, by request."""
    return {
        one.request_id: (one.usage, one.calls, one.amounts, one.only_observed, one.is_lower_bound)
        for one in build(entries, TARIFFS).requests
    }


@settings(max_examples=300)
@given(overlaps(), st.data())
def test_folding_changes_no_sum(made: Overlaps, data: st.DataObject) -> None:
    """However much is settled at first, and when the rest has settled later."""
    entries: list[Entry] = [priced(record) for record in made.records]
    before = told(entries)
    ids = sorted({record.scope_id for record in made.records})
    unsettled = set(data.draw(st.lists(st.sampled_from(ids), unique=True)))
    for request_id in made.truth:
        entries = folded(entries, request_id, unsettled, TARIFFS)
    assert told(entries) == before
    for request_id in made.truth:
        entries = folded(entries, request_id, set(), TARIFFS)
    assert told(entries) == before


@given(overlaps())
def test_a_call_that_several_have_seen_is_let_go_with_all_its_records(made: Overlaps) -> None:
    """Where every call is known whole nothing stays but the roots and what stands for the rest."""
    calls = [record.call for record in made.records if record.call is not None]
    assume(all(one.extent is Extent.WHOLE for call in calls for one in call.evidence.values()))
    entries: list[Entry] = [priced(record) for record in made.records]
    for request_id in made.truth:
        entries = folded(entries, request_id, set(), TARIFFS)
    records = [entry for entry in entries if isinstance(entry, Record)]
    stay = [record for record in records if not is_folded(record)]
    assert [record.kind for record in stay] == [Kind.REQUEST] * len(made.truth)
