"""What a model's answer says in langchain's own form: what was used, and who answered."""

from collections.abc import Mapping
from typing import Any

from agentmeter.integration import Call, Usage, facts_of

_TIERS = ("flex", "priority")
_IN = {
    "cache_read": "cache_read",
    "cache_creation": "cache_write",
    "ephemeral_5m_input_tokens": "cache_write_5m",
    "ephemeral_1h_input_tokens": "cache_write_1h",
    "audio": "input_audio",
}
_OUT = {"reasoning": "reasoning", "audio": "output_audio"}
_TAKEN_FROM_THE_CACHE = "total_cost"
"""langchain's cache sets it to zero on an answer that it gives again, at no charge."""


def facts_of_result(result: Any) -> Call | None:
    """What an ``LLMResult`` says; ``None`` where langchain gave an earlier answer again."""
    message = _message(result)
    if message is None:
        return _facts_of_output(result.llm_output or {})
    used = getattr(message, "usage_metadata", None) or {}
    if used.get(_TAKEN_FROM_THE_CACHE) == 0:
        return None
    about = getattr(message, "response_metadata", None) or {}
    own_id = str(getattr(message, "id", None) or "")
    made_up = own_id.startswith(("lc_run-", "run-", "lc_"))
    reason = about.get("finish_reason") or about.get("stop_reason")
    return Call(
        usage=usage_of(used),
        response_model=_text(about.get("model_name") or about.get("model")),
        response_id=_text(about.get("id")) or (None if made_up else own_id or None),
        service_tier=_text(about.get("service_tier")) or _tier(used),
        finish_reasons=(reason,) if isinstance(reason, str) else (),
    )


def usage_of(used: Mapping[str, Any]) -> Usage:
    """``usage_metadata`` by disjoint meters.

    On a tier of its own openai's counts go by names such as ``flex_cache_read``.
    """
    return _side(used, "input", _IN) + _side(used, "output", _OUT)


def _side(used: Mapping[str, Any], side: str, meters: Mapping[str, str]) -> Usage:
    total = int(used.get(f"{side}_tokens") or 0)
    details = used.get(f"{side}_token_details")
    known: dict[str, int] = {}
    for name, count in (details or {}).items():
        meter = meters.get(_without_tier(name))
        if meter is not None and count:
            known[meter] = known.get(meter, 0) + int(count)
    rest = max(0, total - sum(known.values()))
    stated = details is not None or side == "output"
    return Usage({**known, side if stated else f"{side}_unsplit": rest})


def _without_tier(name: str) -> str:
    tier, _, rest = name.partition("_")
    return rest if tier in _TIERS else name


def _tier(used: Mapping[str, Any]) -> str | None:
    details = used.get("input_token_details") or {}
    return next((tier for tier in _TIERS if tier in details), None)


def _message(result: Any) -> Any:
    for generations in result.generations:
        for generation in generations:
            message = getattr(generation, "message", None)
            if message is not None:
                return message
    return None


def _facts_of_output(output: Mapping[str, Any]) -> Call:
    """What a model that completes texts says beside its texts."""
    used = output.get("token_usage") or output.get("usage")
    facts = facts_of(used) if used else Call()
    return Call(usage=facts.usage, response_model=_text(output.get("model_name")))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
