"""What is charged by quantity: tools by rate card, GPU time of models of one's own."""

from decimal import Decimal

import pytest

import agentmeter as am
from agentmeter.exceptions import RateCardError, UsageError
from agentmeter.model.money import plain
from agentmeter.pricing import GenAIPrices, PriceKey, Pricer, RateCard, Tariff
from agentmeter.report.breakdown import breakdown
from agentmeter.report.report import RequestReport
from agentmeter.testing import metered

CARD = """
[[tool]]
name = "serpapi.search"
per = 1_000
price = "5.00"
source = "serpapi.com"

[[tool]]
name = "page"
price = "0.0015"
minimum = 10

[[self_hosted]]
model = "llama*"
gpu = "A100"
gpus = 2
per_hour = "3.60"
concurrency = 4

[[self_hosted]]
model = "mistral*"
per_hour = "3.60"
tokens_per_second = 2_500
"""


def pricer(card: str = CARD) -> Pricer:
    return RateCard.from_text(card, "card.toml").over(GenAIPrices())


def only(meter: object) -> RequestReport:
    (one,) = meter.report().requests  # type: ignore[attr-defined]
    return one


def test_a_request_costs_its_searches_and_pages_too() -> None:
    """3 searches at 5.00 per thousand, and 2 pages billed as the minimum of 10 at 0.0015."""
    with metered(pricer()) as meter:
        with am.request() as request:
            am.charge("serpapi.search", quantity=3)
            am.charge("page", quantity=2)
        assert str(request.cost) == "0.03 USD"
        one = only(meter)
    assert one.usage == am.Usage({"serpapi.search": 3, "page": 2})
    assert one.evidence == {"charged": 2}
    assert [(row.key, plain(row.amounts["USD"])) for row in breakdown(meter.report(), "model")] == [
        ("page", "0.015"),
        ("serpapi.search", "0.015"),
    ]


@pytest.mark.parametrize(
    ("prices", "reason"),
    [
        (pricer(), "the tariff has no rate for this meter at that time"),
        (GenAIPrices(), "no rate card has a [[tool]] to price it by"),
    ],
)
def test_a_tool_that_no_card_knows_is_a_gap(prices: Pricer, reason: str) -> None:
    """Never zero: the quantity stands in the report with the reason."""
    with metered(prices) as meter:
        with am.request():
            am.charge("acme.ocr", quantity=7)
        (gap,) = only(meter).missing
    assert (gap.meter, gap.quantity, gap.reason) == ("acme.ocr", 7, reason)


def test_a_charge_inside_a_call_is_no_part_of_its_usage() -> None:
    """The call keeps its tokens and stays a leaf of its own."""
    with metered(pricer()) as meter:
        with am.request(), am.call(provider="openai", model="gpt-5") as call:
            am.charge("serpapi.search", quantity=1)
            call.record(am.Usage(input=100))
        one = only(meter)
    assert one.usage == am.Usage({"input": 100, "serpapi.search": 1})
    assert one.amounts == {"USD": Decimal("0.005125")}
    assert one.calls == 2


def test_a_charge_says_one_thing() -> None:
    """An amount or a quantity; a name that could be priced; a count."""
    with metered(pricer()) as meter:
        with pytest.raises(TypeError, match="takes one of usd="):
            am.charge("serpapi.search", usd=1, quantity=1)
        with pytest.raises(TypeError, match="takes one of usd="):
            am.charge("serpapi.search")
        with pytest.raises(UsageError, match="A meter of your own carries a dot"):
            am.charge("serpapi", quantity=1)
        with pytest.raises(UsageError, match=r"a quantity is an int, got 0\.5"):
            am.charge("serpapi.search", quantity=0.5)  # type: ignore[arg-type]
        assert meter.entries == []


def test_gpu_time_is_that_of_the_call_shared_with_those_beside_it() -> None:
    """1 ms of 2 GPUs at 3.60 an hour for 4 calls at once: 7.20 / 3,600,000 / 4 = 0.0000005."""
    with metered(pricer()) as meter:
        with am.request() as request, am.call(provider="vllm", model="llama-4") as call:
            call.record(am.Usage(input=100, output=10))
        assert str(request.cost) == "0.0000005 USD"
        one = only(meter)
    assert one.usage == am.Usage(input=100, output=10, busy_millisecond=1)
    assert one.evidence == {"estimated": 1}
    assert one.missing == ()


def test_gpu_seconds_that_the_application_counts_are_taken() -> None:
    """3 GPU-seconds at 3.60 an hour."""
    with (
        metered(pricer()),
        am.request() as request,
        am.call(provider="vllm", model="llama-4") as call,
    ):
        call.record(am.Usage(input=100, gpu_second=3))
    assert str(request.cost) == "0.003 USD"


def test_a_call_that_was_refused_kept_no_gpu_busy() -> None:
    """Its usage is known to be nothing."""
    with (
        metered(pricer()),
        am.request() as request,
        am.call(provider="vllm", model="llama-4") as call,
    ):
        call.record({"prompt_tokens": 0, "completion_tokens": 0})
    assert request.usage == am.Usage()
    assert str(request.cost) == "0 USD"


def test_tokens_of_a_model_of_ones_own_cost_the_time_of_its_throughput() -> None:
    """3.60 / 3600 / 2,500 = 0.0000004 a token, in and out, cached or not."""
    with (
        metered(pricer()),
        am.request() as request,
        am.call(provider="vllm", model="mistral-small") as call,
    ):
        call.record(am.Usage(input=100, cache_read=50, output=10))
    assert str(request.cost) == "0.000064 USD"


def test_a_rate_that_has_no_exact_price_for_one_says_so() -> None:
    """1 an hour for 2,500 tokens a second: 1 / 9,000,000, rounded to 18 decimals."""
    card = '[[self_hosted]]\nmodel = "m"\nper_hour = "1"\ntokens_per_second = 2500\n'
    tariff = RateCard.from_text(card).tariff(PriceKey(None, "m"))
    assert isinstance(tariff, Tariff)
    rate = tariff.quote(0, 0).rates["input"]
    assert plain(rate.price) == "0.000000111111111111"
    assert rate.assumed == "1 x GPU, 1 for 9,000,000 tokens, rounded to 18 decimals for one"


def test_a_tariff_by_time_without_any_time_counted_is_a_gap() -> None:
    """Tokens of a self-hosted model cost nothing by themselves; that is not a cost of zero."""
    from agentmeter.model import Usage
    from agentmeter.pricing import price
    from agentmeter.pricing.cost import amount

    tariff = pricer().tariff(PriceKey("vllm", "llama-4"))
    assert isinstance(tariff, Tariff)
    quote = tariff.quote(0, 5)
    (gap,) = price(Usage(input=5), quote).gaps
    assert (gap.meter, gap.quantity) == ("busy_millisecond", None)
    assert amount(Usage(input=5), quote) is None


TOOL = '[[tool]]\nname = "a.b"\n'
HOST = '[[self_hosted]]\nmodel = "m"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TOOL, "line 1: price: a price such as '5.00' is needed"),
        (TOOL + "price = -1", "line 3: price: a price cannot be negative, got -1"),
        (
            TOOL + "price = 1\nper = 7",
            "line 4: per: expected a power of ten such as 1_000_000, got 7",
        ),
        (TOOL + "prise = 1", "line 3: prise: unknown field; did you mean 'price'?"),
        (
            TOOL + "price = 1\n" + TOOL + "price = 2",
            "line 4: a.b: overlaps in time with the rate of line 1; end one where the other begins",
        ),
        (
            '[[tool]]\nname = "ocr"\nprice = 1',
            "line 2: name: unknown meter 'ocr'. A meter of your own carries a dot, "
            "such as 'acme.page'.",
        ),
        (
            HOST,
            "line 1: per_hour: the price of one GPU for an hour is needed, such as '4.20'",
        ),
        (HOST + "per_hour = 1\ngpus = 0", "line 4: gpus: expected a count above zero, got 0"),
        (
            HOST + "per_hour = 1\ntokens_per_second = 9\nconcurrency = 2",
            "line 5: concurrency: is for a price by time; leave tokens_per_second out",
        ),
        (HOST + "per_hour = true", "line 3: per_hour: expected a price such as '1.25', got True"),
    ],
)
def test_an_error_names_file_line_field_and_remedy(text: str, message: str) -> None:
    """The whole message."""
    with pytest.raises(RateCardError) as caught:
        RateCard.from_text(text, "card.toml")
    assert str(caught.value) == f"card.toml, {message}"
