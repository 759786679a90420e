"""Rate cards: what they price, and what they say where they cannot be read."""

from decimal import localcontext
from pathlib import Path

import pytest

from agentmeter.exceptions import RateCardError
from agentmeter.model.money import plain
from agentmeter.pricing import PriceKey, RateCard, Tariff, Unpriced

DAY = 86_400_000_000_000
CARD = """\
currency = "EUR"

[[rate]]
provider = "openai"
model = "gpt-5*"
until = 1970-01-11
input = "1.2345678"
output = 10
source = "contract 2026-04"

[[rate]]
model = "gpt-5-mini"
input = "0.2"
above = 1000
from = 1970-01-02T00:00:00Z

[[rate]]
model = "GPT-5*"
tier = "flex"
per = 1_000
input = "0.5"
web_search = "10"

[[rate]]
model = "tool"
web_search = "0.01"
"acme.page" = "0.003"
"""


def prices(card: RateCard, key: PriceKey, at_ns: int = 0, total: int = 0) -> dict[str, str]:
    """The stated prices that hold, by meter."""
    answer = card.tariff(key)
    assert isinstance(answer, Tariff), answer
    rates = answer.quote(at_ns, total).rates.values()
    return {rate.meter: plain(rate.price) for rate in rates if rate.assumed is None}


def test_a_card_prices_per_million_tokens_and_per_one_of_anything_else() -> None:
    """Exactly, whatever the ambient decimal context is."""
    with localcontext(prec=3):
        card = RateCard.from_text(CARD)
    assert prices(card, PriceKey("openai", "gpt-5")) == {
        "input": "0.0000012345678",
        "output": "0.00001",
    }
    assert prices(card, PriceKey(None, "tool")) == {"web_search": "0.01", "acme.page": "0.003"}
    assert prices(card, PriceKey(None, "gpt-5", "flex")) == {
        "input": "0.0005",
        "web_search": "0.01",
    }


def test_a_card_speaks_its_currency_and_names_its_source() -> None:
    """The table's own source, else the card."""
    answer = RateCard.from_text(CARD, "prices.toml").tariff(PriceKey("openai", "gpt-5"))
    assert isinstance(answer, Tariff)
    assert (answer.currency, answer.version) == ("EUR", "prices.toml")
    assert answer.quote(0, 0).rates["input"].source == "contract 2026-04"


def test_a_name_beats_a_pattern_meter_by_meter_and_while_it_holds() -> None:
    """Where the closer table says nothing, the pattern's does."""
    card = RateCard.from_text(CARD)
    mini = PriceKey("openai", "gpt-5-mini")
    assert prices(card, mini, DAY - 1) == {"input": "0.0000012345678", "output": "0.00001"}
    assert prices(card, mini, DAY, 1001) == {"input": "0.0000002", "output": "0.00001"}
    assert prices(card, mini, 10 * DAY, 1001) == {"input": "0.0000002"}


def test_what_is_not_on_the_card_is_unpriced() -> None:
    """Another provider, tier, speed or model; a provider's aliases are the provider."""
    card = RateCard.from_text(CARD + '[[rate]]\nprovider = "azure"\nmodel = "m"\ninput = 1\n')
    assert card.tariff(PriceKey("acme", "gpt-5")) == Unpriced("rate card has no rate for 'gpt-5'")
    for key in (
        PriceKey("openai", "gpt-5", "priority"),
        PriceKey("openai", "gpt-5", speed="fast"),
        PriceKey("openai", "gpt-5", batch=True),
        PriceKey("openai", None),
    ):
        assert isinstance(card.tariff(key), Unpriced)
    assert prices(card, PriceKey("azure.ai.openai", "m")) == {"input": "0.000001"}


def test_ranges_that_meet_do_not_overlap() -> None:
    """The end of one is the beginning of the next."""
    card = RateCard.from_text(
        '[[rate]]\nmodel = "m"\nuntil = 1970-01-02\ninput = 1\n'
        '[[rate]]\nmodel = "m"\nfrom = 1970-01-02\ninput = 2\n'
    )
    at = [prices(card, PriceKey(None, "m"), at)["input"] for at in (DAY - 1, DAY)]
    assert at == ["0.000001", "0.000002"]


HEAD = '[[rate]]\nmodel = "m"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD + "imput = 1", "line 3: imput: unknown field; did you mean 'input'?"),
        (
            HEAD + "input = 1.25",
            'line 3: input: 1.25 is a binary fraction; write it as text: "1.25"',
        ),
        (HEAD + 'input = "-1"', "line 3: input: a price cannot be negative, got '-1'"),
        (HEAD + 'input = "NaN"', "line 3: input: 'NaN' is not a decimal number"),
        (HEAD + "input = true", "line 3: input: expected a price such as '1.25', got True"),
        (
            HEAD + "per = 300\ninput = 1",
            "line 3: per: expected a power of ten such as 1_000_000, got 300",
        ),
        (
            HEAD + 'from = "soon"\ninput = 1',
            "line 3: from: expected a date such as 2026-01-01, got 'soon'",
        ),
        (
            HEAD + "from = 2026-01-02\nuntil = 2026-01-02\ninput = 1",
            "line 4: until: must be later than 'from'; it is the first moment after",
        ),
        (HEAD + "above = -1\ninput = 1", "line 3: above: expected a count, got -1"),
        (HEAD + "tier = 1\ninput = 1", "line 3: tier: expected text, got 1"),
        (
            HEAD + "acme.page = 1",
            "line 3: acme: unknown table; quote a meter of your own: 'acme.page' = '1'",
        ),
        (
            HEAD + "input_unsplit = 1",
            "line 3: input_unsplit: is not priced by itself; price 'input', which it is billed as",
        ),
        (HEAD, "line 1: rate: the table has no price; add one such as input = '1.25'"),
        (
            "[[rate]]\ninput = 1",
            "line 1: model: a text such as 'gpt-5*' is needed",
        ),
        ("\ncurency = 1", "line 2: curency: unknown field; did you mean 'currency'?"),
        ("currency = 'usd'", "line 1: currency: expected a code such as 'USD', got 'usd'"),
        ("[rate]\nmodel = 'm'", "line 1: rate: write [[rate]] with two brackets above each table"),
        (
            HEAD + "input = 1\n" + HEAD + "output = 1\ninput = 2",
            "line 7: input: overlaps in time with the rate of line 1; "
            "end one where the other begins",
        ),
    ],
)
def test_an_error_names_file_line_field_and_remedy(text: str, message: str) -> None:
    """The whole message, so that none of its parts is lost."""
    with pytest.raises(RateCardError) as caught:
        RateCard.from_text(text, "card.toml")
    assert str(caught.value) == f"card.toml, {message}"


def test_text_that_is_not_toml_names_its_line() -> None:
    """The parser's own words follow."""
    with pytest.raises(RateCardError, match=r"^card.toml, line 2: not TOML: Invalid value"):
        RateCard.from_text("[[rate]]\nmodel = \n", "card.toml")


def test_a_card_is_read_from_a_file(tmp_path: Path) -> None:
    """A file that is not there, or is not text, says which."""
    path = tmp_path / "card.toml"
    path.write_text(CARD, "utf-8")
    assert prices(RateCard.from_file(path), PriceKey(None, "tool"))["web_search"] == "0.01"
    with pytest.raises(RateCardError, match=r"absent\.toml: cannot be read as text"):
        RateCard.from_file(tmp_path / "absent.toml")
    path.write_bytes(b"\xff")
    with pytest.raises(RateCardError, match=r"card\.toml: cannot be read as text"):
        RateCard.from_file(path)
