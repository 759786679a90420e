"""The laws of the design, as properties."""

from decimal import Decimal, localcontext

import orjson
from hypothesis import given
from hypothesis import strategies as st

from agentmeter.model import Amendment, Entry, Evidence, Extent, Source, Usage
from agentmeter.model.money import split, total
from agentmeter.report.report import build
from agentmeter.semconv.otlp import fields_from_json, span_json
from agentmeter.semconv.reading import entry_of
from agentmeter.semconv.writing import fields_of
from tests.property.strategies import AMOUNTS, ENTRIES, USAGE, traffic


@given(ENTRIES)
def test_the_journal_is_an_exact_inverse(entry: Entry) -> None:
    """An entry written as OTLP JSON and read back is the same entry."""
    text = orjson.dumps(span_json(fields_of(entry)))
    assert entry_of(fields_from_json(orjson.loads(text))) == entry


@given(traffic(), st.randoms(), st.integers(1, 3))
def test_conservation_whatever_order_and_repetition(
    made: tuple[list[Entry], dict[str, int], Decimal], random: object, copies: int
) -> None:
    """Shuffled and repeated entries give the truth of the generator: tokens and money."""
    entries, truth, charged = made
    shuffled = entries * copies
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    report = build(shuffled, {})
    assert {one.request_id: one.usage.total_tokens for one in report.requests} == truth
    assert report.amounts.get("USD", Decimal(0)) == charged
    assert report.to_json() == build(entries, {}).to_json()


@given(traffic(), st.data())
def test_lost_records_never_lose_the_others(
    made: tuple[list[Entry], dict[str, int], Decimal], data: st.DataObject
) -> None:
    """With any scope's record missing, every other leaf is still counted, and the gap is told."""
    entries, truth, _ = made
    gone = data.draw(st.sampled_from(entries))
    lost = gone.call.usage.total_tokens if gone.call else 0  # type: ignore[union-attr]
    rest = [entry for entry in entries if entry is not gone]
    report = build(rest, {})
    assert report.usage.total_tokens == sum(truth.values()) - lost
    orphans = sum(entry.parent_id == gone.scope_id for entry in rest)  # type: ignore[union-attr]
    told = sum(one.view.missing_parents for one in report.requests)
    root_gone = gone.parent_id is None  # type: ignore[union-attr]
    assert told == orphans or root_gone


@given(traffic(), st.permutations(range(4)))
def test_amendments_commute(
    made: tuple[list[Entry], dict[str, int], Decimal], order: list[int]
) -> None:
    """Late counts of one call give the same view in whatever order they are read."""
    entries, _, _ = made
    target = entries[-1]
    evidence = [
        Evidence(Source.ESTIMATED, Extent.AT_LEAST),
        Evidence(Source.ESTIMATED),
        Evidence(Source.REPORTED),
        Evidence(Source.ESTIMATED, Extent.AT_LEAST),
    ]
    said = [
        Amendment(
            f"{n:016x}", target.request_id, target.scope_id, n, Usage(output=n + 1), {"output": one}
        )
        for n, one in enumerate(evidence)
    ]
    shuffled = [said[index] for index in order]
    report = build([*shuffled, *entries], {})
    assert report.to_json() == build([*entries, *said], {}).to_json()
    assert report.usage.get("output") == 3


@given(st.lists(AMOUNTS, max_size=20), st.randoms())
def test_money_is_exact_whatever_the_ambient_context(amounts: list, random: object) -> None:
    """The sum is the exact integer sum of billionths, in any order and any decimal context."""
    exact = sum(int(one.amount.scaleb(9)) for one in amounts)
    random.shuffle(amounts)  # type: ignore[attr-defined]
    with localcontext() as context:
        context.prec = 3
        found = total([one.amount for one in amounts])
    assert int(found.scaleb(9)) == exact


@given(
    st.integers(0, 10**12),
    st.dictionaries(st.text(max_size=3), st.integers(0, 1000), min_size=1, max_size=8),
)
def test_split_parts_sum_to_the_whole(whole: int, weights: dict[str, int]) -> None:
    """Largest remainder: exact sum, every part within one unit of its exact share."""
    base = sum(weights.values())
    if base == 0:
        return
    parts = split(whole, weights)
    assert sum(parts.values()) == whole
    assert all(abs(parts[key] * base - whole * weight) < base for key, weight in weights.items())


@given(USAGE, USAGE)
def test_usage_adds_up(one: Usage, other: Usage) -> None:
    """Totals are additive, and addition commutes."""
    assert one + other == other + one
    assert (one + other).total_tokens == one.total_tokens + other.total_tokens
