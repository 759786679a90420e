"""Exact prices on stated rates, and what is not priced."""

from datetime import UTC, datetime
from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.property.strategies import USAGE

import agentmeter as am
from agentmeter.model import Usage
from agentmeter.pricing import (
    Cached,
    GenAIPrices,
    Layered,
    PriceKey,
    RateCard,
    Tariff,
    Unpriced,
    price,
)
from agentmeter.pricing.cost import amount
from agentmeter.testing import metered

CATALOG = Cached(GenAIPrices())


def ns(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) * 10**9


def cost(key: PriceKey, day: str = "2026-11-24", **usage: int) -> Decimal:
    tariff = CATALOG.tariff(key)
    assert isinstance(tariff, Tariff), tariff
    used = Usage(usage)
    result = price(used, tariff.quote(ns(day), used.total_input))
    assert result.gaps == ()
    return result.amount


CASES = [
    # 200 x 0.15/M + 1000 x 0.075/M + 300 x 0.60/M
    (
        "openai",
        "gpt-4o-mini",
        "2026-11-24",
        {"input": 200, "cache_read": 1000, "output": 300},
        "0.000285",
    ),
    # above 200k of input: 250,000 x 2.50/M + 1,000 x 15/M
    ("google", "gemini-2.5-pro", "2026-11-24", {"input": 250_000, "output": 1000}, "0.64"),
    # exactly 200k is not above: 200,000 x 1.25/M
    ("google", "gemini-2.5-pro", "2026-11-24", {"input": 200_000}, "0.25"),
    # reasoning at the output rate: 100 x 2/M + 1,000 x 8/M
    ("openai", "o3", "2026-11-24", {"input": 100, "output": 100, "reasoning": 900}, "0.0082"),
    # before and after the price of o3 fell on 2025-06-10
    ("openai", "o3", "2025-06-09", {"input": 1000}, "0.01"),
    ("openai", "o3", "2025-06-10", {"input": 1000}, "0.002"),
    # 100 x 3/M + 1000 x 3.75/M + 2000 x 6/M + 5000 x 0.30/M + 200 x 15/M
    (
        "anthropic",
        "claude-sonnet-4-5",
        "2026-11-24",
        {
            "input": 100,
            "cache_write_5m": 1000,
            "cache_write_1h": 2000,
            "cache_read": 5000,
            "output": 200,
        },
        "0.02055",
    ),
    # three searches at 10 per thousand
    ("anthropic", "claude-sonnet-4-5", "2026-11-24", {"web_search": 3}, "0.03"),
    ("openai", "text-embedding-3-small", "2026-11-24", {"input": 1000}, "0.00002"),
]


@pytest.mark.parametrize(("provider", "model", "day", "usage", "expected"), CASES)
def test_exact_cost(
    provider: str, model: str, day: str, usage: dict[str, int], expected: str
) -> None:
    """The arithmetic beside each case, to the last digit, in any ambient decimal context."""
    with localcontext() as context:
        context.prec = 3
        assert cost(PriceKey(provider, model), day, **usage) == Decimal(expected)


@given(USAGE, st.sampled_from(["gpt-5", "gpt-4o", "gpt-4o-audio-preview"]))
def test_the_live_amount_is_that_of_the_lines(usage: Usage, model: str) -> None:
    """The amount without lines equals theirs, and is absent exactly where there are gaps."""
    tariff = CATALOG.tariff(PriceKey("openai", model))
    assert isinstance(tariff, Tariff)
    quote = tariff.quote(ns("2026-11-24"), usage.total_input)
    whole = price(usage, quote)
    assert amount(usage, quote) == (None if whole.gaps else whole.amount)


def test_a_tier_is_priced_from_the_day_its_prices_begin() -> None:
    """Flex: 1,000 x 0.625/M from 2026-10-12; before, no rate and not the standard one."""
    flex = PriceKey("openai", "gpt-5", "flex")
    assert cost(flex, "2026-10-12", input=1000) == Decimal("0.000625")
    tariff = CATALOG.tariff(flex)
    assert isinstance(tariff, Tariff)
    before = price(Usage(input=1000), tariff.quote(ns("2026-10-11"), 1000))
    assert (before.lines, [gap.meter for gap in before.gaps]) == ((), ["input"])


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        (
            PriceKey("openai", "gpt-55o"),
            "unknown model 'gpt-55o' of provider 'openai'; the nearest",
        ),
        (PriceKey("nobody", "x"), "unknown provider 'nobody'"),
        (PriceKey("openai", "gpt-5", "weird"), "no price for service tier 'weird'"),
        (PriceKey("openai", None), "names no model"),
    ],
)
def test_what_has_no_price_says_why(key: PriceKey, reason: str) -> None:
    """An unknown model, provider or tier is unpriced with its reason, never standard or zero."""
    answer = CATALOG.tariff(key)
    assert isinstance(answer, Unpriced)
    assert reason in answer.reason


def test_a_tariff_survives_the_journal() -> None:
    """to_json and from_json are inverses, and the digest stays."""
    tariff = CATALOG.tariff(PriceKey("google", "gemini-2.5-pro"))
    assert isinstance(tariff, Tariff)
    again = Tariff.from_json(tariff.to_json())
    assert (again, again.digest) == (tariff, tariff.digest)


def test_a_broken_pricer_is_counted_and_told() -> None:
    """A pricer that raises costs the price, not the call."""

    class Broken:
        def tariff(self, key: PriceKey) -> Tariff:
            raise ZeroDivisionError

    with metered(Cached(Broken())) as meter:
        with am.request() as request, am.call(provider="openai", model="gpt-5") as call:
            call.record(am.Usage(input=1))
        (gap,) = meter.report().requests[0].missing
        assert gap.reason.startswith("pricer Broken failed: ZeroDivisionError")
        assert str(request.cost) == "0 USD"


CARD = """currency = "USD"
[[rate]]
provider = "openai"
model = "gpt-5*"
input = "1"
"""


def test_a_card_lies_over_the_catalog() -> None:
    """The card's input rate holds; the output rate it lacks is the catalog's."""
    layered = Layered(RateCard.from_text(CARD), GenAIPrices())
    tariff = layered.tariff(PriceKey("openai", "gpt-5"))
    assert isinstance(tariff, Tariff)
    quote = tariff.quote(ns("2026-11-24"), 1)
    assert quote.rates["input"].price == Decimal("0.000001")
    assert quote.rates["output"].price == Decimal("0.00001")
