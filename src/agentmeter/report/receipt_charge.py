"""What a plan charges for one request: the invoice up to it, less the invoice before it.

So it depends on nothing that came later, and the charges of a period's requests sum to what the
invoice of the period charges for usage, exactly. Fees and minimums are of the period, and of no
request.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from agentmeter.exceptions import PlanError
from agentmeter.model.money import CONTEXT, total
from agentmeter.pricing.plans import (
    Account,
    Invoice,
    InvoiceLine,
    LineKind,
    Of,
    Period,
    Plan,
    PlanBook,
    PricedRequest,
    Traffic,
    bill,
)
from agentmeter.pricing.plans.plan import UNITS
from agentmeter.pricing.plans.traffic import DAY_NS

_ZERO = Decimal(0)
_BY_USE = (LineKind.CHARGE, LineKind.INCLUDED, LineKind.CAP)
_SAME_WHATEVER_IT_TOOK = (Of.REQUESTS, Of.OUTCOMES)
_FOR_EVER = 10**7


@dataclass(frozen=True, slots=True)
class Charged:
    """A line of a charge. ``quantity`` is ``None`` for an amount.

    With ``beyond`` it is for what goes beyond an allowance of the same name.
    """

    what: str
    quantity: Decimal | None
    unit: str
    amount: Decimal
    beyond: bool = False


@dataclass(frozen=True, slots=True)
class AllowanceUse:
    """What a request took of what its period includes, and what was left of that after it."""

    what: str
    unit: str
    used: Decimal
    left: Decimal


@dataclass(frozen=True, slots=True)
class PlanCharge:
    """What a request is charged under a plan, before ``tax`` percent of tax.

    ``covered`` is whether the plan serves it at all; ``trial`` requests are free. ``has_fee`` is
    whether the period has a fee or a minimum beside. With ``at_least`` it may yet be more. The
    ``margin`` is the amount less the true cost, in the plan's currency: with ``margin_at_most`` it
    may yet be less, since a part of the cost is not known, and is ``None`` where either may grow.
    """

    plan: str
    currency: str
    period: Period
    amount: Decimal
    lines: tuple[Charged, ...] = ()
    allowances: tuple[AllowanceUse, ...] = ()
    covered: bool = True
    trial: bool = False
    has_fee: bool = False
    at_least: bool = False
    tax: Decimal = _ZERO
    margin: Decimal | None = _ZERO
    margin_at_most: bool = False


def plan_charge(
    book: PlanBook,
    name: str,
    one: PricedRequest,
    others: Sequence[PricedRequest],
    *,
    finished: bool = True,
) -> PlanCharge | None:
    """What the plan called ``name`` charges for ``one``, after those of ``others`` that began
    before it on the same account. Costs are in the book's currency.

    ``None`` where no version of the plan holds on that day. Raises ``PlanError`` for a plan that
    the book does not have.
    """
    day = one.started_ns // DAY_NS
    holding = (plan for plan in book.versions(name) if day in _days(plan))
    plan = next(holding, None)
    if plan is None:
        return None
    before = [row for row in others if _precedes(row, one, plan)]
    rate = book.rate(plan.currency)
    now = _invoice(plan, [*before, one], book, rate, day)
    if now is None:
        raise PlanError(f"{name}: no invoice has request {one.request_id!r} in it")
    then = _invoice(plan, before, book, rate, day) if before else None
    cost = _traffic(plan, [one], book, rate).requests[0].cost
    return _difference(plan, now, then, one, cost, finished=finished)


def _days(plan: Plan) -> range:
    return range(plan.from_day or 0, _FOR_EVER if plan.until_day is None else plan.until_day)


def _precedes(row: PricedRequest, one: PricedRequest, plan: Plan) -> bool:
    if (row.started_ns, row.request_id) >= (one.started_ns, one.request_id):
        return False
    same = plan.account == "all" or _account(row, plan) == _account(one, plan)
    return same and row.started_ns // DAY_NS in _days(plan)


def _account(row: PricedRequest, plan: Plan) -> str | None:
    return row.owner.tenant if plan.account == "tenant" else row.owner.user


def _invoice(
    plan: Plan, rows: Sequence[PricedRequest], book: PlanBook, rate: Decimal, day: int
) -> Invoice | None:
    """The invoice of the period that ``day`` is in."""
    name = None if plan.account == "all" else _account(rows[-1], plan)
    known: Mapping[str, Account] = book.accounts
    if name is not None:
        known = {name: known[name]} if name in known else {}
    invoices = bill(plan, _traffic(plan, rows, book, rate), known).invoices
    return next((one for one in invoices if one.period.start <= day < one.period.end), None)


def _traffic(plan: Plan, rows: Sequence[PricedRequest], book: PlanBook, rate: Decimal) -> Traffic:
    return Traffic(rows, book.currency).at_rate(plan.currency, rate)


def _difference(
    plan: Plan,
    now: Invoice,
    then: Invoice | None,
    one: PricedRequest,
    cost: Decimal,
    *,
    finished: bool,
) -> PlanCharge:
    after, before = _sums(now), _sums(then)
    lines = tuple(_lines(plan, after, before))
    amount = total([line.amount for line in lines])
    in_trial = any(one.request_id in line.requests for line in _of_kind(now, LineKind.TRIAL))
    fixed = all(charge.of in _SAME_WHATEVER_IT_TOOK for charge in plan.charges)
    at_least = not finished or not (one.complete or fixed)
    return PlanCharge(
        plan.name,
        plan.currency,
        now.period,
        amount,
        lines,
        tuple(_allowances(now, after, before)),
        one.request_id not in now.refused,
        in_trial,
        bool(plan.fees or plan.minimum),
        at_least,
        plan.tax,
        None if at_least else CONTEXT.subtract(amount, cost),
        not one.complete,
    )


_Key = tuple[LineKind, str, str]
_Sums = Mapping[_Key, tuple[Decimal, Decimal]]


def _sums(invoice: Invoice | None) -> _Sums:
    """Quantity and amount by kind of line, name and unit."""
    sums: dict[_Key, tuple[Decimal, Decimal]] = {}
    for line in invoice.lines if invoice is not None else ():
        key = (line.kind, line.what, line.unit)
        quantity, amount = sums.get(key, (_ZERO, _ZERO))
        sums[key] = CONTEXT.add(quantity, line.quantity), CONTEXT.add(amount, line.amount)
    return sums


def _of_kind(invoice: Invoice, kind: LineKind) -> list[InvoiceLine]:
    return [line for line in invoice.lines if line.kind is kind]


def _lines(plan: Plan, after: _Sums, before: _Sums) -> Iterator[Charged]:
    with_allowance = {one.name for one in plan.charges if one.allowance is not None}
    for key in dict.fromkeys([*after, *before]):
        kind, what, unit = key
        quantity, amount = _grown(key, after, before)
        if kind in _BY_USE and amount:
            counts = kind is LineKind.CHARGE and unit != UNITS[Of.COST]
            beyond = kind is LineKind.CHARGE and what in with_allowance
            yield Charged(what, quantity if counts else None, unit, amount, beyond)


def _grown(key: _Key, after: _Sums, before: _Sums) -> tuple[Decimal, Decimal]:
    now, then = after.get(key, (_ZERO, _ZERO)), before.get(key, (_ZERO, _ZERO))
    return CONTEXT.subtract(now[0], then[0]), CONTEXT.subtract(now[1], then[1])


def _allowances(now: Invoice, after: _Sums, before: _Sums) -> Iterator[AllowanceUse]:
    for one in now.left:
        key = (LineKind.ALLOWANCE, f"{one.what}, included", one.unit)
        used, _ = _grown(key, after, before)
        if one.unit == "amount":
            _, taken = _grown((LineKind.INCLUDED, one.what, one.unit), after, before)
            used = CONTEXT.minus(taken)
        yield AllowanceUse(one.what, one.unit, used, one.quantity)
