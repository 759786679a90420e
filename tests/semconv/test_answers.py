"""Providers' answers: usage, conditions and identity."""

from types import SimpleNamespace
from typing import Any

import pytest

import agentmeter as am
from agentmeter.integration import facts_of
from agentmeter.testing import Kept

from .test_usage import modelled

ANSWERS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (
        {
            "id": "chatcmpl-1",
            "model": "gpt-5",
            "service_tier": "flex",
            "choices": [{"finish_reason": "stop"}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 4},
        },
        {
            "usage": am.Usage(input=3, output=4),
            "response_id": "chatcmpl-1",
            "response_model": "gpt-5",
            "service_tier": "flex",
            "finish_reasons": ("stop",),
        },
    ),
    (
        {
            "responseId": "r-1",
            "modelVersion": "gemini-2.5-pro",
            "candidates": [{"finishReason": "STOP"}],
            "usageMetadata": {
                "promptTokenCount": 3,
                "candidatesTokenCount": 4,
                "thoughtsTokenCount": 5,
                "totalTokenCount": 12,
                "trafficType": "ON_DEMAND_PRIORITY",
            },
        },
        {
            "usage": am.Usage(input=3, output=4, reasoning=5),
            "response_id": "r-1",
            "response_model": "gemini-2.5-pro",
            "service_tier": "priority",
            "finish_reasons": ("STOP",),
        },
    ),
    (
        {
            "response_id": "r-2",
            "model_version": "gemini-2.5-flash",
            "candidates": [{"finish_reason": "MAX_TOKENS"}],
            "usage_metadata": {"prompt_token_count": 3, "candidates_token_count": 4},
        },
        {
            "usage": am.Usage(input=3, output=4),
            "response_id": "r-2",
            "response_model": "gemini-2.5-flash",
            "finish_reasons": ("MAX_TOKENS",),
        },
    ),
    (
        {
            "ResponseMetadata": {"RequestId": "aws-1", "HTTPHeaders": {"content-type": "x"}},
            "stopReason": "end_turn",
            "usage": {"inputTokens": 8, "outputTokens": 9, "cacheReadInputTokens": 2},
            "serviceTier": {"type": "flex"},
            "performanceConfig": {"latency": "optimized"},
        },
        {
            "usage": am.Usage(input=8, output=9, cache_read=2),
            "response_id": "aws-1",
            "service_tier": "flex",
            "speed": "optimized",
            "finish_reasons": ("end_turn",),
        },
    ),
    (
        {
            "ResponseMetadata": {
                "RequestId": "aws-2",
                "HTTPHeaders": {
                    "x-amzn-bedrock-input-token-count": "6",
                    "x-amzn-bedrock-output-token-count": "10",
                    "x-amzn-bedrock-service-tier": "priority",
                },
            },
            "contentType": "application/json",
            "body": object(),
        },
        {
            "usage": am.Usage(input=6, output=10),
            "response_id": "aws-2",
            "service_tier": "priority",
        },
    ),
    (
        {
            "id": "msg_1",
            "model": "claude-opus-4-8",
            "stop_reason": "end_turn",
            "usage": {
                "input_tokens": 3,
                "output_tokens": 4,
                "cache_read_input_tokens": 5,
                "inference_geo": "us",
                "service_tier": "priority",
                "speed": "fast",
            },
        },
        {
            "usage": am.Usage(input=3, output=4, cache_read=5),
            "response_id": "msg_1",
            "response_model": "claude-opus-4-8",
            "service_tier": "priority",
            "speed": "fast",
            "region": "us",
            "finish_reasons": ("end_turn",),
        },
    ),
    (
        {
            "generation_id": "g-1",
            "texts": ["…"],
            "images": [{"width": 400, "height": 400}],
            "meta": {"billed_units": {"images": 1}, "api_version": {"version": "2"}},
        },
        {"usage": am.Usage(image=1), "response_id": "g-1"},
    ),
    (
        {
            "id": "c-1",
            "finish_reason": "COMPLETE",
            "usage": {"billed_units": {"input_tokens": 5.0, "output_tokens": 6.0}},
        },
        {
            "usage": am.Usage(input=5, output=6),
            "response_id": "c-1",
            "finish_reasons": ("COMPLETE",),
        },
    ),
    (
        {
            "model": "llama3.2",
            "done_reason": "stop",
            "message": {"role": "assistant", "content": "…"},
            "prompt_eval_count": 26,
            "eval_count": 298,
        },
        {
            "usage": am.Usage(input=26, output=298),
            "response_model": "llama3.2",
            "finish_reasons": ("stop",),
        },
    ),
    (
        {
            "inputTextTokenCount": 5,
            "results": [{"tokenCount": 6, "completionReason": "FINISH"}],
        },
        {"usage": am.Usage(input=5, output=6), "finish_reasons": ("FINISH",)},
    ),
    (
        {
            "id": "p-1",
            "model": "sonar-pro",
            "usage": {
                "prompt_tokens": 9,
                "completion_tokens": 10,
                "search_context_size": "low",
                "cost": {"total_cost": 0.1},
            },
        },
        {
            "usage": am.Usage(input=9, output=10),
            "response_id": "p-1",
            "response_model": "sonar-pro",
            "search_context": "low",
            "charge": None,
        },
    ),
]
FIELDS = (
    "response_id",
    "response_model",
    "service_tier",
    "speed",
    "region",
    "search_context",
    "charge",
)


@pytest.mark.parametrize(("body", "facts"), ANSWERS)
def test_an_answer_says_what_was_used_and_how(body: dict[str, Any], facts: dict[str, Any]) -> None:
    """As a mapping, and as the object of a client library."""
    blank = {**dict.fromkeys(FIELDS), "finish_reasons": ()}
    for used in (body, modelled(body)):
        call = facts_of(used)
        told = {name: getattr(call, name) for name in ("usage", *blank)}
        assert told == {**blank, **facts}


@pytest.mark.parametrize(
    "body",
    [
        {"id": "r-1", "usage": None},
        {"id": "r-1", "usage": None, "metadata": {"total_tokens": "seven"}},
        {"responseId": "r-1", "usageMetadata": None},
        {"responseId": "r-1", "usageMetadata": {"trafficType": "ON_DEMAND"}},
    ],
)
def test_an_answer_with_an_empty_place_for_usage_is_unknown(body: dict[str, Any]) -> None:
    """A background job that has not run; what the application tagged it with is no usage."""
    call = facts_of(body)
    assert call.usage == am.Usage()
    assert {evidence.extent for evidence in call.evidence.values()} == {"unknown"}


def test_something_else_is_refused() -> None:
    """An object that is neither a mapping nor a model."""
    with pytest.raises(am.UsageError, match="cannot read usage from SimpleNamespace"):
        facts_of(SimpleNamespace(usage=3))


def test_the_conditions_of_an_answer_are_on_the_call(meter: Kept) -> None:
    """What the answer says wins; what it does not say stays as it was told."""
    with am.request(), am.call(provider="anthropic", model="claude-opus-4-8") as call:
        call.update(region="eu")
        call.record({"usage": {"input_tokens": 3, "cache_read_input_tokens": 0, "speed": "fast"}})
    assert (call.facts.region, call.facts.speed) == ("eu", "fast")


def test_the_call_s_provider_decides_where_shapes_are_alike(meter: Kept) -> None:
    """xAI's reasoning is beside its completion, also where no total tells."""
    used = {
        "prompt_tokens": 32,
        "completion_tokens": 9,
        "completion_tokens_details": {"reasoning_tokens": 94},
    }
    with am.request(), am.call(provider="xai", model="grok-4") as call:
        call.record(used)
    assert call.facts.usage == am.Usage(input=32, output=9, reasoning=94)
