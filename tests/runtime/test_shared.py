"""Shared work falls to each request by its weight, exactly."""

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import agentmeter as am
from agentmeter.exceptions import ScopeError
from agentmeter.runtime.context import current_scope
from agentmeter.runtime.counting import COUNTER
from agentmeter.runtime.state import STATE
from agentmeter.store.journal import Journal
from agentmeter.testing import Kept, metered


def embed(tokens: int) -> None:
    with am.call(provider="openai", model="text-embedding-3-small", operation="embeddings") as call:
        call.record(am.Usage(input=tokens))


def test_a_batch_is_split_by_weight_live_and_in_the_report(meter: Kept) -> None:
    """1,000 tokens and a charge for two requests, one to two: whole tokens, exact money."""
    with (
        am.request(user="a") as one,
        am.request(user="b", new=True) as other,
        am.shared({one: 1, other: 2}),
    ):
        embed(1000)
        am.charge("rerank", usd="0.01")
    report = meter.report()
    by_user = {each.view.owner.user: each for each in report.requests}
    assert dict(by_user["a"].usage) == {"input": 333} == dict(one.usage)
    assert dict(by_user["b"].usage) == {"input": 667} == dict(other.usage)
    assert dict(report.usage) == {"input": 1000}
    assert report.amounts == {"USD": Decimal("0.01002")}
    assert one.cost.amount + other.cost.amount == Decimal("0.01002")
    assert str(one.cost) == "0.00334 USD"
    assert report.unattributed is None


@given(st.dictionaries(st.sampled_from("abcdefg"), st.integers(1, 50), min_size=1), st.data())
def test_the_parts_sum_to_the_whole_whatever_the_weights(
    weights: dict[str, int], data: st.DataObject
) -> None:
    """Tokens and money of all sharing requests equal what was used, to the last decimal."""
    used = data.draw(st.lists(st.integers(0, 10_000), max_size=4))
    with metered() as meter:
        with am.shared(weights):
            for tokens in used:
                embed(tokens)
            am.charge("x", usd="0.000000000001")
        report = meter.report()
    assert report.usage.total_tokens == sum(used)
    assert report.amounts["USD"] == sum(used) * Decimal("0.00000002") + Decimal("0.000000000001")
    assert {one.request_id for one in report.requests} == set(weights)


def test_equal_parts_by_default_and_ids_of_requests_elsewhere(meter: Kept) -> None:
    """Requests without weights share equally; an id names one that runs elsewhere."""
    with am.request(user="a") as one, am.shared([one, "f" * 32], "warm-up"):
        embed(10)
    report = meter.report()
    assert {each.request_id: each.usage.total_tokens for each in report.requests} == {
        one.id: 5,
        "f" * 32: 5,
    }


def test_the_span_links_to_each_request() -> None:
    """The shared scope's span points to the spans of the requests that it serves."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    before = trace._TRACER_PROVIDER
    trace._TRACER_PROVIDER = provider
    try:
        with (
            metered(spans=True, fixed=False),
            am.request(user="a") as one,
            am.request(user="b", new=True) as other,
            am.shared([one, other]),
        ):
            pass
    finally:
        trace._TRACER_PROVIDER = before
    (span,) = [span for span in exporter.get_finished_spans() if span.name == "shared"]
    linked = {trace.format_span_id(link.context.span_id) for link in span.links}
    assert linked == {one.span_id, other.span_id}


@pytest.mark.parametrize("weights", [{}, {"a": 0}, {"a": -1}, {"a": 0.5}, {"a": True}])
def test_weights_are_whole_numbers_above_zero(weights: dict[str, int]) -> None:
    """What cannot be split is refused at once, with what to do."""
    with pytest.raises(ScopeError, match=r"whole number above zero|at least one request"):
        am.shared(weights)


def test_shared_work_that_is_shared_again_is_for_those_that_share_it(meter: Kept) -> None:
    """Half of it falls to the first alone, and the other half to both by their weights."""
    with (
        am.request(user="a") as one,
        am.request(user="b", new=True) as other,
        am.shared({one: 1, other: 2}),
    ):
        here = am.current()
        assert here is not None
        with am.shared([here, one]):
            embed(600)
    by_user = {each.view.owner.user: dict(each.usage) for each in meter.report().requests}
    assert by_user == {"a": {"input": 400}, "b": {"input": 200}}
    assert dict(one.usage) == {"input": 400}


def test_a_request_inside_shared_work_gives_nobody_its_owner(meter: Kept) -> None:
    """Those that share keep their own names, and their blanks."""
    with (
        am.request(user="a") as one,
        am.request(user="b", new=True) as other,
        am.shared([one, other]),
        am.request(user="c", tenant="elsewhere"),
    ):
        embed(10)
    owners = {each.view.owner.user: each.view.owner.tenant for each in meter.report().requests}
    assert owners == {"a": None, "b": None}


def test_a_shared_call_that_is_still_open_is_unknown_to_each(meter: Kept) -> None:
    """Neither request passes it over when it closes."""
    with (
        am.request(user="a") as one,
        am.request(user="b", new=True) as other,
        am.shared([one, other]),
    ):
        embed(10)
        am.call("slow", provider="openai", model="gpt-5").open(current_scope())
    for report in (meter.report(), one.report(), other.report()):
        assert {str(each.evidence) for each in report.requests} == {"{'reported': 1, 'unknown': 1}"}


def test_a_folded_request_reads_its_shared_work_back(tmp_path: Path) -> None:
    """The report of a request that folded has its part of what was shared, from the journal."""
    with metered() as meter:
        before, STATE.max_entries = STATE.max_entries, 20
        STATE.sink = STATE.reader = journal = Journal(tmp_path, lambda *_: None)
        try:
            with am.request(user="a") as one, am.request(user="b", new=True) as other:
                with am.shared([one, other]):
                    embed(10)
                for _ in range(200):
                    embed(1)
                COUNTER.settle()
                (report,) = other.report().requests
        finally:
            STATE.max_entries = before
            journal.close()
            STATE.sink = meter
    assert report.calls == 201
    assert dict(report.usage) == {"input": 205}
