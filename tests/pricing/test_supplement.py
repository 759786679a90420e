"""The supplement: how it is laid over the catalog, what its entries must say, what it refuses."""

import tomllib
from datetime import UTC, datetime
from importlib.resources import files

import pytest

from agentmeter.exceptions import RateCardError
from agentmeter.model.money import plain
from agentmeter.pricing import (
    Catalog,
    GenAIPrices,
    Layered,
    PriceKey,
    RateCard,
    Tariff,
    Unpriced,
    price,
)
from agentmeter.pricing.providers import canonical
from agentmeter.pricing.rows import UNMATCHED
from agentmeter.pricing.supplement import read_supplement

TEXT = files("agentmeter.pricing").joinpath("supplement.toml").read_text("utf-8")
HEAD = 'version = "test"\n'


MODEL_PAGE = "a text such as 'model page of 2026-11' is needed"


def ns(day: str) -> int:
    """Midnight UTC in nanoseconds since the epoch."""
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) * 10**9


NOW = ns("2026-11-20")


def catalog(text: str) -> Catalog:
    """genai-prices under a supplement."""
    return Catalog(GenAIPrices(), read_supplement(HEAD + text, "supplement.toml"))


def rates(text: str, *key: object, at: int = NOW, **more: object) -> dict[str, tuple[str, str]]:
    """Price per million and source by meter."""
    answer = catalog(text).tariff(PriceKey(*key, **more))  # type: ignore[arg-type]
    assert isinstance(answer, Tariff), answer
    found = answer.quote(at, 0).rates
    return {name: (plain(rate.price.scaleb(6)), rate.source) for name, rate in found.items()}


def test_every_entry_of_ours_names_its_source() -> None:
    """A rate, a fill, a multiplier or a limit without a source cannot be checked by anyone."""
    data = tomllib.loads(TEXT)
    priced = [*data["rate"], *data["fill"], *data["multiplier"], *data["limit"]]
    assert len(priced) > 100
    assert all(entry["source"] for entry in priced)


@pytest.mark.parametrize(
    ("provider", "model", "tokens"),
    [
        ("openai", "gpt-5-mini", 128_000),
        ("azure", "gpt-5-2025-08-07", 128_000),
        ("openai", "gpt-5-pro", 272_000),
        ("openai", "gpt-5-chat-latest", 16_384),
        ("openai", "gpt-4o", 16_384),
        ("openai", "gpt-4o-2024-05-13", 4_096),
        ("openai", "gpt-4.1-nano", 32_768),
        ("openai", "o4-mini-2025-04-16", 100_000),
        ("anthropic", "claude-3-5-haiku-20241022", 8_192),
        ("anthropic", "claude-opus-4-1-20250805", 32_000),
        ("aws", "eu.anthropic.claude-sonnet-4-5-20250929-v1:0", 64_000),
        ("google", "models/gemini-2.5-pro", 65_536),
        ("openai", "gpt-5-image", None),
        ("openai", "mystery", None),
        (None, "gpt-5", 128_000),
    ],
)
def test_the_longest_answer_of_a_model(provider: str, model: str, tokens: int | None) -> None:
    """As its maker says; unknown where nobody does."""
    assert Catalog().max_output(provider, model) == tokens


def test_what_is_not_verified_is_marked() -> None:
    """Entries that rest on one source alone, or on a guessed day, say so."""
    notes = [
        entry.get("note", "")
        for tables in tomllib.loads(TEXT).values()
        for entry in tables
        if isinstance(entry, dict)
    ]
    assert sum("not verified" in note for note in notes) >= 20


TIER = """
[[multiplier]]
name = "nightly"
provider = "openai"
model = "gpt-5"
tier = "nightly"
meters = ["input"]
from = 2026-01-01
times = "0.25"
source = "list"
"""


def test_a_multiplier_prices_a_tier_from_its_day_on_and_says_what_it_left() -> None:
    """Output has no nightly price: it keeps the standard one, and says so."""
    answer = catalog(TIER).tariff(PriceKey("openai", "gpt-5", "nightly"))
    assert isinstance(answer, Tariff)
    quote = answer.quote(NOW, 0)
    assert plain(quote.rates["input"].price) == "0.0000003125"
    assert quote.rates["input"].source == "genai-prices 0.2.3; x 0.25 nightly: list"
    assert quote.rates["output"].assumed == "no rate for nightly; the standard rate"
    assert answer.quote(ns("2025-12-31"), 0).rates == {}
    assert answer.version == "genai-prices 0.2.3 + agentmeter test"


PLACE = """
[[multiplier]]
name = "moon"
provider = "openai"
model = ["gpt-5*"]
except = ["*-nano"]
place = "moon*"
times = "1.5"
source = "list"
"""


def test_a_place_multiplies_every_token_price_and_no_fee() -> None:
    """The deployment decides, else the region; derived rates follow their whole."""
    there = rates(PLACE, "openai", "gpt-5", region="Moon-1")
    assert there["input"][0] == there["cache_write"][0] == "1.875"
    assert there["web_search"][0] == "10000"
    assert rates(PLACE, "openai", "gpt-5", region="eu", deployment="moonbase") == there
    assert rates(PLACE, "openai", "gpt-5", region="global") == rates("", "openai", "gpt-5")


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (PriceKey("openai", "gpt-5", region="mars"), "no price is known for region 'mars'"),
        (PriceKey("openai", "gpt-5-nano", region="moon"), "no price is known for region 'moon'"),
        (
            PriceKey("openai", "gpt-5", deployment="lunar"),
            "no price is known for deployment 'lunar'",
        ),
    ],
)
def test_a_place_that_nothing_is_known_of_is_said_on_every_rate(
    key: PriceKey, expected: str
) -> None:
    """Never silently the standard price."""
    answer = catalog(PLACE).tariff(key)
    assert isinstance(answer, Tariff)
    assert all(UNMATCHED + expected in (rate.assumed or "") for rate in answer.rates)


def test_tier_and_place_compose() -> None:
    """A quarter of the price, half as much again: both stand in the source."""
    answer = rates(TIER + PLACE, "openai", "gpt-5", "nightly", region="moon")
    assert answer["input"] == (
        "0.46875",
        "genai-prices 0.2.3; x 0.25 nightly: list; x 1.5 moon: list",
    )


def test_a_rate_lies_over_the_catalog_and_a_fill_below_it() -> None:
    """What the catalog has stays, where only a fill says something else."""
    table = '[[{}]]\nprovider = "openai"\nmodel = "gpt-5"\ninput = "9"\nimage = "1"\nsource = "x"\n'
    assert rates(table.format("rate"), "openai", "gpt-5")["input"] == ("9", "x")
    filled = rates(table.format("fill"), "openai", "gpt-5")
    assert filled["input"] == ("1.25", "genai-prices 0.2.3")
    assert filled["image"] == ("1000000", "x")


def test_a_fill_alone_prices_no_model_that_nobody_knows() -> None:
    """A tool fee for every model of a provider does not make a model up."""
    fill = '[[fill]]\nprovider = "openai"\nmodel = "*"\nimage = "1"\nsource = "x"\n'
    answer = catalog(fill).tariff(PriceKey("openai", "zzz"))
    assert answer == Unpriced("unknown model 'zzz' of provider 'openai'")


def test_a_refusal_and_an_alias() -> None:
    """What is not bought by the token has a reason; a name may be priced as another."""
    text = """
    [[refusal]]
    place = "leased*"
    reason = "leased"
    [[alias]]
    provider = "openai"
    model = "gpt-5"
    place = "mini"
    priced_as = "{model}-mini"
    """
    assert catalog(text).tariff(PriceKey("x", "y", deployment="Leased-1")) == Unpriced("leased")
    mini = catalog(text).tariff(PriceKey("openai", "gpt-5", region="mini"))
    assert isinstance(mini, Tariff)
    assert plain(mini.quote(NOW, 0).rates["input"].price) == "0.00000025"


def test_a_rate_card_of_ones_own_lies_over_all_of_it() -> None:
    """Its contract price holds in every region that it does not name."""
    card = RateCard.from_text('[[rate]]\nmodel = "gpt-5.4"\ninput = "2"\n')
    answer = Layered(card, Catalog()).tariff(PriceKey("openai", "gpt-5.4", region="eu"))
    assert isinstance(answer, Tariff)
    cost = price({"input": 1_000_000, "output": 1_000_000}, answer.quote(NOW, 0))
    assert [plain(line.amount) for line in cost.lines] == ["2", "16.5"]


def test_a_provider_goes_by_its_name_alone() -> None:
    """A name that only contains a provider's is not that provider; the model's maker is found."""
    assert Catalog().tariff(PriceKey("my-openai-proxy", "gpt-5")) == Unpriced(
        "unknown provider 'my-openai-proxy' (model 'gpt-5')"
    )
    found = Catalog().tariff(PriceKey(None, "gpt-5.4", region="eu"))
    assert isinstance(found, Tariff)
    assert plain(found.quote(NOW, 0).rates["input"].price) == "0.00000275"


ENTRY = '[[multiplier]]\nname = "m"\ntier = "t"\nsource = "s"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (ENTRY + 'times = "-1"', "line 6: times: a price cannot be negative, got '-1'"),
        (
            ENTRY + "times = 0.5",
            'line 6: times: 0.5 is a binary fraction; write it as text: "0.5"',
        ),
        (ENTRY, "line 2: times: expected a number such as '1.1', got None"),
        (
            ENTRY + 'times = 1\nmeters = ["inptu"]',
            "line 7: meters: unknown meter 'inptu'; did you mean 'input'?",
        ),
        (ENTRY + "times = 1\ntiers = 1", "line 7: tiers: unknown field; did you mean 'tier'?"),
        (
            '[[multiplier]]\nname = "m"\nsource = "s"\ntimes = 1',
            "line 2: multiplier: name what it is for: a tier, a speed or a place",
        ),
        ('[[refusal]]\nplace = "x"', "line 2: reason: a text such as '…' is needed"),
        ('[[refusal]]\nplace = ["x", 1]\nreason = "r"', "line 3: place: expected text, got 1"),
        (
            '[[fill]]\nmodel = "m"\ninput = 1\n[[fill]]\nmodel = "m"\ninput = 2',
            "line 7: input: overlaps in time with the rate of line 2; "
            "end one where the other begins",
        ),
        (
            '[[limit]]\nmodel = "m"\nmax_output = 0',
            "line 4: max_output: expected a count of tokens, got 0",
        ),
        ('[[limit]]\nmodel = "m"\nmax_output = 9', "line 2: source: " + MODEL_PAGE),
        ("[[rates]]", "line 1: rates: unknown field; did you mean 'rate'?"),
    ],
)
def test_an_error_names_file_line_and_field(text: str, message: str) -> None:
    """The whole message, so that none of its parts is lost."""
    with pytest.raises(RateCardError) as caught:
        read_supplement(HEAD + text, "supplement.toml")
    assert str(caught.value) == f"supplement.toml, {message}"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('window = "25:00-01:00"', "expected UTC times such as '16:30-00:30', got '25:00-01:00'"),
        ('window = "01:00-01:00"', "expected UTC times such as '16:30-00:30', got '01:00-01:00'"),
        ("days = [0]", "expected days such as [1, 2, 3, 4, 5], where 1 is Monday; got [0]"),
        ("days = []", "expected days such as [1, 2, 3, 4, 5], where 1 is Monday; got []"),
        ("minimum = -1", "expected a count, got -1"),
        ('model = ["a", 2]', "expected text, got 2"),
    ],
)
def test_a_card_says_what_is_wrong_with_a_window_a_day_or_a_minimum(
    line: str, message: str
) -> None:
    """The conditions that a card may name are checked like its prices."""
    model = "" if line.startswith("model") else 'model = "m"\n'
    with pytest.raises(RateCardError) as caught:
        RateCard.from_text(f"[[rate]]\n{model}input = 1\n{line}", "card.toml")
    number = 3 if line.startswith("model") else 4
    assert str(caught.value) == f"card.toml, line {number}: {line.split(' ')[0]}: {message}"


def test_a_card_may_name_places_windows_days_and_minimums() -> None:
    """The narrower table wins while it holds."""
    card = RateCard.from_text(
        '[[rate]]\nmodel = "m"\ninput = "1"\n'
        '[[rate]]\nmodel = ["m", "n"]\nregion = "eu*"\nwindow = "22:00-06:00"\ndays = [6, 7]\n'
        'minimum = 10\ninput = "2"\n'
        '[[rate]]\nmodel = "w"\nper = 3_600\naudio_second = "0.36"\n'
    )
    answer = card.tariff(PriceKey(None, "m", region="EU-1"))
    assert isinstance(answer, Tariff)
    held = {
        day: plain(price({"input": 1}, answer.quote(ns(day), 0)).amount)
        for day in ("2026-11-20T23:00:00", "2026-11-21T23:00:00", "2026-11-21T12:00:00")
    }
    assert list(held.values()) == ["0.000001", "0.00002", "0.000001"]
    other = card.tariff(PriceKey(None, "m", region="us"))
    assert isinstance(other, Tariff)
    assert other.quote(ns("2026-11-21T23:00:00"), 0).rates["input"].minimum is None
    assert isinstance(card.tariff(PriceKey(None, "n", region="us")), Unpriced)
    seconds = card.tariff(PriceKey(None, "w"))
    assert isinstance(seconds, Tariff)
    assert plain(seconds.quote(NOW, 0).rates["audio_second"].price) == "0.0001"


@pytest.mark.parametrize(
    ("provider", "written", "model"),
    [
        ("deepseek", "deepseek/deepseek-chat", "deepseek-chat"),
        ("openai", "openai/o3-2025-04-16", "o3-2025-04-16"),
        ("mistral", "mistral/mistral-large-latest", "mistral-large-latest"),
        ("groq", "groq/openai/gpt-oss-120b", "openai/gpt-oss-120b"),
        ("gemini", "models/gemini-1.5-pro", "gemini-1.5-pro"),
        (
            "vertex_ai",
            "projects/p/locations/us/publishers/google/models/gemini-4-argon",
            "gemini-4-argon",
        ),
        ("bedrock", "bedrock/converse/amazon.nova-pro-v1:0", "amazon.nova-pro-v1:0"),
        (
            "aws",
            "arn:aws:bedrock:eu-west-1:1:inference-profile/eu.amazon.nova-pro-v1:0",
            "eu.amazon.nova-pro-v1:0",
        ),
    ],
)
def test_a_model_is_priced_alike_with_a_path_before_its_name(
    provider: str, written: str, model: str
) -> None:
    """What is corrected for a model is corrected however its name is written."""
    long, short = (Catalog().tariff(PriceKey(provider, name)) for name in (written, model))
    assert isinstance(long, Tariff)
    assert isinstance(short, Tariff)
    assert long.rates == short.rates


@pytest.mark.parametrize(
    ("provider", "model"),
    [("perplexity", "perplexity/sonar"), ("together", "together/Tev1-4B-experimental")],
)
def test_a_model_that_is_really_called_so_keeps_its_name(provider: str, model: str) -> None:
    """Perplexity sells sonar by itself, and under this name by way of its agents at other prices."""
    long = Catalog().tariff(PriceKey(provider, model))
    assert isinstance(long, Tariff)
    assert long.rates != getattr(
        Catalog().tariff(PriceKey(provider, model.split("/")[1])), "rates", ()
    )


@pytest.mark.parametrize("tier", ["batch", "flex", "priority"])
def test_a_tier_is_the_same_in_capitals(tier: str) -> None:
    """The cached input of a batch is 0.13, as the list has it, and not half of 0.25."""
    quiet, loud = (
        Catalog().tariff(PriceKey("openai", "gpt-5.4", one)) for one in (tier, tier.upper())
    )
    assert isinstance(quiet, Tariff)
    assert isinstance(loud, Tariff)
    assert quiet.rates == loud.rates


@pytest.mark.parametrize(
    "written",
    [
        "bedrock/eu-west-2/meta.llama3-70b-instruct-v1:0",
        "arn:aws:bedrock:eu-west-2::foundation-model/meta.llama3-70b-instruct-v1:0",
    ],
)
def test_a_region_in_the_name_of_a_model_is_one_that_served(written: str) -> None:
    """The catalog's price is that of the US, which is not London's."""
    answer = Catalog().tariff(PriceKey("bedrock", written))
    assert isinstance(answer, Tariff)
    said = UNMATCHED + "no price is known for region 'eu-west-2'"
    assert all(said in (rate.assumed or "") for rate in answer.rates)
    home = Catalog().tariff(PriceKey("bedrock", written.replace("eu-west-2", "us-east-1")))
    assert isinstance(home, Tariff)
    assert not any(UNMATCHED in (rate.assumed or "") for rate in home.rates)


@pytest.mark.parametrize(
    ("name", "provider"),
    [
        ("vertex_ai-zai_models", "google"),
        ("vertex_ai-ai21_models", "google"),
        ("vertex_ai-chat-models", "google"),
        ("vertex_ai_beta", "google"),
        ("text-completion-codestral", "mistral"),
    ],
)
def test_a_provider_goes_by_every_name_of_litellm(name: str, provider: str) -> None:
    """One for each family of models."""
    assert canonical(name) == provider
