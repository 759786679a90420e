"""What a provider's usage object states: quantities, and the conditions they are priced under."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from agentmeter.exceptions import UsageError
from agentmeter.model.filled import filled_at_once
from agentmeter.model.meters import METERS
from agentmeter.model.money import CONTEXT, Money
from agentmeter.model.usage import Usage
from agentmeter.semconv.usage.finding import PLACES, find, shape_of
from agentmeter.semconv.usage.mapping import plain_mapping, text_of
from agentmeter.semconv.usage.reading import usage_of
from agentmeter.semconv.usage.shape import Names


@filled_at_once
@dataclass(frozen=True, slots=True)
class Stated:
    """What a provider's usage object states.

    ``service_tier`` is the tier that served, ``speed`` Anthropic's, ``region`` where it was served,
    ``search_context`` how much a search put into the context, each where the object itself says
    it. ``cost`` is the provider's own charge (OpenRouter, Perplexity, xAI), exact; with a key of
    one's own at OpenRouter, its fee and what the provider behind it charges.
    """

    usage: Usage
    service_tier: str | None = None
    speed: str | None = None
    region: str | None = None
    search_context: str | None = None
    cost: Money | None = None


_SAID: Mapping[str, Names] = {
    "service_tier": (
        "service_tier",
        "serviceTier",
        "trafficType",
        "traffic_type",
        "x-amzn-bedrock-service-tier",
    ),
    "speed": ("speed",),
    "region": ("inference_geo",),
    "search_context": ("search_context_size",),
}
_WORDS: Mapping[str, str | None] = {
    "UNSPECIFIED": None,
    "NOT_AVAILABLE": None,
    "TRAFFIC_TYPE_UNSPECIFIED": None,
    "ON_DEMAND": "standard",
    "ON_DEMAND_PRIORITY": "priority",
    "ON_DEMAND_FLEX": "flex",
    "ON_DEMAND_OFFPEAK": "offpeak",
    "PROVISIONED_THROUGHPUT": "provisioned_throughput",
    "1": "standard",
    "2": "provisioned_throughput",
}
"""Values in capitals, or numbers of Vertex AI's protocol → our word; ``None`` says nothing."""

_CHARGES: tuple[tuple[Names, Decimal], ...] = (
    (("cost", "total_cost"), Decimal(1)),
    (("cost",), Decimal(1)),
    (("cost_in_usd_ticks",), Decimal("1e-10")),
)
"""Where a provider says what it charges, and how many dollars one of it is."""

_UPSTREAM = ("cost_details", "upstream_inference_cost")

_TELLING = frozenset({name for names in _SAID.values() for name in names}).union(
    path[0] for path, _ in _CHARGES
)


def stated(
    raw: Mapping[str, Any], *, provider: str | None = None, api: str | None = None
) -> Stated:
    """All that a provider's usage object states, or the answer around one.

    ``provider`` (by any name that it is known by) and ``api`` (``chat``, ``responses``,
    ``messages``, ``converse``, ``images`` …) decide where the shape alone leaves a choice.

    Raises ``UsageError`` for an unknown shape, a negative or fractional quantity, and a part
    that is larger than its whole; the message carries the arithmetic.
    """
    found = find(raw, provider, api) if "prompt_tokens" not in raw else None
    shape, inner = found or (shape_of(raw, provider, api), raw)
    if shape is None:
        return Stated(_by_meter(raw))
    usage = usage_of(shape, inner)
    around = _said(raw, _SAID["service_tier"]) if inner is not raw else None
    if _TELLING.isdisjoint(inner):
        return Stated(usage, around)
    said = {field: _said(inner, names) for field, names in _SAID.items()}
    said["service_tier"] = said["service_tier"] or around  # OpenAI says it beside the usage
    return Stated(usage, **said, cost=_cost(inner))


def normalise(
    raw: Mapping[str, Any], *, provider: str | None = None, api: str | None = None
) -> Usage:
    """The usage that ``stated`` finds, without what stands around it."""
    if "prompt_tokens" in raw and (shape := shape_of(raw, provider, api)) is not None:
        return usage_of(shape, raw)
    return stated(raw, provider=provider, api=api).usage


def _by_meter(raw: Mapping[str, Any]) -> Usage:
    raw = next((inner for name in PLACES if (inner := plain_mapping(raw.get(name)))), raw)
    if raw and all(name in METERS or "." in str(name) for name in raw):
        return Usage(raw)
    raise UsageError(
        f"usage with the fields {sorted(map(str, raw))} is of no known shape; "
        "pass agentmeter.Usage(input=…, output=…) instead"
    )


def _said(raw: Mapping[str, Any], names: Names) -> str | None:
    for name in names:
        value = raw.get(name)
        text = str(value) if type(value) is int else text_of(value)
        if text is not None:
            return in_our_word(text)
    return None


def in_our_word(text: str | None) -> str | None:
    """The condition that a provider's word means: ``ON_DEMAND_FLEX`` is ``flex``."""
    return None if text is None else _WORDS.get(text.upper(), text)


def _cost(raw: Mapping[str, Any]) -> Money | None:
    for path, dollars in _CHARGES:
        amount = _charge(raw, path)
        if amount is not None:
            charged = Money(CONTEXT.multiply(amount, dollars))
            return _with_upstream(charged, raw) if raw.get("is_byok") is True else charged
    return None


def _with_upstream(fee: Money, raw: Mapping[str, Any]) -> Money | None:
    """With a key of one's own ``cost`` is OpenRouter's fee alone, and often zero."""
    upstream = _charge(raw, _UPSTREAM)
    return None if upstream is None else fee + Money(upstream)


def _charge(raw: Mapping[str, Any], path: Names) -> Decimal | None:
    value: Any = raw
    for name in path:
        value = (plain_mapping(value) or {}).get(name)
    amount = _exact(value)
    if amount is not None and amount < 0:
        raise UsageError(f"{'.'.join(path)}: a charge cannot be negative, got {value}")
    return amount


def _exact(value: object) -> Decimal | None:
    """The number as it was written: a float's shortest text is what the JSON said."""
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        return None
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    return number if number.is_finite() else None
