"""Contract discounts: lines of their own, exact, and gone where the contract does not hold."""

from decimal import Decimal, localcontext

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

import agentmeter as am
from agentmeter.exceptions import RateCardError
from agentmeter.model import Usage
from agentmeter.model.money import plain
from agentmeter.pricing import GenAIPrices, PriceKey, Rate, RateCard, Tariff, price
from agentmeter.pricing.cost import amount
from agentmeter.pricing.discount import Discount, Discounted
from agentmeter.pricing.rows import between, settled
from agentmeter.report.report import build
from agentmeter.testing import metered

DAY = 86_400_000_000_000
CARD = """
[[rate]]
provider = "openai"
model = "m"
input = "1.25"
output = "10"

[[discount]]
provider = "openai"
percent = "12.5"
from = 1970-01-03
source = "contract 7"

[[discount]]
model = "m-small*"
factor = "0.5"
"""


class Fixed:
    """A pricer with one tariff."""

    def __init__(self, rates: tuple[Rate, ...]) -> None:
        self._rates = rates

    def tariff(self, key: PriceKey) -> Tariff:
        return Tariff(key, "USD", "fixed", self._rates)


def lines(tariff: object, at_ns: int, **usage: int) -> list[tuple[object, ...]]:
    assert isinstance(tariff, Tariff), tariff
    cost = price(Usage(usage), tariff.quote(at_ns, 0))
    return [(one.meter, one.of, plain(one.amount), one.source) for one in cost.lines]


def test_a_discount_is_a_line_of_its_own_while_the_contract_holds() -> None:
    """8 input at 1.25/M are 0.00001; 12.5% of it are 0.00000125, from the third day on."""
    with localcontext(prec=3):
        card = RateCard.from_text(CARD, "card.toml")
        tariff = card.over(GenAIPrices()).tariff(PriceKey("openai", "m"))
        assert lines(tariff, 2 * DAY - 1, input=8) == [("input", None, "0.00001", "card.toml")]
        assert lines(tariff, 2 * DAY, input=8) == [
            ("input", None, "0.00001", "card.toml"),
            ("discount", "input", "-0.00000125", "contract 7"),
        ]
    assert isinstance(tariff, Tariff)
    assert tariff.version == "card.toml, discounts of card.toml"
    assert amount(Usage(input=8), tariff.quote(2 * DAY, 8)) == Decimal("0.00000875")


def test_the_most_specific_discount_is_taken_and_they_do_not_add_up() -> None:
    """A pattern for the model beats one for everything of its provider."""
    card = RateCard.from_text(CARD + '[[rate]]\nmodel = "m-small"\ninput = "2"\n')
    found = lines(card.over(GenAIPrices()).tariff(PriceKey("openai", "m-small")), 5 * DAY, input=1)
    assert found[1:] == [("discount", "input", "-0.000001", "rate card")]


def test_what_no_discount_matches_keeps_its_tariff() -> None:
    """The very same answer, so that its digest stays."""
    card = RateCard.from_text('[[discount]]\nmodel = "gpt-4*"\npercent = "5"\n')
    key = PriceKey("openai", "gpt-5")
    assert card.over(GenAIPrices()).tariff(key) == GenAIPrices().tariff(key)


def test_a_report_from_the_journal_shows_the_same_lines() -> None:
    """The tariff carries its discounts under its digest; the contract is not asked again."""
    card = RateCard.from_text('[[discount]]\nprovider = "openai"\npercent = "10"\n', "c.toml")
    with metered(card.over(GenAIPrices())) as meter:
        with am.request() as request, am.call(provider="openai", model="gpt-5") as call:
            call.record(am.Usage(input=1000, output=100))
        live = str(request.cost)
    tariffs = {
        digest: Tariff.from_json(orjson.loads(orjson.dumps(one.to_json())))
        for digest, one in meter.tariffs.items()
    }
    # (1,000 x 1.25/M + 100 x 10/M) x 0.9
    assert live == "0.002025 USD"
    report = build(meter.entries, tariffs)
    assert list(tariffs) == [one.digest for one in tariffs.values()]
    assert report.amounts == {"USD": Decimal("0.002025")}
    shown = report.to_json()["requests"][0]["tree"]["children"][0]["call"]["lines"]
    assert [(one["meter"], one["of"], one["amount"], one["assumed"]) for one in shown] == [
        ("input", None, "0.00125", None),
        ("discount", "input", "-0.000125", "10% off input"),
        ("output", None, "0.001", None),
        ("discount", "output", "-0.0001", "10% off output"),
    ]


def test_what_input_was_paid_for_is_net_of_the_discount() -> None:
    """Provenance splits what was paid, not what was listed."""
    card = RateCard.from_text('[[discount]]\npercent = "50"\n')
    with metered(card.over(GenAIPrices())) as meter:
        with am.request(), am.call(provider="openai", model="gpt-5") as call:
            call.record(am.Usage(input=1000))
        (one,) = meter.report().requests
    assert one.amounts == {"USD": Decimal("0.000625")}


RATES = st.lists(
    st.builds(
        Rate,
        meter=st.just("input"),
        price=st.integers(0, 1000).map(lambda n: Decimal(n).scaleb(-6)),
        source=st.just("s"),
        from_ns=st.none() | st.integers(0, 5),
        until_ns=st.none() | st.integers(6, 9),
        above=st.none() | st.integers(0, 3),
        minimum=st.none() | st.integers(0, 20),
    ),
    min_size=1,
    max_size=5,
).map(tuple)
DISCOUNTS = st.lists(
    st.builds(
        Discount,
        st.integers(0, 200).map(lambda n: Decimal(n) / 2),
        st.just("contract"),
        st.none(),
        st.sampled_from(["*", "m", "m*"]),
        st.none() | st.integers(0, 5),
        st.none() | st.integers(6, 9),
    ),
    max_size=3,
    unique_by=lambda one: one.model,
).map(tuple)


@given(RATES, st.integers(0, 10), st.integers(0, 5), st.integers(-1, 10))
def test_settled_rows_may_be_cut_anywhere(
    rates: tuple[Rate, ...], at: int, total: int, cut: int
) -> None:
    """Settled, and cut at any instant, rows give the price that they gave before."""
    halves = [
        part
        for rate in settled(rates)
        for part in (between(rate, None, cut), between(rate, cut, None))
        if part is not None
    ]
    before, after = (
        Tariff(PriceKey(None, "m"), "USD", "v", tuple(rows)).quote(at, total).rates
        for rows in (rates, halves)
    )
    assert {meter: rate.price for meter, rate in after.items()} == {
        meter: rate.price for meter, rate in before.items()
    }


@given(RATES, DISCOUNTS, st.integers(0, 10), st.integers(0, 5), st.integers(0, 100))
def test_a_discounted_amount_is_the_amount_less_its_percent(
    rates: tuple[Rate, ...], discounts: tuple[Discount, ...], at: int, total: int, quantity: int
) -> None:
    """At every instant and step: same row, same quantity, price x (1 - percent); lines sum to it."""
    key = PriceKey(None, "m")
    plainly = Fixed(rates).tariff(key).quote(at, total)
    answer = Discounted(Fixed(rates), discounts, "c").tariff(key)
    assert isinstance(answer, Tariff)
    usage = Usage(input=quantity)
    before, after = price(usage, plainly), price(usage, answer.quote(at, total))
    holding = [
        one
        for one in discounts
        if (one.from_ns is None or at >= one.from_ns)
        and (one.until_ns is None or at < one.until_ns)
    ]
    best = max(holding, key=lambda one: (one.model == "m", len(one.model)), default=None)
    percent = best.percent if best else Decimal(0)
    assert after.amount == before.amount * (100 - percent) / 100
    assert after.gaps == before.gaps
    assert amount(usage, answer.quote(at, total)) in (None, after.amount)
    assert [one.amount for one in after.lines if one.of is None] == [
        one.amount for one in before.lines
    ]


HEAD = "[[discount]]\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD + 'percent = "101"', "line 2: percent: expected 0 to 100, got '101'"),
        (HEAD + 'factor = "1.1"', "line 2: factor: expected 0 to 1, got '1.1'"),
        (HEAD, "line 1: percent: write either percent = '12.5' (off) or factor = '0.875'"),
        (
            HEAD + "percent = 12.5",
            'line 2: percent: 12.5 is a binary fraction; write it as text: "12.5"',
        ),
        (HEAD + 'percnt = "1"', "line 2: percnt: unknown field; did you mean 'percent'?"),
        (
            HEAD + "percent = 1\n" + HEAD + "percent = 2\nfrom = 2026-01-01",
            "line 5: from: overlaps in time with the discount of line 1; "
            "end one where the other begins",
        ),
    ],
)
def test_an_error_names_file_line_field_and_remedy(text: str, message: str) -> None:
    """The whole message."""
    with pytest.raises(RateCardError) as caught:
        RateCard.from_text(text, "card.toml")
    assert str(caught.value) == f"card.toml, {message}"
