"""``am.price`` and the laws of what it answers: linear, monotone, and of no context."""

import decimal
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

import agentmeter as am
from agentmeter.model.money import plain
from agentmeter.pricing import Cached, Catalog, Cost
from agentmeter.report.priced import Served, instant_ns, priced
from agentmeter.semconv.usage import stated

CATALOG = Cached(Catalog())
NOON = "2026-11-20T12:00:00Z"
MODELS = (
    ("openai", "gpt-5"),
    ("openai", "gpt-4o"),
    ("anthropic", "claude-opus-5-5"),
    ("google", "gemini-2.5-flash"),
    ("aws", "eu.anthropic.claude-haiku-4-5-20251001-v1:0"),
    ("azure", "gpt-5"),
    ("mistral", "mistral-small-latest"),
    ("deepseek", "deepseek-flash"),
)
STEPPED = (
    ("openai", "gpt-5.4"),
    ("google", "gemini-2.5-pro"),
    ("anthropic", "claude-haiku-5-5"),
    ("xai", "grok-4.3"),
    ("aws", "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"),
)
CONDITIONS = st.fixed_dictionaries(
    {},
    optional={
        "batch": st.booleans(),
        "service_tier": st.sampled_from(["flex", "priority", "standard"]),
        "region": st.sampled_from(["eu", "us", "us-east5"]),
        "deployment": st.sampled_from(["eu-datazone", "global"]),
    },
)
METERS = ("input", "cache_read", "cache_write", "output", "reasoning")
USAGE = st.dictionaries(st.sampled_from(METERS), st.integers(0, 10**9), min_size=1)


def cost(model: tuple[str, str], usage: dict[str, int], **conditions: object) -> Cost:
    """What usage by meter costs at noon."""
    served = Served(
        usage=usage,
        at_ns=instant_ns(NOON),
        provider=model[0],
        model=model[1],
        **conditions,  # type: ignore[arg-type]
    )
    return priced(served, CATALOG)


def test_the_public_function_prices_any_providers_usage() -> None:
    """A mapping or a Usage, an instant as text or as a datetime."""
    chat = {"prompt_tokens": 1200, "completion_tokens": 300}
    by_text = am.price(chat, provider="openai", model="gpt-5", at=NOON, tools={"file_search": 2})
    assert plain(by_text.amount) == "0.0095"
    at = datetime(2026, 11, 20, 22, 0, tzinfo=timezone(timedelta(hours=10)))
    by_meter = am.Usage(input=1200, output=300, file_search=2)
    assert am.price(by_meter, provider="openai", model="gpt-5", at=at) == by_text
    with pytest.raises(am.UsageError, match="cached_tokens"):
        am.price(
            {"prompt_tokens": 1, "prompt_tokens_details": {"cached_tokens": 2}},
            provider="openai",
            model="gpt-5",
        )


@given(st.sampled_from(MODELS), USAGE, CONDITIONS, st.integers(1, 1000))
def test_a_price_without_steps_is_linear(
    model: tuple[str, str], usage: dict[str, int], conditions: dict[str, object], times: int
) -> None:
    """So many times the usage costs so many times as much, to the last digit."""
    once = cost(model, usage, **conditions)
    often = cost(model, {name: count * times for name, count in usage.items()}, **conditions)
    assert often.amount == once.amount * times
    assert {gap.meter for gap in often.gaps} == {gap.meter for gap in once.gaps}


@given(st.sampled_from([*MODELS, *STEPPED]), USAGE, st.sampled_from(METERS), st.integers(1, 10**6))
def test_more_of_a_meter_never_costs_less(
    model: tuple[str, str], usage: dict[str, int], meter: str, more: int
) -> None:
    """A step makes it dearer at once; nothing makes it cheaper."""
    larger = {**usage, meter: usage.get(meter, 0) + more}
    assert cost(model, larger).amount >= cost(model, usage).amount


@given(st.sampled_from(STEPPED), st.integers(0, 400_000))
def test_a_step_is_where_the_price_list_has_it(model: tuple[str, str], total: int) -> None:
    """One more token of input is one token's price, except at the documented step."""
    steps = {"gpt-5.4": 272_000, "gemini-2.5-pro": 200_000}
    steps |= {"claude-haiku-5-5": 100_000, "grok-4.3": 199_999}
    steps["eu.anthropic.claude-sonnet-4-5-20250929-v1:0"] = 200_000
    one_more = cost(model, {"input": total + 1}).amount - cost(model, {"input": total}).amount
    unit = cost(model, {"input": 1}).amount
    doubled = cost(model, {"input": 1_000_000}).amount / 1_000_000
    if total == steps[model[1]]:
        assert one_more > doubled
    else:
        assert one_more == (unit if total < steps[model[1]] else doubled)


@given(st.sampled_from([*MODELS, *STEPPED]), USAGE, CONDITIONS, st.randoms(use_true_random=False))
def test_the_order_of_the_meters_and_the_decimal_context_change_nothing(
    model: tuple[str, str], usage: dict[str, int], conditions: dict[str, object], random: object
) -> None:
    """Two digits of precision around it, every trap set, another catalog: the same cost."""
    names = list(usage)
    random.shuffle(names)  # type: ignore[attr-defined]
    before = cost(model, usage, **conditions)
    with localcontext(prec=2, traps=[decimal.FloatOperation, decimal.Subnormal]):
        after = cost(model, {name: usage[name] for name in names}, **conditions)
        assert (after.lines, after.gaps) == (before.lines, before.gaps)
        total = plain(after.amount)
    assert total == plain(before.amount)


def test_a_catalog_read_under_another_context_is_the_same() -> None:
    """Rates made under two digits of precision are exact all the same."""
    with localcontext(prec=2):
        served = Served(
            usage={"input": 123_457, "output": 98_765},
            at_ns=instant_ns(NOON),
            provider="openai",
            model="gpt-5.4",
            region="eu",
        )
        amount = priced(served, Catalog()).amount
    assert amount == (123_457 * Decimal("2.5") + 98_765 * Decimal("15")) * Decimal("1.1") / 10**6


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-11-20", 1_795_132_800),
        ("2026-11-20T00:00:00", 1_795_132_800),
        ("2026-11-20T02:00:00+02:00", 1_795_132_800),
        (1_795_132_800, 1_795_132_800),
        (datetime(2026, 11, 20, tzinfo=UTC), 1_795_132_800),
    ],
)
def test_an_instant_is_utc_where_it_names_no_zone(at: object, expected: int) -> None:
    """Text, seconds or a datetime."""
    assert instant_ns(at) == expected * 1_000_000_000


def test_what_is_read_does_not_depend_on_the_decimal_context() -> None:
    """An instant with a fraction, a count and a duration that are decimals, under two digits."""
    usage = {"prompt_tokens": Decimal("123457.0"), "prompt_audio_seconds": 0}
    with localcontext(prec=2):
        assert instant_ns(Decimal("1795132800.25")) == 1_795_132_800_250_000_000
        assert stated(usage).usage == {"input": 123_457}
        assert stated({"seconds": Decimal("12345.5")}).usage == {"audio_second": 12_346}


@pytest.mark.parametrize(
    ("word", "tier"),
    [
        ("ON_DEMAND", None),
        ("ON_DEMAND_FLEX", "flex"),
        ("ON_DEMAND_PRIORITY", "priority"),
        ("standard_only", None),
        ("PRIORITY", "priority"),
    ],
)
def test_a_tier_may_be_stated_beside_the_usage_in_the_providers_word(
    word: str, tier: str | None
) -> None:
    """As it may within."""
    usage = {"promptTokenCount": 1000, "candidatesTokenCount": 100, "totalTokenCount": 1100}
    at_word, at_tier = (
        priced(
            Served(
                usage=usage,
                at_ns=instant_ns(NOON),
                provider="google",
                model="gemini-2.5-pro",
                service_tier=one,
            ),
            CATALOG,
        )
        for one in (word, tier)
    )
    assert at_word == at_tier
    assert at_word.lines
