"""What holds for every plan: sums, order, context, more usage, and parts of periods."""

from dataclasses import replace
from datetime import date
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.pricing.plans.rows import DAY

from agentmeter.model import Owner, Status
from agentmeter.model.money import total
from agentmeter.pricing.plans import (
    TRUE_COST,
    Account,
    Allowance,
    Bill,
    Charge,
    Cycle,
    Fee,
    Key,
    Limit,
    Match,
    Of,
    Period,
    Plan,
    PricedRequest,
    Step,
    Traffic,
    Use,
    Weight,
    bill,
    day_of,
)
from agentmeter.pricing.plans.shares import prorated, rounded, shared
from agentmeter.pricing.plans.units import FINEST

D = Decimal
MODELS = ("gpt-5", "gpt-5-mini", "claude-opus-4", "serpapi.search")
prices = st.integers(0, 5000).map(lambda units: D(units).scaleb(-4))
names = st.sampled_from(["chat", "research", None])


@st.composite
def traffics(draw: st.DrawFn, most: int = 25) -> list[PricedRequest]:
    rows = []
    for number in range(draw(st.integers(0, most))):
        uses = tuple(
            Use(
                model,
                ("cache_read", "input", "output"),
                draw(st.tuples(*[st.integers(0, 3000)] * 3)),
                D(draw(st.integers(0, 10**7))).scaleb(-draw(st.sampled_from([6, 9, 13]))),
            )
            for model in draw(st.lists(st.sampled_from(MODELS), max_size=2, unique=True))
        )
        owner = Owner(draw(st.sampled_from(["a", "b", "c", None])), "acme", draw(names))
        started = draw(st.integers(day_of(date(2026, 9, 20)), day_of(date(2026, 12, 10)))) * DAY
        started += draw(st.integers(0, 86_399)) * 1_000_000_000
        status = draw(st.sampled_from([Status.OK, Status.ERROR, Status.CLOSED]))
        rows.append(PricedRequest(f"r{number:03}", owner, started, "ask", status, uses))
    return rows


@st.composite
def charges(draw: st.DrawFn) -> Charge:
    of = draw(st.sampled_from([*Of]))
    weights: tuple[Weight, ...] = ()
    if of is Of.CREDITS:
        weights = (
            Weight("gpt-5*", D(draw(st.integers(0, 3))), {"output": D("0.01"), "input": D(1)}),
            Weight("*", D("0.25"), {"tokens": draw(prices)}),
        )
    elif of is Of.COST:
        weights = draw(st.sampled_from([TRUE_COST, (Weight("gpt-5", cost=True),)]))
    bounds = sorted(draw(st.sets(st.integers(1, 40), max_size=2)))
    steps = [Step(draw(prices), D(end), draw(prices)) for end in bounds]
    whole = not bounds and draw(st.booleans())
    per = draw(st.sampled_from([1, 7, 25])) if whole else draw(st.sampled_from([1, 100]))
    allowance = draw(
        st.none()
        | st.builds(
            Allowance,
            st.integers(0, 30).map(D),
            st.booleans(),
            st.booleans(),
            st.integers(0, 2),
        )
    )
    match = Match(draw(names), above=draw(st.none() | st.just(1000)))
    last = Step(draw(prices), None, draw(prices))
    return Charge("c", of, (*steps, last), match, weights, allowance, False, per, whole)


@st.composite
def plans(draw: st.DrawFn, **fixed: object) -> Plan:
    given_: dict[str, object] = {
        "account": draw(st.sampled_from(["user", "tenant", "all"])),
        "cycle": draw(st.sampled_from([*Cycle])),
        "fees": tuple(
            Fee("f", draw(prices), draw(st.booleans()), draw(st.integers(0, 3)))
            for _ in range(draw(st.integers(0, 2)))
        ),
        "charges": tuple(draw(st.lists(charges(), max_size=3))),
        "limits": draw(
            st.sampled_from([(), (Limit(3, 86_400),), (Limit(5000, 86_400, Of.TOKENS),)])
        ),
        "included": draw(prices),
        "cap": draw(st.none() | prices),
        "minimum": draw(prices),
        "tax": draw(st.sampled_from([D(0), D(19)])),
        "prorate": draw(st.booleans()),
        "trial_days": draw(st.sampled_from([0, 5])),
        "share": draw(st.sampled_from([*Key])),
    }
    return Plan("p", **{**given_, **fixed})  # type: ignore[arg-type]


def net(made: Bill) -> Decimal:
    return total([invoice.net for invoice in made.invoices])


@settings(max_examples=150, deadline=None)
@given(traffics(), plans())
def test_revenue_by_request_sums_to_the_invoice(rows: list[PricedRequest], plan: Plan) -> None:
    """Exactly, with what no request stands behind; nothing is negative, and all are accounted for."""
    made = bill(plan, Traffic(rows))
    assert sum(made.revenue) == sum(share for one in made.invoices for share in one.shares)
    billed = [name for one in made.invoices for name in (*one.requests, *one.refused)]
    assert len(set(billed)) == len(billed)
    for invoice in made.invoices:
        assert total(list(invoice.revenue.values())) + invoice.unshared == invoice.net
        assert invoice.net == total([line.amount for line in invoice.lines]) >= 0
        assert all(share >= 0 for share in invoice.shares)
        lines, tax, owed = invoice.payable()
        assert total(lines) + tax == owed
        assert abs(owed - invoice.total) <= D("0.01")
        known = {*invoice.requests, *(one for line in invoice.lines for one in line.requests)}
        assert not known & set(invoice.refused)


@settings(max_examples=60, deadline=None)
@given(traffics(), plans(), st.randoms(use_true_random=False))
def test_neither_order_nor_ambient_context_changes_an_invoice(
    rows: list[PricedRequest], plan: Plan, random: object
) -> None:
    """The same requests in any order, in a context of three digits, give equal invoices."""
    first = bill(plan, Traffic(rows)).invoices
    mixed = list(rows)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    with localcontext(prec=3, rounding="ROUND_UP"):
        assert bill(plan, Traffic(mixed)).invoices == first
        assert [one.payable() for one in first] == [one.payable() for one in first]


@settings(max_examples=80, deadline=None)
@given(traffics(), plans(account="user"))
def test_a_plan_by_user_adds_up_over_users(rows: list[PricedRequest], plan: Plan) -> None:
    """The invoices of all users are those of each by himself, over the same recorded days."""
    days = [one.started_ns // DAY for one in rows]
    window = Period(min(days), max(days) + 1) if rows and plan.cycle is Cycle.ALL else None
    together = net(bill(plan, Traffic(rows), window=window))
    users = {one.owner.user for one in rows}
    alone = [
        net(bill(plan, Traffic([one for one in rows if one.owner.user == user]), window=window))
        for user in users
    ]
    assert together == total(alone)


def hard(plan: Plan) -> bool:
    return any(one.allowance is not None and one.allowance.refuse for one in plan.charges)


@settings(max_examples=100, deadline=None)
@given(traffics(), plans(limits=(), cycle=Cycle.MONTH, trial_days=0), st.integers(1, 5000))
def test_more_usage_never_costs_less(rows: list[PricedRequest], plan: Plan, more: int) -> None:
    """With graduated steps a larger request, or one more, never makes the sum of invoices smaller."""
    if not rows or hard(plan):
        return
    plan = replace(plan, charges=tuple(one for one in plan.charges if one.match.above is None))
    before = net(bill(plan, Traffic(rows)))
    assert net(bill(plan, Traffic([*rows, replace(rows[0], request_id="one more")]))) >= before
    uses = tuple(
        replace(use, counts=tuple(n + more for n in use.counts), cost=use.cost + 1)
        for use in rows[0].uses
    )
    assert net(bill(plan, Traffic([replace(rows[0], uses=uses), *rows[1:]]))) >= before


def test_a_volume_step_may_make_more_usage_cheaper() -> None:
    """The one documented exception: everything at the price of the step that the whole is in."""
    steps = (Step(D(2), D(10)), Step(D(1)))
    plan = Plan("p", charges=(Charge("c", Of.REQUESTS, steps, volume=True),))
    rows = [PricedRequest(f"r{n}", Owner("a"), n) for n in range(11)]
    assert net(bill(plan, Traffic(rows[:10]))) == 20
    assert net(bill(plan, Traffic(rows))) == 11


@given(
    st.integers(0, 10**9),
    st.integers(1, 366),
    st.lists(st.integers(0, 366), max_size=5, unique=True),
)
def test_prorated_parts_sum_to_the_whole(whole: int, days: int, cuts: list[int]) -> None:
    """However a period is cut into stretches."""
    bounds = [0, *sorted(cut for cut in cuts if cut < days), days]
    parts = [prorated(whole, start, end, days) for start, end in pairwise(bounds)]
    assert sum(parts) == whole
    assert all(part >= 0 for part in parts)


@settings(max_examples=60, deadline=None)
@given(prices, st.integers(1, 29))
def test_a_fee_cut_in_the_middle_of_a_month_is_whole(fee: Decimal, day: int) -> None:
    """A subscription that ends and one that begins on the same day pay the fee once together."""
    first = day_of(date(2026, 11, 1))
    plan = Plan("p", fees=(Fee("f", fee),))
    rows = Traffic([PricedRequest("r", Owner("a"), (first + at) * DAY) for at in (0, 29)])
    left = bill(plan, rows, {"a": Account("a", first, first + day)})
    came = bill(plan, rows, {"a": Account("a", first + day, None)})
    assert net(left) + net(came) == fee


@given(st.integers(-(10**15), 10**15), st.lists(st.integers(0, 10**12), min_size=1, max_size=30))
def test_shares_sum_and_follow_their_weights(whole: int, weights: list[int]) -> None:
    """Each part is its exact share rounded up or down; equal weights differ by one at most."""
    parts = shared(whole, weights)
    assert sum(parts) == whole
    if base := sum(weights):
        for part, weight in zip(parts, weights, strict=True):
            assert abs(part - Fraction(whole * weight, base)) < 1


@given(st.lists(st.integers(-(10**9), 10**9), max_size=20), st.sampled_from([1, 10, 10**4]))
def test_rounded_amounts_sum_to_the_rounded_sum(units: list[int], unit: int) -> None:
    """Rounded once: no line is off by a unit or more."""
    parts = rounded(units, unit)
    assert abs(sum(parts) - sum(units)) * 2 <= unit
    assert all(abs(part - one) < unit for part, one in zip(parts, units, strict=True))


def test_shares_are_fine_enough_for_a_million_requests() -> None:
    """A fee of twenty over a million requests: each has its part."""
    parts = shared(20 * 10**FINEST, [1] * 10**6)
    assert set(parts) == {20 * 10**6}
