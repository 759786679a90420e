"""Plans that cannot be: told when they are loaded, by file, line and field."""

from decimal import Decimal

import pytest

from agentmeter.exceptions import PlanError
from agentmeter.pricing import RateCard
from agentmeter.pricing.known import KnownModels
from agentmeter.pricing.plans import PER_REQUEST, Allowance, Charge, Fee, Of, Plan, PlanBook, Step

HEAD = '[[plan]]\nname = "pro"\n'
FEE = "[[plan.fee]]\namount = 20\n"
CHARGE = HEAD + '[[plan.charge]]\nfor = "requests"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: plan: there is none; write [[plan]] and a name below it"),
        ("[[plan]\n", "line 1: not TOML: "),
        ("plan = 3\n", "line 1: plan: write [[plan]] with two brackets above each of them"),
        ('curency = "USD"\n', "line 1: curency: unknown field; did you mean 'currency'?"),
        ('currency = "dollar"\n', "line 1: currency: expected a code such as 'USD', got 'dollar'"),
        ("[[plan]]\n" + FEE, "line 1: name: a plan needs one"),
        (HEAD, "line 1: charge: the plan charges nothing; add [[plan.fee]] or [[plan.charge]]"),
        (HEAD + 'acount = "user"\n' + FEE, "line 3: acount: unknown field; did you mean 'account'?"),
        (HEAD + 'account = "team"\n' + FEE, "line 3: account: expected one of user, tenant, all"),
        (HEAD + 'period = "year"\n' + FEE, "line 3: period: expected one of day, week, month, all"),
        (HEAD + "cap = -1\n" + FEE, "line 3: cap: cannot be negative, got -1"),
        (HEAD + 'cap = "1e400"\n' + FEE, "line 3: cap: expected a number below 10^15, with 15 decimal"),
        (HEAD + 'minimum = "1e-16"\n' + FEE, "line 3: minimum: expected a number below 10^15, with 15"),
        (HEAD + f"trial_days = {10**15}\n" + FEE, "line 3: trial_days: expected a number below 10^15"),
        (HEAD + "tax = 0.19\n" + FEE, 'line 3: tax: 0.19 is a binary fraction; write it as text: "0.19"'),
        (HEAD + "from = 2026-02-01\nuntil = 2026-01-01\n" + FEE, "line 4: until: must be later than from"),
        (HEAD + 'from = "soon"\n' + FEE, "line 3: from: expected a date such as 2026-01-01"),
        (HEAD + "trial_days = -1\n" + FEE, "line 3: trial_days: expected a count, got -1"),
        (HEAD + "[[plan.fee]]\nname = 'x'\n", "line 3: amount: a fee needs one"),
        (HEAD + FEE + "seats_least = 3\n", "line 5: seats_least: the fee is not per seat"),
        (HEAD + FEE + HEAD + FEE, "line 6: name: overlaps an earlier plan 'pro' that never ends"),
        (
            HEAD + "until = 2026-07-01\n" + FEE + HEAD + "from = 2026-06-01\n" + FEE,
            "line 8: from: overlaps an earlier plan 'pro' that ends 2026-07-01",
        ),
        (HEAD + FEE + '[[plan.limit]]\nmost = 5\nwithin = "a while"\n', "line 7: within: expected a time"),
        (HEAD + FEE + '[[plan.limit]]\nmost = 0\nwithin = "5h"\n', "line 5: limit: most and within must"),
        (CHARGE + "allowance = -3\n", "line 5: allowance: cannot be negative, got -3"),
        (CHARGE, "line 3: price: the charge has neither a price nor an allowance"),
        (CHARGE + 'price = "cheap"\n', "line 5: price: 'cheap' is not a decimal number"),
        (CHARGE + "price = 1\nmarkup = 2\n", "line 6: markup: the charge has a price already"),
        (CHARGE + "markup = 2\n", 'line 5: markup: goes with for = "cost"'),
        (CHARGE + "price = 1\nrollover = 2\n", "line 6: rollover: there is no allowance"),
        (CHARGE + "allowance = 1\nrollover_most = 2\n", "line 6: rollover_most: there is no rollover"),
        (CHARGE + 'price = 1\nmodel = "gpt-[5"\n', "line 6: model: the pattern 'gpt-[5' has a bracket"),
        (CHARGE + "price = 1\nper = 3\n", "line 6: per: a power of ten unless only whole lots"),
        (CHARGE + "price = 1\nabove_tokens = 9\nup_to_tokens = 9\n", "line 7: up_to_tokens: must be larger"),
        (CHARGE + 'steps = [{up_to = 9, price = "1"}]\n', "line 5: steps: never end; leave up_to out"),
        (
            CHARGE + 'steps = [{up_to = 9, price = "1"}, {up_to = 5, price = "2"}, {price = "3"}]\n',
            "line 5: steps: overlap; each up_to must be larger than the one before it",
        ),
        (
            CHARGE + 'steps = [{price = "1"}, {price = "3"}]\n',
            "line 5: steps: overlap; only the last may be without up_to",
        ),
        (CHARGE + "input = 1\n", 'line 5: input: own rates go with for = "tokens"'),
        (
            CHARGE + "price = 1\n[[plan.charge.weight]]\nmodel = 'x'\n",
            "line 6: weight: says nothing; add request = 1",
        ),
        (
            CHARGE + "price = 1\n[[plan.charge.weight]]\noutput = 1\n",
            'line 7: output: meters are weighed for = "credits" alone',
        ),
        (
            HEAD + '[[plan.charge]]\nfor = "credits"\nprice = 1\n[[plan.charge.weight]]\noutptu = 1\n',
            "line 7: outptu: unknown meter 'outptu'. Did you mean 'output'?",
        ),
        (HEAD + '[[plan.charge]]\nfor = "credits"\nprice = 1\n', "line 3: weight: credits need at least one"),
        (HEAD + "[[plan.charge]]\nprice = 1\n", "line 3: for: what is charged for? One of requests"),
        (
            HEAD + '[[plan.charge]]\nfor = "tokens"\ninput = 1\nallowance = 9\n',
            "line 6: allowance: input and output have prices of their own; allow credits instead",
        ),
        (HEAD + 'currency = "EUR"\n' + FEE, "line 3: currency: EUR cannot be compared in USD"),
        ("[exchange]\nEUR = 0\n" + HEAD + FEE, "line 2: EUR: expected what one EUR is worth in USD"),
        ("[[account]]\nseats = 3\n" + HEAD + FEE, "line 1: name: an account needs one"),
        (
            '[[account]]\nname = "a"\n[[account]]\nname = "a"\n' + HEAD + FEE,
            "line 4: name: 'a' is there already",
        ),
    ],
)  # fmt: skip
def test_bad_input_is_told_by_file_line_and_field(text: str, message: str) -> None:
    """When plans are loaded, with what to do."""
    with pytest.raises(PlanError) as raised:
        PlanBook.from_text(text, "plans.toml")
    assert str(raised.value).startswith(f"plans.toml, {message}"), str(raised.value)


def test_a_plan_in_toml_is_the_value_that_it_says() -> None:
    """Fee, allowance and price, with their defaults."""
    text = CHARGE + 'allowance = 300\nprice = "0.04"\n' + FEE
    charge = Charge(
        "Requests", Of.REQUESTS, (Step(Decimal("0.04")),),
        weights=PER_REQUEST, allowance=Allowance(Decimal(300)),
    )  # fmt: skip
    plan = Plan("pro", fees=(Fee("Subscription", Decimal(20)),), charges=(charge,))
    assert PlanBook.from_text(text).plans == (plan,)


def test_lines_are_found_in_the_second_of_two_plans() -> None:
    """Tables of tables are told apart."""
    good = CHARGE + "price = 1\n[[plan.charge.weight]]\nrequest = 1\n"
    bad = good.replace("pro", "max").replace("request = 1", "request = -1")
    with pytest.raises(PlanError, match=r"^p, line 14: request: cannot be negative, got -1$"):
        PlanBook.from_text(good + bad, "p")


def test_values_refuse_what_cannot_be() -> None:
    """A plan made in Python is checked as one that is read."""
    with pytest.raises(PlanError, match="account: one of user, tenant, all; got 'team'"):
        Plan("p", account="team")
    with pytest.raises(PlanError, match="cap: cannot be negative"):
        Plan("p", cap=Decimal(-1))


def test_a_book_says_which_plans_and_rates_there_are() -> None:
    """An unknown plan or currency is told with what to do."""
    book = PlanBook.from_text(HEAD + FEE)
    with pytest.raises(PlanError, match="there is no plan 'max'; there are pro"):
        book.versions("max")
    with pytest.raises(
        PlanError, match=r'there is no rate from EUR to USD; add EUR = "…" to \[exchange\]'
    ):
        book.rate("EUR")


def test_a_model_that_has_no_price_is_refused_where_models_are_known() -> None:
    """A charge for it would never count anything; own models and tools are named at the top."""
    card = RateCard.from_text('[[self_hosted]]\nmodel = "llama*"\ngpus = 1\nper_hour = "4"\n')
    known = KnownModels(card)
    names = (
        "gpt-5*", "*opus*", "GPT-5-2025-08-07", "us.anthropic.claude-opus-4-5-*", "mistral-large",
        "llama-70b", "*",
    )  # fmt: skip
    for name in names:
        PlanBook.from_text(CHARGE + f'price = 1\nmodel = "{name}"\n', models=known)
    bad = CHARGE + 'price = 1\n[[plan.charge.weight]]\nmodel = "gtp-5-mini*"\nrequest = 2\n'
    message = (
        "p, line 7: model: no model that has a price matches 'gtp-5-mini*'; did you mean "
        "'gpt-5-mini'? One of your own is named at the top of the file: models = [\"gtp-5-mini*\"]"
    )
    with pytest.raises(PlanError) as raised:
        PlanBook.from_text(bad, "p", known)
    assert str(raised.value) == message
    PlanBook.from_text('models = ["gtp-5*"]\n' + bad, "p", known)
    with pytest.raises(PlanError, match=r"^p, line 1: models: expected a list of texts such as"):
        PlanBook.from_text('models = "gtp-5*"\n' + bad, "p", known)
