"""What a pricer is asked for a call."""

from functools import lru_cache
from operator import attrgetter
from typing import Any

from agentmeter.model import Call
from agentmeter.pricing.tariff import PriceKey

TOOLS = PriceKey(None, None)
"""What a pricer is asked for the application's tools: they belong to no provider and model."""


def key_of(call: Call) -> PriceKey:
    """What the pricer is asked for a call: the model that answered, at the tier that served.

    What the application charges by quantity belongs to no model: the rate card's tools.
    """
    return TOOLS if call.is_charge else _key(*_ASKED(call))


_ASKED = attrgetter(
    *("provider", "priced_model", "service_tier", "batch", "speed"),
    *("region", "deployment", "search_context"),
)


@lru_cache(4096)  # few keys make up most calls
def _key(provider: str | None, model: str | None, tier: str | None, *more: Any) -> PriceKey:
    return PriceKey(provider, model, None if tier in _ORDINARY else tier, *more)


_ORDINARY = ("default", "standard", "auto")
