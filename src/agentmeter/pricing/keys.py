"""What a pricer is asked for a call."""

from functools import lru_cache

from agentmeter.model import Call
from agentmeter.pricing.tariff import PriceKey

TOOLS = PriceKey(None, None)
"""What a pricer is asked for the application's tools: they belong to no provider and model."""


def key_of(call: Call) -> PriceKey:
    """What the pricer is asked for a call: the model that answered, at the tier that served.

    What the application charges by quantity belongs to no model: the rate card's tools.
    """
    if call.is_charge:
        return TOOLS
    tier = call.service_tier
    return _key(
        call.provider,
        call.response_model or call.model,
        None if tier in ("default", "standard", "auto") else tier,
        call.batch,
        call.speed,
        call.region,
        call.deployment,
        call.search_context,
    )


_key = lru_cache(4096)(PriceKey)  # few keys make up most calls
