"""Whatever instrumentations overlap, every call counts once."""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from agentmeter.attribution.view import view
from agentmeter.report.report import build
from tests.property.overlaps import Overlaps, overlaps


@settings(max_examples=200)
@given(overlaps(), st.randoms(use_true_random=False), st.integers(1, 2))
def test_overlapping_observers_count_once(made: Overlaps, random: Random, copies: int) -> None:
    """Tokens by request equal the truth, in any order and repetition of the records."""
    shuffled = made.records * copies
    random.shuffle(shuffled)
    report = build(shuffled, {})
    assert {one.request_id: one.usage.total_tokens for one in report.requests} == made.truth
    assert {one.request_id: one.calls for one in report.requests} == made.calls
    assert report.to_json() == build(made.records, {}).to_json()


@given(overlaps(), st.randoms(use_true_random=False))
def test_a_view_is_a_tree_of_every_kept_record(made: Overlaps, random: Random) -> None:
    """However parents are broken, every request is one tree and nothing hangs in a cycle."""
    broken = list(made.records)
    for index in random.sample(range(len(broken)), k=min(3, len(broken))):
        other = random.choice(broken)
        object.__setattr__(broken[index], "parent_id", other.scope_id)
        object.__setattr__(broken[index], "parent_span_id", other.span_id)
    assert view(broken)
