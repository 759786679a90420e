"""The default catalog: exact figures, conditions, history, and agreement with genai-prices."""

from datetime import UTC, datetime
from decimal import Decimal, localcontext

import pytest
from genai_prices.data import providers
from genai_prices.data_snapshot import DataSnapshot
from genai_prices.types import Usage as TheirUsage
from hypothesis import given
from hypothesis import strategies as st

from agentmeter.model import Usage
from agentmeter.model.money import plain
from agentmeter.pricing import GenAIPrices, PriceKey, Tariff, Unpriced, price

CATALOG = GenAIPrices()
THEIRS = DataSnapshot(providers=providers, from_auto_update=False)


def ns(year: int, month: int, day: int, hour: int = 0) -> int:
    """Midnight UTC of a day, or an hour of it, in nanoseconds since the epoch."""
    return int(datetime(year, month, day, hour, tzinfo=UTC).timestamp()) * 1_000_000_000


NOW = ns(2026, 11, 20)


def tariff(*key: object, **more: object) -> Tariff:
    """The tariff for a key that has one."""
    answer = CATALOG.tariff(PriceKey(*key, **more))  # type: ignore[arg-type]
    assert isinstance(answer, Tariff), answer
    return answer


def reason(*key: object, **more: object) -> str:
    """Why a key has none."""
    answer = CATALOG.tariff(PriceKey(*key, **more))  # type: ignore[arg-type]
    assert isinstance(answer, Unpriced), answer
    return answer.reason


def amount(found: Tariff, at: int = NOW, **usage: int) -> str:
    """What usage costs, with nothing left out."""
    used = Usage(usage)
    cost = price(used, found.quote(at, used.total_input))
    assert cost.gaps == ()
    return plain(cost.amount)


@pytest.mark.parametrize(
    ("provider", "model", "usage", "expected"),
    [
        ("openai", "gpt-4o-mini", {"input": 200, "cache_read": 1000, "output": 300}, "0.000285"),
        ("google", "gemini-2.5-pro", {"input": 250_000, "output": 1000}, "0.64"),
        ("google", "gemini-2.5-pro", {"input": 200_000, "output": 1000}, "0.26"),
        ("openai", "o3", {"input": 100, "output": 100, "reasoning": 900}, "0.0082"),
        (
            "anthropic",
            "claude-sonnet-4-5",
            {
                "input": 100,
                "cache_write_5m": 1000,
                "cache_write_1h": 2000,
                "cache_read": 5000,
                "output": 200,
            },
            "0.02055",
        ),
        ("openai", "gpt-5", {"web_search": 3}, "0.03"),
    ],
)
def test_a_call_costs_what_its_published_rates_say(
    provider: str, model: str, usage: dict[str, int], expected: str
) -> None:
    """Stated rates times stated counts, to the last digit."""
    assert amount(tariff(provider, model), **usage) == expected


def test_an_earlier_call_is_priced_at_the_rate_of_its_day() -> None:
    """o3 became cheaper on 2025-06-10, at midnight UTC and not a nanosecond before."""
    o3 = tariff("openai", "o3")
    assert amount(o3, ns(2025, 5, 1), input=1000) == "0.01"
    assert amount(o3, ns(2025, 6, 10) - 1, input=1000) == "0.01"
    assert amount(o3, ns(2025, 6, 10), input=1000) == "0.002"
    assert amount(o3, NOW, input=1000) == "0.002"


def test_a_daily_window_holds_from_its_start_up_to_its_end() -> None:
    """DeepSeek's peak hours: 01:00 to 04:00 and 06:00 to 10:00 UTC."""
    flash = tariff("deepseek", "deepseek-flash")
    by_hour = {hour: amount(flash, ns(2026, 11, 20, hour), input=1_000_000) for hour in range(11)}
    assert by_hour == {
        **dict.fromkeys((0, 4, 5, 10), "0.15"),
        **dict.fromkeys((1, 2, 3, 6, 7, 8, 9), "0.3"),
    }


def test_the_ambient_decimal_context_is_not_used() -> None:
    """Tariffs made and used under three digits of precision are exact all the same."""
    with localcontext(prec=3):
        found = GenAIPrices().tariff(PriceKey("anthropic", "claude-haiku-4-5"))
        assert isinstance(found, Tariff)
        usage = Usage(input=123_457, cache_write_1h=7, output=98_765)
        cost = price(usage, found.quote(NOW, usage.total_input))
        assert cost.amount == Decimal("0.617296")


def test_every_price_of_the_data_is_carried_exactly() -> None:
    """Made under three digits of precision, a price per token is still the price per million."""
    for provider in providers:
        for model in provider.models:
            per_million = getattr(model.prices, "input_mtok", None)
            found = provider.find_model(model.id)
            if found is not model or not isinstance(per_million, Decimal):
                continue
            with localcontext(prec=3):
                made = tariff(provider.id, model.id)
            assert made.quote(NOW, 0).rates["input"].price.scaleb(6) == per_million


def test_a_meter_without_a_rate_says_what_it_is_billed_as() -> None:
    """Reasoning has no rate at OpenAI, cache writes neither; a rate of its own says nothing."""
    rates = tariff("openai", "o3").quote(NOW, 0).rates
    assert rates["reasoning"].assumed == "no rate of its own; billed as output"
    assert rates["cache_write_1h"].assumed == "no rate of its own; billed as input"
    assert rates["cache_read"].assumed is None
    assert rates["output"].assumed is None
    assert "page" not in rates


def test_a_search_that_has_no_price_gets_none() -> None:
    """A tool fee is never made up from token prices."""
    rates = tariff("deepseek", "deepseek-flash").quote(NOW, 0).rates
    assert not {"web_search", "file_search", "request"} & rates.keys()


def test_a_fee_per_request_that_is_not_counted_is_a_gap() -> None:
    """Perplexity charges per request; a usage without that meter cannot be complete."""
    quote = tariff("perplexity", "sonar").quote(NOW, 3)
    incomplete = price(Usage(input=3), quote)
    assert [(gap.meter, gap.quantity) for gap in incomplete.gaps] == [("request", None)]
    assert price(Usage(input=3, request=1), quote).gaps == ()


def test_an_hourly_price_says_that_its_second_is_rounded_and_keeps_its_minimum() -> None:
    """Groq bills Whisper at 0.111 per hour and for no less than ten seconds; an hour is exact."""
    quote = tariff("groq", "whisper-large-v3").quote(NOW, 0)
    (line,) = price({"audio_second": 3}, quote).lines
    assert (line.quantity, plain(line.amount)) == (10, "0.000308333333")
    assert line.assumed == "0.111 per 3,600, rounded to 18 decimals for one"
    assert plain(price({"audio_second": 3600}, quote).amount) == "0.111"
    (exact,) = price({"audio_second": 60}, tariff("openai", "whisper-1").quote(NOW, 0)).lines
    assert (plain(exact.amount), exact.assumed) == ("0.006", None)


@pytest.mark.parametrize("tier", [None, "default", "standard", "auto", "Default"])
def test_the_names_of_the_ordinary_tier_are_one(tier: str | None) -> None:
    """All of them get the standard rows."""
    assert amount(tariff("openai", "gpt-5", tier), input=1000) == "0.00125"


def test_a_tier_has_its_own_rates_from_the_day_they_begin() -> None:
    """Flex rates are known since 2026-10-12; before that a flex call has a gap, not a price."""
    flex = tariff("openai", "gpt-5", "flex")
    assert amount(flex, input=1000, cache_read=1000, reasoning=10) == "0.0007375"
    assert flex.quote(ns(2026, 10, 12) - 1, 1000).rates == {}
    search = flex.quote(NOW, 0).rates["web_search"]
    assert search.assumed == "no rate for service tier 'flex'; the standard rate"


def test_batch_by_flag_and_by_tier_are_the_same() -> None:
    """A batch call is half the price at OpenAI."""
    assert amount(tariff("openai", "gpt-5", batch=True), input=1000) == "0.000625"
    assert amount(tariff("openai", "gpt-5", "batch"), input=1000) == "0.000625"


def test_speed_is_a_condition_of_its_own() -> None:
    """Fast mode has its own price, and is unpriced where it has none."""
    assert amount(tariff("anthropic", "claude-opus-5-5", speed="fast"), input=1000) == "0.008"
    assert reason("anthropic", "claude-haiku-4-5", speed="fast") == (
        "no price for speed 'fast' of 'claude-haiku-4-5' in genai-prices 0.2.3"
    )


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (
            ("openai", "gpt-5", "scale"),
            "no price for service tier 'scale' of 'gpt-5' in genai-prices 0.2.3",
        ),
        (
            ("azure", "gpt-5", "flex"),
            "no price for service tier 'flex' of 'gpt-5' in genai-prices 0.2.3",
        ),
        (
            ("openai", "gtp-5-mini"),
            "unknown model 'gtp-5-mini' of provider 'openai'; the nearest known is 'gpt-5-mini'",
        ),
        (("openai", "zzz"), "unknown model 'zzz' of provider 'openai'"),
        (("opnai", "gpt-5"), "unknown provider 'opnai' (model 'gpt-5')"),
        (("openai", None), "the call names no model"),
    ],
)
def test_what_has_no_price_says_why(key: tuple[str | None, ...], expected: str) -> None:
    """Unknown tiers, models and providers are never priced as something else."""
    assert reason(*key) == expected


@pytest.mark.parametrize(
    ("alias", "provider", "model"),
    [
        ("aws.bedrock", "aws", "amazon.nova-lite-v1:0"),
        ("bedrock", "aws", "amazon.nova-lite-v1:0"),
        ("gcp.vertex_ai", "google", "gemini-2.5-pro"),
        ("gcp.gen_ai", "google", "gemini-2.5-pro"),
        ("gemini", "google", "gemini-2.5-pro"),
        ("azure_openai", "azure", "gpt-5"),
        ("azure.ai.openai", "azure", "gpt-5"),
        ("mistral_ai", "mistral", "mistral-large-latest"),
        ("moonshot_ai", "moonshotai", "kimi-k2-thinking"),
        ("X_AI", "x-ai", "grok-4"),
        (None, "openai", "gpt-5"),
    ],
)
def test_a_provider_is_known_by_all_its_names(alias: str, provider: str, model: str) -> None:
    """The names of the GenAI conventions and of SDKs lead to the same rows."""
    assert tariff(alias, model).rates == tariff(provider, model).rates


def test_a_price_that_rests_on_something_says_so() -> None:
    """A reseller without prices of its own; a region whose uplift is not known."""
    azure = tariff("azure", "gpt-5").quote(NOW, 0).rates["reasoning"]
    assert azure.assumed == (
        "no rate of its own; billed as output; no price of azure's own; its maker's price"
    )
    eu = tariff("openai", "gpt-5", region="eu").quote(NOW, 0).rates["input"]
    assert eu.assumed == "region uplift not applied"


COMPARED = [
    ("openai", "gpt-5"),
    ("openai", "gpt-5-mini"),
    ("openai", "gpt-4o"),
    ("openai", "gpt-4o-mini"),
    ("openai", "gpt-4.1"),
    ("openai", "gpt-4o-audio-preview"),
    ("openai", "gpt-realtime"),
    ("openai", "gpt-image-1"),
    ("openai", "o3"),
    ("openai", "o4-mini"),
    ("openai", "gpt-5.4"),
    ("openai", "gpt-6-sol"),
    ("openai", "text-embedding-3-small"),
    ("anthropic", "claude-sonnet-4-5"),
    ("anthropic", "claude-opus-4-6"),
    ("anthropic", "claude-opus-5-5"),
    ("anthropic", "claude-haiku-4-5"),
    ("google", "gemini-2.5-pro"),
    ("google", "gemini-2.5-flash"),
    ("google", "gemini-2.0-flash"),
    ("google", "gemini-2.5-flash-image"),
    ("deepseek", "deepseek-chat"),
    ("deepseek", "deepseek-v4-flash"),
    ("x-ai", "grok-4"),
    ("mistral", "mistral-large-latest"),
    ("groq", "llama-3.3-70b-versatile"),
    ("cohere", "command-r-plus"),
    ("aws", "amazon.nova-lite-v1:0"),
    ("azure", "gpt-5"),
    ("openrouter", "deepseek/deepseek-chat-v3.1"),
    ("openrouter", "openai/gpt-oss-120b"),
]

PARTS = (
    "input",
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
    "input_audio",
    "cache_read_audio",
    "input_image",
    "output",
    "reasoning",
    "output_audio",
    "output_image",
)


def inclusive(usage: Usage) -> TheirUsage:
    """Our disjoint usage in genai-prices' shape, where a whole includes its parts."""
    n = {part: usage.get(part, 0) for part in PARTS}
    return TheirUsage(
        input_tokens=usage.total_input,
        cache_read_tokens=n["cache_read"] + n["cache_read_audio"],
        cache_audio_read_tokens=n["cache_read_audio"],
        cache_image_read_tokens=0,
        cache_write_tokens=n["cache_write_5m"] + n["cache_write_1h"],
        cache_write_1h_tokens=n["cache_write_1h"],
        input_audio_tokens=n["input_audio"] + n["cache_read_audio"],
        input_image_tokens=n["input_image"],
        output_tokens=usage.total_output,
        output_reasoning_tokens=n["reasoning"],
        output_audio_tokens=n["output_audio"],
        output_image_tokens=n["output_image"],
    )


@given(
    key=st.sampled_from(COMPARED),
    usage=st.dictionaries(st.sampled_from(PARTS), st.integers(0, 300_000)).map(Usage),
    at=st.datetimes(datetime(2023, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),
)
def test_it_agrees_with_genai_prices(key: tuple[str, str], usage: Usage, at: datetime) -> None:
    """Every model, instant and standard usage costs what genai-prices' own arithmetic says."""
    provider, model = key
    with localcontext(prec=60):
        theirs = THEIRS.calc(inclusive(usage), model, provider, None, at).total_price
    since = at - datetime(1970, 1, 1, tzinfo=UTC)
    at_ns = (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1000
    cost = price(usage, tariff(provider, model).quote(at_ns, usage.total_input))
    side_without_price = {gap.meter for gap in cost.gaps}
    assert cost.amount == theirs
    assert not side_without_price or model == "text-embedding-3-small"


@given(
    key=st.sampled_from([(p, m) for p, m in COMPARED if p in ("openai", "anthropic", "google")]),
    when=st.sampled_from(["batch", "flex", "priority"]),
    usage=st.dictionaries(st.sampled_from(PARTS), st.integers(0, 300_000)).map(Usage),
)
def test_conditions_agree_with_genai_prices(key: tuple[str, str], when: str, usage: Usage) -> None:
    """Where a condition has prices, they are genai-prices' own for the same context."""
    provider, model = key
    answer = CATALOG.tariff(PriceKey(provider, model, when))
    context = {"processing": when} if when == "batch" else {"service_tier": when}
    at = datetime(2026, 11, 20, tzinfo=UTC)
    if isinstance(answer, Unpriced):
        _, known = THEIRS.find_provider_model(model, None, provider, None)
        assert context not in [variant.when for variant in known.price_variants or ()]
        return
    with localcontext(prec=60):
        theirs = THEIRS.calc(inclusive(usage), model, provider, None, at, context).total_price
    assert price(usage, answer.quote(NOW, usage.total_input)).amount == theirs
