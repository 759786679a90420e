"""Allocations: what a period's whole comes to, and who gets which part of it."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmeter.exceptions import ConfigurationError
from agentmeter.model import Usage
from agentmeter.model.money import plain
from agentmeter.pricing.allocation.reading import rules_from_file, rules_from_text
from agentmeter.pricing.allocation.rule import Rule, Used
from agentmeter.pricing.allocation.sharing import UNSHARED, allocate
from agentmeter.pricing.allocation.terms import Capacity, Commitment, Credit, Fixed, Step, Volume

DAY = 86_400_000_000_000
OCTOBER = 1_790_812_800_000_000_000  # 2026-10-01T00:00:00Z
HEAD = '[[allocation]]\nname = "n"\nfrom = 2026-10-01\nuntil = 2026-11-01\n'


def used(who: str, cost: str, day: int = 0, tokens: int = 0, **more: object) -> Used:
    at = OCTOBER + day * DAY
    facts: dict[str, object] = {"provider": "openai", "model": "gpt-5", "ended_ns": at + 10**9}
    meter = "input" if tokens else "request"
    return Used(
        who,
        started_ns=at,
        usage=Usage(input=tokens),
        amounts={meter: Decimal(cost)},
        **{**facts, **more},  # type: ignore[arg-type]
    )


def parts(text: str, *leaves: Used) -> dict[str, list[str]]:
    lines = allocate(rules_from_text(text, "rules.toml"), leaves)
    return {who: [plain(line.amount) for line in found] for who, found in lines.items()}


STEPS = 'kind = "volume"\nsteps = [{ above = 0, percent = 0 }, { above = 100, percent = "10" }]\n'


def test_graduated_steps_are_for_what_lies_in_each() -> None:
    """150 spent: 10% of the 50 above 100 are 5, shared 2:1 by cost."""
    assert parts(HEAD + STEPS, used("a", "100"), used("b", "50")) == {
        "a": ["-3.333333333333"],
        "b": ["-1.666666666667"],
    }


def test_all_units_steps_are_for_everything_once_they_are_reached() -> None:
    """150 spent: 10% of it; exactly 100 is not above 100."""
    all_units = HEAD + STEPS + 'mode = "all_units"\n'
    assert parts(all_units, used("a", "100"), used("b", "50")) == {"a": ["-10"], "b": ["-5"]}
    assert parts(all_units, used("a", "100")) == {}


def test_steps_by_price_replace_what_the_tokens_cost_by_themselves() -> None:
    """3M tokens at 2 up to 1M and 1 above cost 4; they were priced at 6."""
    steps = "steps = [{ above = 0, price = 2 }, { above = 1_000_000, price = 1 }]\n"
    text = HEAD + 'kind = "volume"\nmeasure = "tokens"\nby = "tokens"\n' + steps
    leaves = used("a", "4", tokens=2_000_000), used("b", "2", tokens=1_000_000)
    assert parts(text, *leaves, used("c", "7")) == {
        "a": ["-1.333333333333"],
        "b": ["-0.666666666667"],
    }


def test_percent_steps_by_tokens_take_their_part_of_the_cost() -> None:
    """A quarter of 4,000 tokens lies above 3,000: 20% off a quarter of 8."""
    steps = "steps = [{ above = 0, percent = 0 }, { above = 3000, percent = 20 }]\n"
    text = HEAD + 'kind = "volume"\nmeasure = "input"\n' + steps
    assert parts(text, used("a", "8", tokens=4000)) == {"a": ["-0.4"]}


def test_the_shortfall_of_a_commitment_counts_volume_rebates() -> None:
    """200 committed, 150 spent less a rebate of 5: 55 are missing, whatever stands first."""
    commit = '[[allocation]]\nname = "c"\nkind = "commitment"\namount = "200"\nby = "requests"\n'
    text = commit + "from = 2026-10-01\nuntil = 2026-11-01\n" + HEAD + STEPS + 'quantum = "0.01"\n'
    assert parts(text, used("a", "100"), used("b", "50")) == {
        "a": ["-3.33", "27.5"],
        "b": ["-1.67", "27.5"],
    }


def test_a_rebate_of_a_year_counts_once_among_the_commitments_of_its_months() -> None:
    """One request in both months, such as work that belongs to none: half of 100 each month."""
    span = ((OCTOBER, OCTOBER + 2 * DAY),)
    months = ((OCTOBER, OCTOBER + DAY), (OCTOBER + DAY, OCTOBER + 2 * DAY))
    volume = Rule("v", Volume("cost", (Step(Decimal(0), percent=Decimal(50)),)), span)
    committed = Rule("c", Commitment((Decimal(60), Decimal(60))), months)
    lines = allocate([committed, volume], [used("a", "100"), used("a", "100", day=1)])
    told = [(line.name, plain(line.amount)) for line in lines["a"]]
    assert told == [("v", "-100"), ("c", "10"), ("c", "10")]


def test_a_commitment_for_longer_is_spread_over_its_months_by_days() -> None:
    """6,100 for October and November of 61 days: 3,100 and 3,000."""
    text = """[[allocation]]
name = "upfront"
kind = "commitment"
from = 2026-10-01
until = 2026-12-01
every = "month"
total = "6100"
"""
    assert parts(text, used("a", "100"), used("b", "1000", day=31)) == {
        "a": ["3000"],
        "b": ["2000"],
    }


def test_credits_are_used_in_order_and_expire() -> None:
    """The one that expires first is used first, by the calls as they come, while it lasts."""
    text = """
[[allocation]]
name = "long"
kind = "credit"
amount = "10"
from = 2026-10-01
until = 2027-01-01

[[allocation]]
name = "short"
kind = "credit"
amount = "10"
from = 2026-10-01
until = 2026-10-03
"""
    leaves = used("a", "6"), used("b", "3", day=1), used("c", "12", day=2)
    assert parts(text, *leaves) == {"a": ["-6"], "b": ["-3"], "c": ["-10"]}
    lines = allocate(rules_from_text(text), leaves)
    assert [(one.name, one.note) for one in (lines["b"][0], lines["c"][0])] == [
        ("short", "9 of 10 used"),
        ("long", "10 of 10 used"),
    ]


def test_idle_capacity_is_what_the_calls_have_not_covered() -> None:
    """2 GPUs at 1.50 for 24 hours are 72; calls covered 60, so that 12 are idle."""
    text = """[[allocation]]
name = "llama"
kind = "capacity"
model = "llama*"
from = 2026-10-01
until = 2026-10-02
gpus = 2
per_hour = "1.50"
by = "busy_seconds"
"""
    busy = used("a", "45", model="llama-4"), used("b", "15", model="Llama-4")
    assert parts(text, *busy, used("a", "9")) == {"a": ["6"], "b": ["6"]}
    (line,) = allocate(rules_from_text(text), busy)["a"]
    assert (line.note, line.weight, line.of) == ("idle: 72 paid, 60 by calls", 10**9, 2 * 10**9)


def test_calls_that_ran_at_once_are_given_back_what_they_did_not_cost() -> None:
    """Each was priced as if alone, 80 in all; the capacity cost 72."""
    text = HEAD + 'kind = "capacity"\namount = "72"\n'
    assert parts(text, used("a", "60"), used("b", "20")) == {"a": ["-6"], "b": ["-2"]}


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("cost", {"a": ["60"], "b": ["30"]}),
        ("tokens", {"a": ["30"], "b": ["60"]}),
        ("input", {"a": ["30"], "b": ["60"]}),
        ("calls", {"a": ["22.5"], "b": ["67.5"]}),
        ("requests", {"a": ["45"], "b": ["45"]}),
        ("busy_seconds", {"a": ["45"], "b": ["45"]}),
        ("page", {UNSHARED: ["90"]}),
    ],
)
def test_a_fixed_amount_by_each_key(by: str, expected: dict[str, list[str]]) -> None:
    """What nobody used any of is not lost: the whole stands by itself."""
    text = HEAD + f'kind = "fixed"\namount = "90"\nby = "{by}"\n'
    leaves = used("a", "2", tokens=100), used("b", "1", tokens=200, calls=3)
    assert parts(text, *leaves) == expected


def test_a_whole_that_nobody_took_part_in_says_why() -> None:
    """A month without traffic still costs its fee."""
    (line,) = allocate(rules_from_text(HEAD + 'kind = "fixed"\namount = "90"\n'), ())[UNSHARED]
    note = "90 for the period; not shared out: no cost in the period to share it by"
    assert (plain(line.amount), line.note) == ("90", note)


def test_a_rule_is_about_its_provider_model_currency_and_period() -> None:
    """Everything else has no part in it."""
    text = HEAD + 'kind = "fixed"\namount = 1\nprovider = "azure"\nmodel = "gpt*"\n'
    others = (
        used("a", "1"),
        used("b", "1", provider="azure", model="o3"),
        used("c", "1", provider="azure", currency="EUR"),
        used("d", "1", day=31, provider="azure"),
    )
    assert parts(text, *others, used("e", "1", provider="azure.openai")) == {"e": ["1"]}


AMOUNT = st.decimals(0, 1000, places=5)
LEAVES = st.lists(
    st.builds(
        used,
        st.sampled_from("abcd"),
        AMOUNT.map(str),
        st.integers(0, 40),
        st.integers(0, 5000),
        model=st.sampled_from(["gpt-5", "llama-4"]),
        currency=st.sampled_from(["USD", "USD", "EUR"]),
    ),
    max_size=12,
)
TERMS = st.one_of(
    st.builds(Fixed, AMOUNT),
    st.builds(Credit, AMOUNT),
    st.builds(Capacity, AMOUNT),
    st.builds(lambda amount: Commitment((amount,) * 2), AMOUNT),
    st.builds(
        lambda mode, measure, percents: Volume(
            measure,
            tuple(Step(Decimal(n * 700), percent=Decimal(p)) for n, p in enumerate(percents)),
            mode,
        ),
        st.sampled_from(["graduated", "all_units"]),
        st.sampled_from(["cost", "tokens", "calls", "input"]),
        st.lists(st.integers(0, 100), min_size=1, max_size=3),
    ),
)
PERIODS = ((OCTOBER, OCTOBER + 20 * DAY), (OCTOBER + 20 * DAY, OCTOBER + 31 * DAY))
RULES = st.lists(
    st.builds(
        Rule,
        st.sampled_from("xyz"),
        TERMS,
        st.just(PERIODS),
        st.sampled_from(["cost", "tokens", "calls", "requests", "busy_seconds", "input"]),
        st.none(),
        st.sampled_from(["*", "gpt*", "llama*"]),
        quantum=st.sampled_from([-12, -6, -2, 0]),
    ),
    max_size=4,
    unique_by=lambda rule: rule.name,
)


@given(RULES, LEAVES, st.randoms())
def test_neither_the_order_of_calls_nor_that_of_rules_matters(
    rules: list[Rule], leaves: list[Used], random: object
) -> None:
    """The same lines for the same request."""
    expected = allocate(rules, leaves)
    random.shuffle(rules)  # type: ignore[attr-defined]
    random.shuffle(leaves)  # type: ignore[attr-defined]
    assert allocate(rules, leaves) == expected


@given(TERMS, LEAVES, st.sampled_from(["cost", "tokens", "requests"]), st.sampled_from([-9, -2, 0]))
def test_parts_sum_to_the_whole(term: object, leaves: list[Used], by: str, quantum: int) -> None:
    """Of a single rule and period the lines sum to the whole that its term comes to."""
    rule = Rule("x", term, PERIODS[:1], by, quantum=quantum)  # type: ignore[arg-type]
    about = [one for one in leaves if rule.about(one) and one.started_ns < PERIODS[0][1]]
    spent = sum((one.amount for one in about), Decimal(0))
    lines = [line for found in allocate([rule], leaves).values() for line in found]
    whole = sum((line.amount for line in lines), Decimal(0))
    if isinstance(term, Fixed):
        assert whole == term.amount
    elif isinstance(term, Credit):
        assert whole == -min(term.amount, spent)
    elif isinstance(term, Capacity):
        assert whole + spent == term.amount
    elif isinstance(term, Commitment):
        assert whole + spent == max(term.amounts[0], spent)
    elif isinstance(term, Volume):
        assert -spent <= whole <= 0


@given(st.lists(AMOUNT, min_size=1, max_size=4), LEAVES)
def test_credits_never_exceed_what_was_spent(amounts: list[Decimal], leaves: list[Used]) -> None:
    """Of several credits over each other, by request and in all, to the last digit."""
    rules = [
        Rule(f"c{n}", Credit(amount), PERIODS[n % 2 :], "use") for n, amount in enumerate(amounts)
    ]
    lines = allocate(rules, leaves)
    inside = [one for one in leaves if one.currency == "USD" and one.started_ns < PERIODS[1][1]]
    for who, found in lines.items():
        spent = sum((one.amount for one in inside if one.request_id == who), Decimal(0))
        assert -spent <= sum((line.amount for line in found), Decimal(0)) <= 0
    for rule in rules:
        for period in rule.periods:
            mine = [
                line.amount
                for found in lines.values()
                for line in found
                if (line.name, line.from_ns) == (rule.name, period[0])
            ]
            assert -rule.term.amount <= sum(mine, Decimal(0))  # type: ignore[union-attr]


KIND = HEAD + 'kind = "volume"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD + 'kind = "volum"', "line 5: kind: expected one of volume, commitment, capacity, fixed, credit, got 'volum'"),
        (HEAD + 'kind = "fixed"', "line 1: amount: an amount such as '5000' is needed"),
        (HEAD + 'kind = "fixed"\namount = 1.5', 'line 6: amount: 1.5 is a binary fraction; write it as text: "1.5"'),
        (HEAD + 'kind = "fixed"\namount = "-1"', "line 6: amount: a price cannot be negative, got '-1'"),
        (HEAD + 'kind = "fixed"\namuont = 1', "line 6: amuont: unknown field; did you mean 'amount'?"),
        (HEAD + 'kind = "fixed"\namount = 1\nby = "mood"', "line 7: by: expected cost, tokens, calls, requests, busy_seconds or a meter, got 'mood'"),
        (HEAD + 'kind = "fixed"\namount = 1\nquantum = "0.05"', "line 7: quantum: expected a power of ten such as '0.01', got '0.05'"),
        ('[[allocation]]\nname = "n"\nkind = "fixed"\nfrom = 2026-10-01\namount = 1', "line 1: until: a date such as 2026-10-01 is needed"),
        (HEAD.replace("11-01", "11-02") + 'kind = "fixed"\nevery = "month"\namount = 1', "line 6: every: the span does not begin and end with a month (UTC); move 'from' and 'until'"),
        (HEAD.replace("10-01", "10-02") + 'kind = "fixed"\nevery = "month"\namount = 1', "line 6: every: the span does not begin and end with a month (UTC); move 'from' and 'until'"),
        (HEAD + 'kind = "fixed"\nevery = "week"\namount = 1', "line 6: every: expected one of month, day, got 'week'"),
        (HEAD + 'kind = "commitment"\namount = 1\ntotal = 2', "line 6: amount: write either amount (each period) or total (all of them)"),
        (HEAD + 'kind = "capacity"', "line 1: amount: write either amount (each period) or per_hour and gpus"),
        (KIND, "line 1: steps: write steps = [{ above = 0, percent = '5' }, …]"),
        (KIND + "steps = [{ above = 1, percent = 5 }]", "line 6: steps: the first step must begin at above = 0"),
        (KIND + "steps = [{ percent = 5 }, { percent = 6 }]", "line 6: steps: each step must begin above the one before"),
        (KIND + "steps = [{ percent = 500 }]", "line 6: steps: expected 0 to 100 percent, got 500"),
        (KIND + "steps = [{ above = 0 }]", "line 6: steps: each step has either a percent (off) or a price"),
        (KIND + "steps = [{ price = 1 }]", "line 6: steps: a price is for tokens, calls or a meter; measure those"),
        (KIND + 'mode = "flat"\nsteps = [{ percent = 1 }]', "line 6: mode: expected one of graduated, all_units, got 'flat'"),
        (KIND + 'measure = "words"\nsteps = [{ percent = 1 }]', "line 6: measure: expected cost, tokens, calls or a meter, got 'words'"),
        (
            (HEAD + 'kind = "capacity"\namount = 1\n') * 2,
            "line 11: kind: holds for the same calls as the capacity of line 1; what they cost would be counted twice",
        ),
        ("[[allocations]]", "line 1: allocations: unknown field; did you mean 'allocation'?"),
    ],
)  # fmt: skip
def test_an_error_names_file_line_field_and_remedy(text: str, message: str) -> None:
    """The whole message; nothing is read of a file that is wrong in one place."""
    with pytest.raises(ConfigurationError) as caught:
        rules_from_text(text, "rules.toml")
    assert str(caught.value) == f"rules.toml, {message}"


def test_a_file_that_is_not_there_is_named() -> None:
    """As for rate cards."""
    with pytest.raises(ConfigurationError, match=r"absent\.toml: cannot be read as text"):
        rules_from_file("absent.toml")
