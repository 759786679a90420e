"""Providers' usage objects → disjoint meters."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import create_model

import agentmeter as am
from agentmeter.model import METERS, Side
from agentmeter.semconv.usage import normalise, plain_mapping, stated

from .rows import ROWS, Row

AROUND = {"response", "HTTPHeaders", "amazon-bedrock-invocationMetrics", "x_groq", "timings"}
"""What a row has that is an answer or an event already."""


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.family}: {row.source}")
def test_a_usage_object_is_its_meters(row: Row) -> None:
    """Exactly these quantities, from the object alone and from an answer around it."""
    assert normalise(row.raw, provider=row.provider, api=row.api) == am.Usage(row.meters)
    around = row.raw if AROUND & row.raw.keys() else {"id": "a-1", "usage": row.raw}
    assert stated(around, provider=row.provider, api=row.api).usage == am.Usage(row.meters)


def modelled(value: Any) -> Any:
    """``value`` with every mapping of identifiers in it as a pydantic model."""
    if isinstance(value, list):
        return [modelled(one) for one in value]
    if not isinstance(value, dict) or not all(name.isidentifier() for name in value):
        return value
    fields: dict[str, Any] = dict.fromkeys(value, (Any, ...))
    return create_model("Model", **fields)(**{name: modelled(one) for name, one in value.items()})


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.family}: {row.source}")
def test_a_client_library_s_object_is_read_as_a_mapping_is(row: Row) -> None:
    """Models within models, as the clients' response objects are."""
    raw = plain_mapping(modelled(row.raw))
    assert raw is not None
    assert normalise(raw, provider=row.provider, api=row.api) == am.Usage(row.meters)


COUNTS = st.integers(0, 10**6)


def sides(usage: am.Usage) -> tuple[int, int]:
    return usage.total_input, usage.total_output


@given(COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS)
def test_parts_inside_sum_to_the_whole(
    fresh: int, cached: int, written: int, audio: int, text: int, thoughts: int, wrong: int
) -> None:
    """OpenAI's chat and Responses: both sides add up to the provider's totals."""
    given_, made = fresh + cached + written + audio, text + thoughts + wrong
    into = {"cached_tokens": cached, "cache_write_tokens": written, "audio_tokens": audio}
    out = {"reasoning_tokens": thoughts, "rejected_prediction_tokens": wrong}
    chat = {
        "prompt_tokens": given_,
        "completion_tokens": made,
        "total_tokens": given_ + made,
        "prompt_tokens_details": into,
        "completion_tokens_details": out,
    }
    responses = {
        "input_tokens": given_,
        "output_tokens": made,
        "input_tokens_details": into,
        "output_tokens_details": out,
    }
    assert sides(normalise(chat)) == sides(normalise(responses)) == (given_, made)
    assert normalise(chat) == normalise(responses)


@given(st.lists(st.tuples(COUNTS, COUNTS), min_size=4, max_size=4), COUNTS)
def test_cached_modalities_sum_to_the_whole(pairs: list[tuple[int, int]], made: int) -> None:
    """Realtime and Gemini: what is cached of each modality is in the modality and in the cache."""
    names = ("text", "audio", "image", "video")
    whole = sum(fresh + cached for fresh, cached in pairs)
    cache = {name: cached for name, (_, cached) in zip(names, pairs, strict=True)}
    every = {name: sum(pair) for name, pair in zip(names, pairs, strict=True)}
    realtime = {
        "input_tokens": whole,
        "output_tokens": made,
        "input_token_details": {
            **{f"{name}_tokens": n for name, n in every.items()},
            "cached_tokens": sum(cache.values()),
            "cached_tokens_details": {f"{name}_tokens": n for name, n in cache.items()},
        },
    }
    gemini = {
        "promptTokenCount": whole,
        "promptTokensDetails": listed(every),
        "cachedContentTokenCount": sum(cache.values()),
        "cacheTokensDetails": listed(cache),
        "candidatesTokenCount": made,
    }
    usage = normalise(realtime)
    assert sides(usage) == (whole, made)
    assert usage == normalise(gemini)
    for name, (fresh, cached) in zip(names[1:], pairs[1:], strict=True):
        assert usage.get(f"input_{name}", 0) == fresh
        assert usage.get(f"cache_read_{name}", 0) == cached


def listed(counts: dict[str, int]) -> list[dict[str, Any]]:
    return [{"modality": name.upper(), "tokenCount": n} for name, n in counts.items()]


@given(COUNTS, COUNTS, COUNTS, COUNTS, COUNTS)
def test_a_cache_beside_the_input_is_added(
    fresh: int, read: int, short: int, long: int, made: int
) -> None:
    """Anthropic and Bedrock: the input is what is new, and the cache stands beside it."""
    messages = {
        "input_tokens": fresh,
        "cache_read_input_tokens": read,
        "cache_creation_input_tokens": short + long,
        "cache_creation": {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": long},
        "output_tokens": made,
    }
    converse = {
        "inputTokens": fresh,
        "cacheReadInputTokens": read,
        "cacheWriteInputTokens": short + long,
        "cacheDetails": [{"ttl": "5m", "inputTokens": short}, {"ttl": "1h", "inputTokens": long}],
        "outputTokens": made,
        "totalTokens": fresh + read + short + long + made,
    }
    assert normalise(messages) == normalise(converse)
    assert sides(normalise(converse)) == (fresh + read + short + long, made)


@given(COUNTS, COUNTS, COUNTS, COUNTS)
def test_thoughts_beside_the_output_are_in_the_total(
    given_: int, text: int, thoughts: int, tool: int
) -> None:
    """Gemini, the interactions and xAI: the meters sum to the total that the provider states."""
    total = given_ + text + thoughts + tool
    gemini = {
        "prompt_token_count": given_,
        "candidates_token_count": text,
        "thoughts_token_count": thoughts,
        "tool_use_prompt_token_count": tool,
        "total_token_count": total,
    }
    interactions = {
        "total_input_tokens": given_,
        "total_output_tokens": text,
        "total_thought_tokens": thoughts,
        "total_tool_use_tokens": tool,
        "total_tokens": total,
    }
    xai = {
        "prompt_tokens": given_,
        "completion_tokens": text,
        "total_tokens": total - tool,
        "completion_tokens_details": {"reasoning_tokens": thoughts},
    }
    assert normalise(gemini).total_tokens == normalise(interactions).total_tokens == total
    assert normalise(xai).total_tokens == normalise(xai, provider="xai").total_tokens
    assert normalise(xai).total_tokens == total - tool


@given(COUNTS, COUNTS)
def test_counts_without_parts_are_kept(given_: int, made: int) -> None:
    """The families that tell no parts, floats included."""
    for raw in (
        {"prompt_eval_count": given_, "eval_count": made},
        {"tokens_evaluated": given_, "tokens_predicted": made},
        {"prompt_token_count": given_, "generation_token_count": made},
        {"inputTextTokenCount": given_, "results": [{"tokenCount": made}]},
        {"inputTokenCount": given_, "outputTokenCount": made},
        {"billed_units": {"input_tokens": float(given_), "output_tokens": float(made)}},
        {"x-amzn-bedrock-input-token-count": str(given_)}
        | {"x-amzn-bedrock-output-token-count": str(made), "outputTokenCount": None},
    ):
        assert sides(normalise(raw)) == (given_, made)


REFUSED = [
    (
        {"prompt_tokens": 5, "prompt_tokens_details": {"cached_tokens": 9}},
        r"prompt_tokens_details.cached_tokens \(9\) cannot exceed prompt_tokens \(5\)",
    ),
    (
        {"prompt_tokens": 0, "prompt_tokens_details": {"cached_tokens": 1}},
        r"cached_tokens \(1\) cannot exceed prompt_tokens \(0\)",
    ),
    (
        {
            "prompt_tokens": 1,
            "completion_tokens": 5,
            "completion_tokens_details": {
                "reasoning_tokens": 4,
                "rejected_prediction_tokens": 2,
            },
        },
        r"reasoning_tokens \(4\) \+ .*rejected_prediction_tokens \(2\) cannot exceed "
        r"completion_tokens \(5\)",
    ),
    (
        {
            "prompt_tokens": 5,
            "completion_tokens": 3,
            "total_tokens": 8,
            "completion_tokens_details": {"reasoning_tokens": 9},
        },
        r"reasoning_tokens \(9\) cannot exceed completion_tokens \(3\)",
    ),
    (
        {
            "input_tokens": 9,
            "cache_creation_input_tokens": 5,
            "cache_creation": {"ephemeral_5m_input_tokens": 4, "ephemeral_1h_input_tokens": 3},
        },
        r"ephemeral_5m_input_tokens \(4\) \+ cache_creation.ephemeral_1h_input_tokens \(3\) "
        r"cannot exceed cache_creation_input_tokens \(5\)",
    ),
    (
        {
            "input_tokens": 100,
            "input_token_details": {
                "audio_tokens": 3,
                "cached_tokens": 9,
                "cached_tokens_details": {"audio_tokens": 5},
            },
        },
        r"cached_tokens_details.audio_tokens \(5\) cannot exceed "
        r"input_token_details.audio_tokens \(3\)",
    ),
    (
        {"promptTokenCount": 10, "cachedContentTokenCount": 11, "totalTokenCount": 10},
        r"cachedContentTokenCount \(11\) cannot exceed promptTokenCount \(10\)",
    ),
    (
        {"inputTokens": 1, "cacheWriteInputTokens": 2}
        | {"cacheDetails": [{"ttl": "5m", "inputTokens": 3}]},
        r"cacheDetails \(3\) cannot exceed cacheWriteInputTokens \(2\)",
    ),
    ({"inputTokens": -1}, "inputTokens: a quantity cannot be negative, got -1"),
    ({"inputTokens": True}, "inputTokens: a quantity is an int, got True"),
    ({"billed_units": {"input_tokens": 7.5}}, "input_tokens: a quantity is an int, got 7.5"),
    ({"eval_count": float("nan")}, "eval_count: a quantity is an int, got nan"),
    ({"eval_count": "7"}, "eval_count: a quantity is an int, got '7'"),
    ({"x-amzn-bedrock-input-token-count": "x"}, "a quantity is an int, got 'x'"),
    ({"promptTokenCount": 3, "promptTokensDetails": 3}, "promptTokensDetails: expected a list"),
    ({"seconds": -0.5}, "seconds: a duration cannot be negative"),
    ({"seconds": float("inf")}, "seconds: a duration cannot be negative or endless"),
    ({"tokens_used": 3}, r"fields \['tokens_used'\] is of no known shape"),
    ({"usage": {"tokens_used": 3}}, r"fields \['tokens_used'\] is of no known shape"),
    ({}, "of no known shape"),
]


@pytest.mark.parametrize(("raw", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_an_impossible_usage_is_refused(raw: dict[str, Any], message: str) -> None:
    """With the arithmetic and the names of the fields."""
    with pytest.raises(am.UsageError, match=message):
        normalise(raw)


CONDITIONS = [
    ({"input_tokens": 1, "cache_read_input_tokens": 0, "service_tier": "batch"}, "batch"),
    ({"promptTokenCount": 1, "trafficType": "ON_DEMAND"}, "standard"),
    ({"promptTokenCount": 1, "trafficType": "ON_DEMAND_FLEX"}, "flex"),
    ({"prompt_token_count": 1, "traffic_type": "ON_DEMAND_PRIORITY"}, "priority"),
    ({"promptTokenCount": 1, "trafficType": "PROVISIONED_THROUGHPUT"}, "provisioned_throughput"),
    ({"promptTokenCount": 1, "serviceTier": "unspecified"}, None),
    ({"promptTokenCount": 1, "trafficType": 1}, "standard"),
    ({"prompt_tokens": 1, "service_tier": "priority"}, "priority"),
    ({"prompt_tokens": 1, "service_tier": None}, None),
]


@pytest.mark.parametrize(("raw", "tier"), CONDITIONS)
def test_the_served_tier_is_stated(raw: dict[str, Any], tier: str | None) -> None:
    """In our words, where the object itself says it."""
    assert stated(raw).service_tier == tier


def test_anthropic_states_region_and_speed() -> None:
    """``not_available`` says nothing."""
    raw = {"input_tokens": 1, "cache_read_input_tokens": 0, "speed": "fast"}
    said = stated({**raw, "inference_geo": "us"})
    assert (said.region, said.speed) == ("us", "fast")
    assert stated({**raw, "inference_geo": "not_available"}).region is None


CHARGES = [
    ({"cost": 0.00014}, "0.00014"),
    ({"cost": 0.1}, "0.1"),
    ({"cost": 1e-7}, "0.0000001"),
    ({"cost": Decimal("0.30")}, "0.30"),
    ({"cost": 0}, "0"),
    ({"cost": {"input_tokens_cost": 0.001, "total_cost": 0.00603}}, "0.00603"),
    ({"cost_in_usd_ticks": 232856000}, "0.0232856"),
]


@pytest.mark.parametrize(("charge", "dollars"), CHARGES)
def test_a_provider_s_own_charge_is_exact(charge: dict[str, Any], dollars: str) -> None:
    """As it was written, not as the float that it became."""
    assert stated({"prompt_tokens": 1, **charge}).cost == am.Money(dollars)


@pytest.mark.parametrize("charge", [{}, {"cost": None}, {"cost": True}, {"cost": {"total": 1}}])
def test_no_charge_is_not_a_charge_of_nothing(charge: dict[str, Any]) -> None:
    """Where the object states none, or nothing that can be read."""
    assert stated({"prompt_tokens": 1, **charge}).cost is None


def test_a_charge_that_is_negative_is_refused() -> None:
    """A credit is no price of a call."""
    with pytest.raises(am.UsageError, match="cost: a charge cannot be negative, got -0"):
        stated({"prompt_tokens": 1, "cost": -0.1})


def test_a_tier_beside_the_usage_of_an_answer_is_stated() -> None:
    """OpenAI's answers have it there; what the usage itself says goes over it."""
    answer = {"service_tier": "default", "usage": {"input_tokens": 1, "output_tokens": 2}}
    assert stated(answer).service_tier == "default"
    within = {"input_tokens": 1, "output_tokens": 2, "service_tier": "flex"}
    assert stated({**answer, "usage": within}).service_tier == "flex"


def test_search_context_is_stated() -> None:
    """Perplexity says how much a search put into the context."""
    raw = {"prompt_tokens": 1, "completion_tokens": 2, "search_context_size": "high"}
    assert stated(raw).search_context == "high"


def test_every_meter_is_on_a_side_and_has_a_unit() -> None:
    """Tokens are on a side; everything else is on none."""
    for meter in METERS.values():
        assert (meter.unit == "token") == (meter.side is not Side.OTHER), meter.name
