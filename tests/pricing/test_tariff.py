"""Tariffs: which rows hold, what a quote is, and the JSON form; costs and what they lack."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmeter.model import METERS
from agentmeter.model.money import CONTEXT
from agentmeter.pricing import (
    Cost,
    Gap,
    GenAIPrices,
    Line,
    PriceKey,
    Quote,
    Rate,
    Tariff,
    price,
    unpriced,
)

SECOND = 1_000_000_000
KEY = PriceKey("acme", "m-1")


def row(amount: str, meter: str = "input", **conditions: object) -> Rate:
    """A row at a price."""
    return Rate(meter=meter, price=Decimal(amount), source="list", **conditions)  # type: ignore[arg-type]


def chosen(at_ns: int, total_input: int, *rates: Rate) -> str:
    """The price of input that holds."""
    quote = Tariff(KEY, "USD", "1", rates).quote(at_ns, total_input)
    return str(quote.rates["input"].price) if "input" in quote.rates else "none"


def test_validity_includes_its_beginning_and_excludes_its_end() -> None:
    """``[from, until)`` to the nanosecond."""
    one = row("1", from_ns=10, until_ns=20)
    assert [chosen(at, 0, one) for at in (9, 10, 19, 20)] == ["none", "1", "1", "none"]


def test_a_step_holds_strictly_above_its_threshold_and_the_highest_wins() -> None:
    """The step is decided by the total input of the call."""
    rates = (row("1"), row("3", above=200), row("2", above=100))
    assert [chosen(0, n, *rates) for n in (0, 100, 101, 200, 201)] == ["1", "1", "2", "2", "3"]


def test_the_later_price_list_replaces_the_earlier_with_its_steps() -> None:
    """A row that begins later is not outbid by a step of the list before."""
    assert chosen(50, 1000, row("9", above=100), row("1", from_ns=50)) == "1"


def test_a_window_beats_a_row_without_one_however_late() -> None:
    """It may wrap midnight, begins inclusively and ends exclusively."""
    rates = (row("1", from_ns=1), row("2", window=(23 * 3600, 3600)))
    at = [22 * 3600 + 3599, 23 * 3600, 86_400, 86_400 + 3599, 86_400 + 3600]
    assert [chosen(second * SECOND, 0, *rates) for second in at] == ["1", "2", "2", "2", "1"]


def test_of_two_equal_rows_the_first_holds() -> None:
    """The order of the rows is the last word."""
    assert chosen(0, 0, row("1"), row("2")) == "1"


OPTIONAL = st.none() | st.integers(0, 20)
RATES = st.lists(
    st.builds(
        Rate,
        meter=st.sampled_from(["input", "output", "acme.page"]),
        price=st.decimals(0, 100, places=7),
        source=st.sampled_from(["list", "contract"]),
        from_ns=OPTIONAL,
        until_ns=OPTIONAL,
        window=st.none() | st.tuples(st.integers(0, 86_399), st.integers(0, 86_399)),
        above=OPTIONAL,
        minimum=OPTIONAL,
        assumed=st.none() | st.text(max_size=5),
    ),
    max_size=8,
).map(tuple)


@given(rates=RATES, calls=st.lists(st.tuples(st.integers(0, 25), st.integers(0, 25)), min_size=1))
def test_a_remembered_quote_equals_a_fresh_one(
    rates: tuple[Rate, ...], calls: list[tuple[int, int]]
) -> None:
    """Whatever was quoted before, the rows that hold are the ones of highest rank."""
    tariff = Tariff(KEY, "USD", "1", rates)
    for at, total in calls:
        holding = [rate for rate in rates if rate.holds(at, total)]
        best = {
            rate.meter: max(r.rank for r in holding if r.meter == rate.meter) for rate in holding
        }
        quoted = tariff.quote(at, total).rates
        assert {meter: rate.rank for meter, rate in quoted.items()} == best


@given(rates=RATES, key=st.builds(PriceKey, st.none() | st.text(), st.none() | st.text()))
def test_json_is_an_exact_inverse(rates: tuple[Rate, ...], key: PriceKey) -> None:
    """Through JSON text and back: the same value, the same digest."""
    tariff = Tariff(key, "EUR", "card", rates)
    again = Tariff.from_json(json.loads(json.dumps(tariff.to_json())))
    assert again == tariff
    assert again.digest == tariff.digest
    assert again.to_json() == tariff.to_json()


def test_json_survives_a_real_tariff() -> None:
    """Windows, history and steps of the catalog included."""
    for provider, model in (("deepseek", "deepseek-v4-flash"), ("google", "gemini-2.5-pro")):
        tariff = GenAIPrices().tariff(PriceKey(provider, model))
        assert isinstance(tariff, Tariff)
        assert Tariff.from_json(json.loads(json.dumps(tariff.to_json()))) == tariff


def test_the_digest_tells_tariffs_apart_and_not_spellings_of_a_price() -> None:
    """Sixteen hex digits over the canonical JSON; ``1.50`` and ``1.5`` are one price."""
    digests = {Tariff(KEY, "USD", "1", (row(text),)).digest for text in ("1.5", "1.50", "1.6")}
    assert len(digests) == 2
    assert {len(digest) for digest in digests} == {16}


def quote(*rates: Rate) -> Quote:
    """A quote of these rows."""
    return Tariff(KEY, "USD", "1", rates).quote(0, 0)


def test_a_cost_is_lines_and_what_has_no_rate_is_a_gap() -> None:
    """Nothing without a rate enters the amount, nor is it lost."""
    cost = price({"input": 3, "acme.page": 2}, quote(row("0.0000015")))
    assert cost == Cost(
        "USD",
        (Line("input", 3, Decimal("0.0000015"), Decimal("0.0000045"), "list"),),
        (Gap("acme.page", 2, "the tariff has no rate for this meter at that time"),),
    )
    assert cost.amount == Decimal("0.0000045")


def test_an_unsplit_quantity_is_priced_as_its_whole_and_says_so() -> None:
    """A sum whose cache split is not known is priced as if nothing was cached."""
    rates = quote(row("2"), row("5", "output"))
    lines = price({"input_unsplit": 3, "output_unsplit": 1}, rates).lines
    assert [(line.meter, line.amount, line.assumed) for line in lines] == [
        ("input_unsplit", 6, "cache split not stated; priced as uncached input"),
        ("output_unsplit", 5, "reasoning split not stated; priced as output"),
    ]


@pytest.mark.parametrize(("used", "billed"), [(0, 0), (1, 10), (10, 10), (11, 11)])
def test_a_minimum_is_billed_for_less_but_not_for_nothing(used: int, billed: int) -> None:
    """The line carries the quantity that is billed."""
    (line,) = price({"audio_second": used}, quote(row("2", "audio_second", minimum=10))).lines
    assert (line.quantity, line.amount) == (billed, 2 * billed)


def test_unpriced_usage_is_all_gaps() -> None:
    """One per meter, with the reason."""
    assert unpriced({"input": 3}, "why").gaps == (Gap("input", 3, "why"),)
    assert unpriced({"input": 3}, "why").amount == 0


@given(
    st.dictionaries(st.sampled_from(sorted(METERS)), st.integers(0, 10**15)),
    st.decimals(0, 1000, places=12),
)
def test_the_amount_is_the_exact_sum(usage: dict[str, int], unit: Decimal) -> None:
    """No digit is lost between a quantity and the total."""
    rates = quote(*(row(str(unit), meter) for meter in METERS if meter != "request"))
    cost = price({meter: n for meter, n in usage.items() if meter != "request"}, rates)
    scaled = int(unit.scaleb(12)) * sum(n for meter, n in usage.items() if meter != "request")
    assert CONTEXT.scaleb(cost.amount, 12) == scaled
