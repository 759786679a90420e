"""What agent-framework's clients are asked, and what their answers and updates say."""

from collections.abc import Mapping
from typing import Any

from agentmeter.integration import Call, ReportedCall, Usage, counted, current_scope

_OBSERVER = "agentmeter.agent-framework"
_SAID = {
    "cache_read": ("cache_read_input_token_count", "openai.cached_input_tokens"),
    "cache_write": ("cache_creation_input_token_count",),
    "reasoning": ("reasoning_output_token_count", "openai.reasoning_tokens"),
}
"""Where a count stands, in the newest releases and in the oldest."""
_BESIDE = ("anthropic", "aws.bedrock")
"""Providers whose clients count what is cached beside the input."""


def asked(client: Any, kwargs: Mapping[str, Any]) -> ReportedCall:
    """A chat client is asked."""
    return _call(client, kwargs, "chat", stream=bool(kwargs.get("stream")))


def embedded(client: Any, args: Any, kwargs: Mapping[str, Any]) -> ReportedCall:
    """An embedding client is asked."""
    return _call(client, kwargs, "embeddings")


def _call(client: Any, kwargs: Mapping[str, Any], operation: str, **more: Any) -> ReportedCall:
    named = kwargs.get("options") or {}
    model = named.get("model") or named.get("model_id") or getattr(client, "model", None)
    return ReportedCall(
        _OBSERVER,
        current_scope(),
        provider=_provider(client),
        model=model or getattr(client, "model_id", None),
        operation=operation,
        **more,
    )


def _provider(client: Any) -> str | None:
    name = getattr(client, "OTEL_PROVIDER_NAME", "unknown")
    return None if name == "unknown" else str(name)


def facts_by(client: Any) -> Any:
    """What reads the answers of a client, and the updates of its streams."""
    beside = _provider(client) in _BESIDE

    def facts(answer: Any) -> Call | None:
        found = [used for used in _used(answer) if used]
        usage = sum((_usage(used, beside) for used in found), Usage())
        model = getattr(answer, "model", None) or getattr(answer, "model_id", None)
        told = Call(
            usage=usage,
            response_model=model,
            response_id=getattr(answer, "response_id", None),
        )
        return None if told == Call() else told

    return facts


def embedding_facts(answer: Any) -> Call | None:
    """What embeddings say of their usage."""
    used = getattr(answer, "usage", None) or {}
    counts = used.get("input_token_count") or used.get("prompt_tokens")
    return Call(usage=Usage(input=counts)) if counts else None


def _used(answer: Any) -> list[Mapping[str, Any]]:
    """An answer tells of its usage by itself, an update in its contents."""
    own = getattr(answer, "usage_details", None)
    if own is not None:
        return [own]
    contents = getattr(answer, "contents", None) or ()
    return [one.usage_details for one in contents if getattr(one, "type", None) == "usage"]


def _usage(used: Mapping[str, Any], beside: bool) -> Usage:
    said = {
        name: next((used[key] for key in keys if used.get(key) is not None), None)
        for name, keys in _SAID.items()
    }
    total = used.get("input_token_count") or 0
    if beside:
        total += (said["cache_read"] or 0) + (said["cache_write"] or 0)
    return counted(total, used.get("output_token_count"), **said)
