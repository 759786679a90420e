"""Prices: pricers answer keys with tariffs; tariffs quote; quotes price usage, exactly."""

from agentmeter.pricing.catalog import GenAIPrices
from agentmeter.pricing.cost import Cost, Gap, Line, price, unpriced
from agentmeter.pricing.pricer import Cached, Layered, Pricer
from agentmeter.pricing.ratecard import RateCard
from agentmeter.pricing.tariff import PriceKey, Quote, Rate, Tariff, Unpriced

__all__ = [
    "Cached",
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
