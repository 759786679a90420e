"""Recorded traffic under plans: margin, tail, break-even, mix, and who pays more than today."""

import random
from dataclasses import replace
from datetime import date
from decimal import Decimal, localcontext

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import agentmeter as am
from agentmeter.exceptions import ConfigurationError, PlanError
from agentmeter.model import Owner, Status
from agentmeter.model.money import total
from agentmeter.pricing.plans import (
    Charge,
    Cycle,
    Fee,
    Of,
    Plan,
    PlanBook,
    PricedRequest,
    Step,
    Traffic,
    Use,
)
from agentmeter.render.compare_svg import comparison_svg
from agentmeter.report.break_even import break_even
from agentmeter.report.compare import Comparison, Question, compare
from agentmeter.report.compare_document import comparison_document
from agentmeter.report.compare_text import comparison_text
from agentmeter.report.mix import Shift, shifted
from agentmeter.report.tail import tail
from agentmeter.report.traffic import converted, traffic_of
from agentmeter.testing import metered
from tests.pricing.plans.rows import requests

D = Decimal
BOOK = PlanBook.from_text("""
[[plan]]
name = "flat"
[[plan.charge]]
for = "requests"
price = "0.03"

[[plan]]
name = "pro"
share_fees_by = "cost"
[[plan.fee]]
amount = 3
[[plan.charge]]
for = "requests"
allowance = 60
price = "0.05"

[[plan]]
name = "free"
[[plan.charge]]
for = "requests"
allowance = 30
refuse = true
""")


def compared(rows: list[PricedRequest], book: PlanBook = BOOK, **question: object) -> Comparison:
    return compare(
        Traffic(rows, book.currency),
        book,
        random.Random(7),
        Question(**question),  # type: ignore[arg-type]
    )


def day() -> list[PricedRequest]:
    """One day: ten cheap requests of a, two dear ones of b; a pays flat today, b is on pro."""
    return [
        *requests(10, user="a", plan="flat", cost="0.01"),
        *requests(2, user="b", plan="pro", cost="0.50"),
    ]


def test_margin_is_revenue_minus_true_cost() -> None:
    """By plan, for the recorded day alone: a thirtieth of fees and allowances."""
    made = compared(day())
    assert (made.requests, made.users, made.cost) == (12, 2, D("1.10"))
    flat, pro, free = (one.margin for one in made.plans)
    assert (flat.revenue, flat.margin) == (D("0.36"), D("-0.74"))
    assert (flat.losing_requests, flat.losing_users) == (2, 1)
    assert flat.rate == D("-2.055555555556")
    # two thirtieths of 3, and (10 - 2) x 0.05; b keeps within the two that his day includes
    assert pro.revenue == D("0.60")
    assert (pro.losing_requests, pro.losing_users) == (2, 1)
    assert (free.revenue, free.requests, free.refused) == (0, 2, 10)
    assert (free.cost, free.refused_cost) == (D("0.51"), D("0.59"))


def test_whole_periods_bill_the_month() -> None:
    """On demand fees and allowances are whole, as if nothing else happened in the month."""
    made = compared(day(), whole_periods=True)
    assert [one.margin.revenue for one in made.plans] == [D("0.36"), D(6), D(0)]
    assert made.plans[2].margin.refused == 0


def test_who_pays_more_than_today() -> None:
    """Against the plan that is recorded on the requests, user by user."""
    made = compared(day())
    assert made.today is not None
    assert made.told == 12
    assert made.today.revenue == D("0.30") + D("0.10")  # a's ten at 0.03, b's thirtieth of 3
    flat, pro, free = (one.against_today for one in made.plans)
    assert flat is not None
    assert pro is not None
    assert free is not None
    assert (flat.more, flat.less, flat.same) == (0, 1, 1)
    assert [(move.user, move.today, move.then) for move in flat.movers] == [
        ("b", D("0.1"), D("0.06"))
    ]
    assert (pro.more, pro.less, pro.same) == (1, 0, 1)
    assert pro.movers[0].change == D("0.20")


def test_a_plan_that_nobody_knows_is_not_a_price_of_zero() -> None:
    """Users with a request under another plan are left out of who pays more."""
    rows = [*day(), *requests(user="a", plan="legacy"), *requests(3, user="c")]
    made = compared(rows)
    assert made.told == 12
    against = made.plans[0].against_today
    assert against is not None
    assert against.more + against.less + against.same == 1
    assert compared([*requests(3, user="c")]).today is None


def test_figures_by_period_sum_to_those_of_all() -> None:
    """A request's revenue falls into the period in which it began."""
    rows = [*day(), *requests(4, user="a", cost="0.02", on=date(2026, 11, 12))]
    made = compared(rows, cycle=Cycle.WEEK)
    for one in made.plans:
        assert [str(part.period) for part in one.margin.periods] == [
            "2026-11-02 to 2026-11-08",
            "2026-11-09 to 2026-11-15",
        ]
        assert total([part.revenue for part in one.margin.periods]) == one.margin.revenue
        assert total([part.cost for part in one.margin.periods]) == one.margin.cost


def test_the_tail_by_nearest_rank() -> None:
    """Of a hundred costs 1, 2 … 100 the 99th percentile is 99; the dearest makes 100 of 5,050."""
    found = tail(Traffic([one for n in range(1, 101) for one in requests(cost=str(n))]))
    assert found is not None
    assert found.quantiles == {"50": 50, "90": 90, "95": 95, "99": 99, "99.9": 100}
    assert (found.largest, found.mean) == (100, D("50.5"))
    assert found.dearest["1"] == D("1.980198019802")
    assert found.dearest["10"] == D("18.910891089109")
    assert found.curve[0] == 0
    assert found.curve[100] == 1
    assert found.curve[50] == D("0.252475247525")  # 1 + … + 50 = 1,275 of 5,050
    assert tail(Traffic([])) is None


def test_break_even_fees() -> None:
    """Cost by request, rounded up; a margin is a part of the revenue."""
    found = break_even(Traffic([*requests(3, cost="0.10")]), random.Random(1), margins=("20", "75"))
    assert found is not None
    assert found.fee == D("0.100000")
    assert found.with_margin == {"20": D("0.125000"), "75": D("0.400000")}
    assert found.at_confidence == {"95": D("0.100000"), "99": D("0.100000")}
    third = break_even(Traffic([*requests(2), *requests(cost="0.10")]), random.Random(1))
    assert third is not None
    assert third.fee == D("0.033334")
    with pytest.raises(
        ConfigurationError, match="margin: 100 % of the revenue would leave nothing"
    ):
        break_even(Traffic([*requests()]), random.Random(1), margins=("100",))


def test_confidence_is_reproducible_and_wider_where_costs_are() -> None:
    """The same seed gives the same fees; a heavy tail asks for more above the mean."""
    even = Traffic([*requests(400, cost="0.10"), *requests(400, cost="0.11")])
    heavy = Traffic([*requests(796, cost="0.001"), *requests(4, cost="20.8")])
    one, again = (break_even(heavy, random.Random(3)) for _ in range(2))
    narrow = break_even(even, random.Random(3))
    assert one is not None
    assert narrow is not None
    assert one == again
    assert one.by == "request"
    assert D("0.104") < one.fee < one.at_confidence["95"] < one.at_confidence["99"]
    assert narrow.fee < narrow.at_confidence["95"] < D("0.106")
    assert one.at_confidence["95"] > D("0.15")


def test_a_confidence_covers_as_often_as_it_says() -> None:
    """Of fees at 95 %, each from a sample of users, about so many cover the cost of the whole."""
    rng = random.Random(11)
    people = [
        [
            *requests(
                rng.randrange(1, 6), user=f"u{n}", cost=str(D(rng.randrange(1, 200)).scaleb(-3))
            )
        ]
        for n in range(3000)
    ]
    rows = [one for own in people for one in own]
    truth = total([one.cost for one in rows]) / len(rows)
    covered = 0
    for _ in range(100):
        drawn = [one for own in rng.sample(people, 200) for one in own]
        found = break_even(Traffic(drawn), rng, confidences=("95",), resamples=200)
        assert found is not None
        assert found.by == "user"
        covered += found.at_confidence["95"] >= truth
    assert 88 <= covered <= 100


def test_a_shift_in_the_mix() -> None:
    """Twice as many of some, every second of others, the same whenever it is asked for."""
    rows = [*requests(5, feature="research"), *requests(6, feature="chat"), *requests(3)]
    shifts = [Shift.parsed("feature=res*:2.4"), Shift.parsed("feature=chat:0.5")]
    mixed = shifted(Traffic(rows), shifts)
    features = [one.owner.feature for one in mixed.requests]
    assert (features.count("research"), features.count("chat"), features.count(None)) == (12, 3, 3)
    assert len({one.request_id for one in mixed.requests}) == 18
    assert shifted(Traffic(rows[::-1]), shifts).requests == mixed.requests
    assert {
        one.owner.feature for one in shifted(Traffic(rows), [Shift.parsed("name=ask:0")]).requests
    } == set()
    double = [Shift.parsed("model=gpt*:2"), Shift.parsed("user=u-1:1.5")]
    assert len(shifted(Traffic(rows), double)) == 42


def test_a_shift_of_no_request_is_told() -> None:
    """With what there is, since the figures would be those of today."""
    traffic = Traffic([*requests(2, feature="research"), *requests(1, feature="chat")])
    with pytest.raises(ConfigurationError) as raised:
        shifted(traffic, [Shift.parsed("feature=resaerch:2")])
    assert str(raised.value) == "mix: no request has feature=resaerch; there are chat, research"
    with pytest.raises(ConfigurationError, match="mix: no request has tenant=a; there are none"):
        shifted(traffic, [Shift.parsed("tenant=a:2")])


@pytest.mark.parametrize(
    "text", ["feature", "feature=x", "mood=x:2", "feature=x:much", "user=a:-1"]
)
def test_a_shift_that_cannot_be(text: str) -> None:
    """Is told with an example of one that can."""
    with pytest.raises(ConfigurationError, match=r"expected FIELD=GLOB:FACTOR such as"):
        Shift.parsed(text)


def test_a_rate_that_matched_no_traffic_is_listed() -> None:
    """With the name that was likely meant."""
    book = PlanBook.from_text("""
[[plan]]
name = "p"
[[plan.charge]]
for = "tokens"
model = "gtp-5"
price = 1
[[plan.charge]]
for = "requests"
feature = "chat"
price = 1
""")
    (one,) = compared([*requests(input=5)], book).plans
    assert one.notes == (
        "Tokens: no recorded model matches 'gtp-5'; did you mean 'gpt-5'?",
        "chat: counted nothing of what was recorded",
    )


def test_plans_in_another_currency_compare_in_that_of_the_book() -> None:
    """Revenue in euro is brought into dollars, true cost into euro."""
    book = PlanBook.from_text("""
[exchange]
EUR = "1.10"
[[plan]]
name = "euro"
currency = "EUR"
[[plan.charge]]
for = "cost"
markup = 50
[[plan.charge]]
for = "requests"
price = "0.10"
""")
    (one,) = compared([*requests(2, cost="1.1")], book).plans
    assert one.margin.revenue == D("3.52")  # (2.00 x 1.5 + 2 x 0.10) EUR x 1.10
    assert one.margin.margin == D("1.32")


def test_accounts_without_requests_pay_their_fees() -> None:
    """Which no request stands behind."""
    book = PlanBook.from_text("""
[[plan]]
name = "p"
[[plan.fee]]
amount = 30
[[account]]
name = "idle"
""")
    (one,) = compared([*requests(user="a", cost="0.5")], book).plans
    assert (one.margin.revenue, one.margin.unshared, one.margin.users) == (D(2), D(1), 1)


def test_text_document_and_picture_say_the_same() -> None:
    """The table, the JSON values and the lines of the picture."""
    made = compared(day(), cycle=Cycle.DAY)
    text = comparison_text(made)
    assert "12 requests of 2 users, 2026-11-02: true cost $1.10" in text
    assert "p50 0.010000  p90 0.500000" in text
    assert "the dearest 0.1 % make 45.5 %, 1 % make 45.5 %" in text
    assert "break-even fee for a request: 0.091667; 0.114584 for a margin of 20 %" in text
    assert (
        "flat                   $0.36      $1.10  -$0.74  -205.6 %          2 (16.7 %)       1 (50.0 %)"
        in text
    )
    assert "free: the refused requests cost $0.59, which is not in the true cost" in text
    document = comparison_document(made)
    assert document["plans"][0]["margin"] == "-0.74"
    assert document["plans"][0]["periods"][0]["revenue"] == "0.36"
    assert document["break_even"]["fee"] == "0.091667"
    assert document["today"]["revenue"] == "0.4"
    picture = comparison_svg(made)
    assert "flat: 0.03 for a request" in picture
    assert "1 % of the requests make 45 %" in picture
    assert picture.count("<polyline") == 2
    assert "No requests were recorded" in comparison_svg(compared([]))
    assert "0 requests of 0 users" in comparison_text(compared([]))


def test_a_picture_is_one_well_formed_document_whatever_plans_are_called() -> None:
    """Names are escaped; nothing is loaded from elsewhere."""
    from xml.etree import ElementTree as ET

    name = '<b> & "pro"'
    plan = Plan(name, charges=(Charge("c", Of.REQUESTS, (Step(D("0.2")),)),))
    picture = comparison_svg(compared(day(), PlanBook((plan,))))
    root = ET.fromstring(picture)
    assert any(f"{name}: 0.2 for a request" == node.text for node in root.iter())
    assert "href" not in picture


def test_what_is_metered_becomes_rows() -> None:
    """Usage and cost by model, charges under their name, what is not priced noted."""
    with metered() as kept:
        with am.request("ask", user="u", feature="chat", plan="pro", tags={"team": "x"}):
            for _ in range(2):
                with am.call(provider="openai", model="gpt-5") as call:
                    call.record(am.Usage(input=1000, output=100))
            am.charge("serpapi.search", usd="0.005")
        with am.request("odd", user="v"), am.call(provider="none", model="unheard-of") as call:
            call.record(am.Usage(input=7))
        with am.call(provider="openai", model="gpt-5") as call:
            call.record(am.Usage(input=1000))
        report = kept.report()
    traffic = traffic_of(report, "USD", BOOK.rate)
    one, odd = traffic.requests
    assert one.owner == Owner("u", None, "chat", "pro", {"team": "x"})
    assert (one.name, one.status, one.complete) == ("ask", Status.OK, True)
    assert one.uses == (
        Use("gpt-5", ("input", "output"), (2000, 200), D("0.0045")),
        Use("serpapi.search", ("charge",), (1,), D("0.005")),
    )
    assert (odd.uses[0].counts, odd.cost, odd.complete) == ((7,), 0, False)
    assert traffic.tokens == [2200, 7]
    assert report.unattributed is not None
    assert converted(report.unattributed.amounts, BOOK.rate) == D("0.00125")
    assert total([traffic.cost, D("0.00125")]) == report.amounts["USD"]


def test_traffic_in_a_currency_without_a_rate_is_refused() -> None:
    """With what to add to the plans."""
    with metered() as kept:
        with am.request(user="u"):
            am.charge("local.search", amount="0.01", currency="EUR")
        report = kept.report()
    with pytest.raises(PlanError, match="there is no rate from EUR to USD"):
        traffic_of(report, "USD", BOOK.rate)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 10**6)), max_size=30))
def test_a_comparison_depends_on_neither_order_nor_context(found: list[tuple[str, int]]) -> None:
    """And revenue less cost is the margin, plan by plan."""
    rows = [
        replace(one, request_id=f"r{at:02}")
        for at, (user, cost) in enumerate(found)
        for one in requests(user=user, cost=str(D(cost).scaleb(-6)))
    ]
    made = compared(rows)
    with localcontext(prec=4):
        assert compared(rows[::-1]) == made
    for one in made.plans:
        assert one.margin.margin + one.margin.cost == one.margin.revenue
        assert one.margin.cost + one.margin.refused_cost == made.cost


def test_a_fee_by_the_month_over_two_recorded_days() -> None:
    """Two thirtieths, exactly, where a third of a cent is left: parts are of 10^-12."""
    plan = Plan("p", fees=(Fee("f", D("0.01")),))
    rows = [*requests(user="a"), *requests(user="a", on=date(2026, 11, 3))]
    (one,) = compared(rows, PlanBook((plan,))).plans
    assert one.margin.revenue == D("0.000666666667")


def test_a_user_whose_name_would_steer_a_terminal_is_escaped() -> None:
    """In the table of those who pay more or less."""
    rows = [*requests(5, user="\x1b[2Jx", plan="free", cost="0.01")]
    assert "\\x1b[2Jx" in comparison_text(compared(rows))
