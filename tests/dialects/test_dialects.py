"""Spans of other instrumentations, as the real libraries emitted them, amount to the bill."""

from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmeter.model import Kind, Record, Usage
from agentmeter.report.report import build
from agentmeter.semconv.dialects import DIALECTS, observed
from agentmeter.semconv.fields import SpanFields
from tests.dialects.check import records, report, wrong

SPANS = Path(__file__).parent / "spans"
RECORDED = [
    (file.stem, orjson.loads(line))
    for file in sorted(SPANS.glob("*.jsonl"))
    for line in file.read_bytes().splitlines()
]


@pytest.mark.parametrize(
    ("name", "entry"), RECORDED, ids=[f"{name}: {entry['scenario']}" for name, entry in RECORDED]
)
def test_recorded_spans_amount_to_the_bill(name: str, entry: dict[str, Any]) -> None:
    """Tokens in all and cached ones are those billed, whoever wrote the spans; never twice."""
    assert wrong(entry) is None


def scenario(name: str, title: str) -> dict[str, Any]:
    return next(entry for one, entry in RECORDED if (one, entry["scenario"]) == (name, title))


@pytest.mark.parametrize("name", ["openinference", "official", "traceloop"])
def test_the_native_span_and_an_instrumentation_are_one_call(name: str) -> None:
    """The anthropic SDK's own span and another's count once, with the finer split of the two."""
    (one,) = report(scenario(name, "messages, cached")).requests
    assert one.calls == 1
    assert dict(one.usage) == {
        "input": 100,
        "cache_read": 5000,
        "cache_write_5m": 1000,
        "cache_write_1h": 2000,
        "output": 200,
    }
    (call,) = one.tree.children
    assert len(call.node.seen_by) == 2
    assert call.node.only_observed


def test_an_agent_run_that_repeats_its_calls_is_not_counted() -> None:
    """pydantic-ai's aggregated usage equals its calls, so that nothing is left of it."""
    (one,) = report(scenario("pydantic-ai", "agent, pydantic-ai")).requests
    (agent,) = one.tree.children
    assert [child.record.kind for child in agent.children] == [Kind.CALL, Kind.TOOL, Kind.CALL]
    assert agent.usage == Usage(input=448, cache_read=2152, output=74, reasoning=16)
    assert [child.node.iteration for child in agent.children] == [1, 1, 2]


def test_an_agent_that_reports_more_than_its_calls_leaves_a_residual() -> None:
    """With one of its calls unseen, what the agent reports beyond the other hangs below it."""
    found, _ = records(scenario("pydantic-ai", "agent, pydantic-ai"))
    second = max((one for one in found if one.kind is Kind.CALL), key=lambda one: one.started_ns)
    (one,) = build([record for record in found if record is not second], {}).requests
    residual = one.tree.children[0].children[-1]
    assert residual.record.name == "residual"
    assert dict(residual.node.whole) == {"input": 248, "cache_read": 1152, "output": 30}
    assert one.usage.total_tokens == 2690
    assert one.calls == 1


VALUES = (
    st.text(max_size=8)
    | st.integers(-5, 2**60)
    | st.booleans()
    | st.floats()
    | st.lists(st.text(max_size=4), max_size=3).map(tuple)
)
NAMES = sorted(
    {
        name
        for dialect in DIALECTS
        for field in dialect.counts.__dataclass_fields__
        for name in getattr(dialect.counts, field)
    }
    | {name for dialect in DIALECTS for name in dialect.kind_names}
    | {"gen_ai.usage.raw", "agentmeter.request.id", "agentmeter.owner.user", "error.type"}
)
KINDS = [kind for dialect in DIALECTS for kind in dialect.kinds]
FIELDS = st.builds(
    SpanFields,
    name=st.text(max_size=8),
    trace_id=st.just("1" * 32),
    span_id=st.just("2" * 16),
    parent_span_id=st.none(),
    started_ns=st.integers(0, 2**60),
    ended_ns=st.integers(0, 2**60),
    attributes=st.dictionaries(st.sampled_from(NAMES), VALUES | st.sampled_from(KINDS)),
    scope=st.sampled_from(["", "openlit.x", "pydantic-ai", "logfire", "strands", "other"]),
    failed=st.booleans(),
)


@given(FIELDS)
def test_whatever_stands_on_a_span_it_becomes_a_record(fields: SpanFields) -> None:
    """Attributes of any type are read or told of; nothing is raised and nothing impossible kept."""
    record, problems = observed(fields)
    assert isinstance(record, Record)
    assert record.foreign
    assert all(isinstance(problem, str) for problem in problems)


def test_what_cannot_be_read_is_named_and_the_rest_is_kept() -> None:
    """A count that is text is told of by its attribute; the output beside it counts."""
    fields = SpanFields(
        "chat", "1" * 32, "2" * 16, None, 1, 2,
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.usage.input_tokens": "many",
            "gen_ai.usage.output_tokens": 7.0,
        },
        scope="someone",
    )  # fmt: skip
    record, problems = observed(fields)
    assert problems == ("gen_ai.usage.input_tokens: expected a whole number from 0 up, got 'many'",)
    assert record.call is not None
    assert dict(record.call.usage) == {"output": 7}


def test_parts_that_exceed_their_whole_are_told_of_with_the_arithmetic() -> None:
    """Cached tokens that exceed the input cannot be right: the whole is kept, unsplit or not."""
    fields = SpanFields(
        "chat", "1" * 32, "2" * 16, None, 1, 2,
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.usage.input_tokens": 10,
            "gen_ai.usage.cache_read.input_tokens": 20,
        },
        scope="someone",
    )  # fmt: skip
    record, problems = observed(fields)
    assert problems == ("cache_read (20) cannot exceed the input tokens (10)",)
    assert record.call is not None
    assert record.call.usage.total_input == 10
