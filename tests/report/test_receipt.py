"""Receipts: what users are told, what they are not, and what they are charged."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import agentmeter as am
from agentmeter.exceptions import ConfigurationError, PlanError
from agentmeter.model import Owner
from agentmeter.model.money import CONTEXT
from agentmeter.pricing.plans import LineKind, PlanBook, PricedRequest, Traffic, Use, bill
from agentmeter.report.public_names import names_from_file
from agentmeter.report.receipt import Action, Outcome, Receipt, Work
from agentmeter.report.receipt_charge import AllowanceUse, Charged, plan_charge
from agentmeter.report.receipt_words import duration, money
from agentmeter.testing import Kept

BOOK = PlanBook.from_text(
    """
[[plan]]
name = "pro"
tax = "19"
[[plan.fee]]
amount = 20
[[plan.charge]]
name = "Answers"
for = "requests"
allowance = 1
price = "0.05"

[[plan]]
name = "at cost"
[[plan.charge]]
name = "Usage"
for = "cost"
markup = "50"
"""
)
SECRETS = ("planner-v7", "serpapi.search", "gpt-5", "openai", "acme", "t-9", "0.02785", "0.005")


def ask(plan: str = "pro", **given: Any) -> Any:
    """A request that plans, searches twice and asks a model."""
    with am.request(
        "ask", user="u", plan=plan, feature="research", tenant="acme", tags={"team": "t-9"}, **given
    ) as request:
        with am.agent("planner-v7"), am.call(provider="openai", model="gpt-5") as call:
            call.record(am.Usage(input=8120, output=770))
        for _ in range(2):
            with am.tool("search"):
                am.charge("serpapi.search", usd="0.005")
    return request


def test_the_text_of_a_receipt(meter: Kept) -> None:
    """What was asked, done, how much work it was and what it costs, in plain words."""
    ask()
    request = ask()
    book_rows = [row_of(one) for one in meter.report().requests]
    charge = plan_charge(BOOK, "pro", book_rows[1], book_rows)
    made = request.receipt(public_names={"search": "Web search"})
    assert str(replace(made, charge=charge)) == (
        "Receipt\n\n"
        "What you asked for\n"
        "  Request:  research\n"
        "  When:     2026-09-21 14:13 UTC\n"
        "  Outcome:  Done\n"
        f"  Number:   {request.id}\n\n"
        "What was done for you\n"
        "  a step\n"
        "  Web search, twice\n"
        "  asked an AI model once\n\n"
        "How much work it was\n"
        "  Read:               about 6,100 words (8,120 tokens)\n"
        "  Thought and wrote:  about 580 words (770 tokens)\n"
        "  Time:               less than 0.1 seconds\n\n"
        "What it cost you\n"
        "  Your plan:                         pro\n"
        "  Charge:                            $0.05, and 19 % tax\n"
        "  Answers, beyond what is included:  $0.05 for 1 request\n"
        "  Answers, included:                 0 requests used by this, 0 left\n"
        "  What you pay for the period as a whole is not part of this."
    )


def row_of(report: Any) -> PricedRequest:
    from agentmeter.report.traffic import row_in

    return row_in(report, BOOK)


def test_nothing_internal_is_told(meter: Kept) -> None:
    """No name, model, provider, price, cost, tenant or tag is in any form of a plain receipt."""
    made = ask().receipt(plans=BOOK)
    told = f"{made} {made.to_json()}"
    assert [secret for secret in SECRETS if secret in told] == []
    assert made.actions == (Action("a step", "step", 1), Action("a tool", "tool", 2))
    assert made.work == Work(1, 8120, 770, made.work.duration_ns)


@pytest.mark.parametrize(
    ("switch", "told"),
    [
        ("show_names", {"planner-v7"}),
        ("show_cost", {"0.02785"}),
        ("show_models", {"gpt-5"}),
        ("show_prices", {"gpt-5", "serpapi.search", "0.005"}),
        ("show_margin", {"0.02785"}),
        ("show_owner", {"acme", "t-9"}),
    ],
)
def test_each_switch_tells_one_thing(meter: Kept, switch: str, told: set[str]) -> None:
    """What is switched on is told, and nothing else with it."""
    made = ask().receipt(plans=BOOK, **{switch: True})
    for text in (str(made), str(made.to_json())):
        assert {secret for secret in SECRETS if secret in text} == told


def test_without_a_plan_there_is_no_word_of_money(meter: Kept) -> None:
    """No plans, or a plan of the owner's that they do not have: work only."""
    for made in (ask().receipt(), ask("unheard of").receipt(plans=BOOK)):
        assert made.charge is None
        assert "$" not in str(made)
        assert "cost" not in str(made)


def test_a_plan_that_is_asked_for_and_is_none_is_refused(meter: Kept) -> None:
    """The message lists those there are."""
    request = ask()
    with pytest.raises(PlanError, match="there is no plan 'gold'; there are pro, at cost"):
        request.receipt(plans=BOOK, plan="gold")


def test_a_request_that_runs_says_so(meter: Kept) -> None:
    """Under way every figure is at least what it says."""
    with am.request("ask", user="u", plan="at cost") as request:
        with am.call(provider="openai", model="gpt-5") as call:
            call.record(am.Usage(input=1000))
        current = am.current()
        assert current is not None
        made = current.receipt(plans=BOOK)
    assert (made.outcome, made.at_least) == (Outcome.RUNNING, True)
    assert made.charge is not None
    assert made.charge.at_least
    assert "Not finished when this receipt was written" in str(made)
    assert "at least 750 words (1,000 tokens)" in str(made)
    assert "Charge:     at least $0.001875" in str(made)
    assert not request.receipt(plans=BOOK).at_least


def test_a_request_that_is_priced_in_part_says_so(meter: Kept) -> None:
    """A model without a price makes a charge by cost a lower bound, and one by request none."""
    with am.request("ask", user="u", plan="at cost") as request:
        with am.call(provider="nobody", model="unheard-of") as call:
            call.record(am.Usage(input=10))
        with am.call(provider="openai", model="gpt-5") as call:
            call.record(am.Usage(input=1000))
    by_cost, by_request = (request.receipt(plans=BOOK, plan=name) for name in ("at cost", "pro"))
    assert by_cost.charge is not None
    assert by_request.charge is not None
    assert (by_cost.charge.at_least, by_request.charge.at_least) == (True, False)
    assert "Charge:     at least $0.001875" in str(by_cost)
    made = request.receipt(show_cost=True)
    assert "True cost:  at least $0.00125" in str(made)


def test_a_failure_is_told_without_its_error(meter: Kept) -> None:
    """That it failed, and not with what."""
    with pytest.raises(KeyError), am.request("ask") as request:
        raise KeyError("secret")
    assert request.receipt().outcome is Outcome.FAILED
    assert "KeyError" not in str(request.receipt())


def priced(number: int, cost: str = "0.10", user: str = "u", plan: str = "pro") -> PricedRequest:
    """The request of a day of November 2026."""
    at = 1_793_491_200_000_000_000 + number * 3_600_000_000_000
    use = Use("m", ("input",), (number * 100,), Decimal(cost))
    return PricedRequest(f"{number:04d}", Owner(user, plan=plan), at, uses=(use,))


def test_a_charge_depends_on_what_was_before_and_on_nothing_after() -> None:
    """The first is in the allowance and the second beyond it, whatever else is on record."""
    rows = [priced(3), priced(1, user="other"), priced(2), priced(1)]
    charges = [plan_charge(BOOK, "pro", priced(number), rows) for number in (1, 2)]
    assert [(one.amount, one.allowances, one.lines) for one in charges if one] == [
        (Decimal(0), (AllowanceUse("Answers", "request", Decimal(1), Decimal(0)),), ()),
        (
            Decimal("0.05"),
            (AllowanceUse("Answers", "request", Decimal(0), Decimal(0)),),
            (Charged("Answers", Decimal(1), "request", Decimal("0.05"), beyond=True),),
        ),
    ]


WIDE = PlanBook.from_text(
    """
[[plan]]
name = "everything"
included = "0.30"
cap = "2"
minimum = "1"
trial_days = 1
[[plan.limit]]
most = 3
within = "2h"
[[plan.fee]]
amount = 5
[[plan.charge]]
name = "Tokens"
for = "tokens"
per = 1
allowance = 600
rollover = 1
steps = [{up_to = 1000, price = "0.001"}, {price = "0.0005"}]
[[plan.charge]]
name = "Packs"
for = "requests"
per = 3
whole = true
price = "0.07"
"""
)


@given(st.lists(st.integers(0, 24 * 60), unique=True, min_size=1, max_size=25))
def test_receipts_sum_to_what_invoices_charge_for_usage(hours: list[int]) -> None:
    """Fees and minimums aside, to the last digit: no request is charged twice or for another."""
    rows = [priced(hour) for hour in hours]
    charges = [plan_charge(WIDE, "everything", row, rows) for row in rows]
    invoices = bill(WIDE.plans[0], Traffic(rows), {}).invoices
    by_period: dict[Any, Decimal] = {}
    for charge in charges:
        assert charge is not None
        so_far = by_period.get(charge.period, Decimal(0))
        by_period[charge.period] = CONTEXT.add(so_far, charge.amount)
    apart = (LineKind.FEE, LineKind.MINIMUM)
    assert by_period == {
        one.period: sum(line.amount for line in one.lines if line.kind not in apart)
        for one in invoices
    }
    assert sum(not charge.covered for charge in charges if charge) == sum(
        len(one.refused) for one in invoices
    )


def test_a_trial_an_included_amount_and_a_refusal_are_told() -> None:
    """Free in the trial; then the plan's money pays; beyond the limit there is no charge."""
    rows = [priced(1), *(priced(hour) for hour in (48, 49, 50)), priced(52)]
    first, second = (plan_charge(WIDE, "everything", rows[at], rows) for at in (0, 1))
    assert first is not None
    assert second is not None
    assert (first.trial, first.amount) == (True, Decimal(0))
    assert [(line.what, line.amount) for line in second.lines] == [
        ("Tokens", Decimal("2.61")),  # 4,800 less 29/30 of 600: 1,000 at 0.001, 3,220 at 0.0005
        ("Packs", Decimal("0.07")),
        ("Included usage", Decimal("-0.29")),
        ("Cap on usage", Decimal("-0.456666666666")),
    ]
    assert second.amount == Decimal("1.933333333334")
    crowded = [priced(48), *(replace(priced(48), request_id=f"x{n}") for n in range(3))]
    refused = plan_charge(WIDE, "everything", crowded[3], crowded)
    assert refused is not None
    assert (refused.covered, refused.amount) == (False, Decimal(0))


def test_a_plan_that_does_not_hold_on_the_day_charges_nothing() -> None:
    """Versions hold for their days; outside of all there is no charge to tell of."""
    book = PlanBook.from_text(
        '[[plan]]\nname="p"\nuntil=2026-01-01\n[[plan.charge]]\nfor="requests"\nprice=1\n'
    )
    assert plan_charge(book, "p", priced(1), []) is None


def test_an_account_is_a_tenant_where_the_plan_says_so() -> None:
    """Requests of all of a tenant's users come before."""
    text = '[[plan]]\nname="p"\naccount="tenant"\n[[plan.charge]]\nname="A"\nfor="requests"\n'
    book = PlanBook.from_text(f'{text}allowance=2\nprice=1\n[[account]]\nname="acme"\n')
    rows = [
        replace(priced(number), owner=Owner(f"u{number}", tenant="acme")) for number in range(1, 4)
    ]
    charges = [plan_charge(book, "p", row, rows) for row in rows]
    assert [one.amount for one in charges if one] == [0, 0, 1]


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        ("0", "USD", "$0.00"),
        ("1234.5", "USD", "$1,234.50"),
        ("-0.02785", "EUR", "-0.02785 EUR"),
        ("0.0000001", "USD", "less than $0.000001"),
        ("0.1234567", "USD", "$0.123457"),
    ],
)
def test_money_in_words(amount: str, currency: str, text: str) -> None:
    """Two places at least and six at most; what is less is not called nothing."""
    assert money(Decimal(amount), currency) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        ("0.04", "less than 0.1 seconds"),
        ("3.26", "3.3 seconds"),
        ("61", "1 minute 1 second"),
        ("7322", "2 hours 2 minutes"),
    ],
)
def test_durations_in_words(seconds: str, text: str) -> None:
    """Tenths of seconds, then minutes, then hours."""
    assert duration(Work(0, 0, 0, int(Decimal(seconds) * 10**9))) == text


def test_public_names_are_read_from_toml(tmp_path: Path) -> None:
    """A file with a table of names; what is none is refused with file and name."""
    file = tmp_path / "names.toml"
    file.write_text('[public_names]\n"serpapi.search" = "Web search"\n')
    assert names_from_file(file) == {"serpapi.search": "Web search"}
    file.write_text('[public_names]\nsearch = ""\n')
    with pytest.raises(ConfigurationError, match=r"names\.toml: 'search': expected the text"):
        names_from_file(file)
    file.write_text("names = 3\n")
    with pytest.raises(
        ConfigurationError, match=r"names\.toml, line 1: public_names: write \[public_nam"
    ):
        names_from_file(file)


def test_a_live_receipt_knows_what_the_journal_has_of_the_account(tmp_path: Path) -> None:
    """Plans and names as configured; the allowance was used by a request that has ended."""
    (tmp_path / "plans.toml").write_text(
        '[[plan]]\nname="pro"\n[[plan.charge]]\nname="A"\nfor="requests"\nallowance=1\nprice="0.05"'
    )
    am.configure(
        directory=tmp_path / "journal",
        plans=tmp_path / "plans.toml",
        public_names={"ask": "Your question"},
    )
    try:
        charges = []
        for user in ("a", "b", "a", "a"):
            with am.request("ask", user=user, plan="pro") as request:
                pass
            made: Receipt = request.receipt()
            assert made.charge is not None
            charges.append((made.asked, made.charge.amount))
    finally:
        am.configure(journal=False, plans="", public_names={})
    amounts = [Decimal(0), Decimal(0), Decimal("0.05"), Decimal("0.05")]
    assert charges == [("Your question", amount) for amount in amounts]


def test_a_margin_says_what_it_does_not_know() -> None:
    """Where a part of the cost is not known less may be left, and where the charge grows with it
    nobody knows.
    """
    one = PricedRequest(
        "1", Owner(user="u"), 1_790_000_000_000_000_000, "ask",
        uses=(Use("gpt-5", ("input",), (1000,), Decimal("0.02")),), complete=False,
    )  # fmt: skip
    fixed, at_cost = (plan_charge(BOOK, name, one, ()) for name in ("pro", "at cost"))
    assert fixed is not None
    assert (fixed.margin, fixed.margin_at_most, fixed.at_least) == (Decimal("-0.02"), True, False)
    assert at_cost is not None
    assert (at_cost.margin, at_cost.at_least) == (None, True)
