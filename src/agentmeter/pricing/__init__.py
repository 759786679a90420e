"""Prices: pricers answer keys with tariffs; tariffs quote; quotes price usage, exactly.

The catalog and the rate card load when they are first asked for: importing agentmeter is quick.
"""

from typing import TYPE_CHECKING, Any

from agentmeter.pricing.cost import Cost, Gap, Line, price, unpriced
from agentmeter.pricing.pricer import Cached, Layered, Pricer
from agentmeter.pricing.tariff import PriceKey, Quote, Rate, Tariff, Unpriced

if TYPE_CHECKING:
    from agentmeter.pricing.catalog import GenAIPrices
    from agentmeter.pricing.ratecard import RateCard
    from agentmeter.pricing.supplemented import Catalog

__all__ = [
    "Cached",
    "Catalog",
    "Cost",
    "Gap",
    "GenAIPrices",
    "Layered",
    "Line",
    "PriceKey",
    "Pricer",
    "Quote",
    "Rate",
    "RateCard",
    "Tariff",
    "Unpriced",
    "price",
    "unpriced",
]

_LATER = {"GenAIPrices": "catalog", "RateCard": "ratecard", "Catalog": "supplemented"}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
