"""A comparison of plans as plain text."""

from collections.abc import Iterator
from decimal import Decimal

from agentmeter.model.money import CONTEXT
from agentmeter.report.compare import Against, Comparison, PlanComparison
from agentmeter.report.margin import Margin
from agentmeter.report.table import table
from agentmeter.report.text import shown

_CENTS = Decimal("0.01")
_FINE = Decimal("0.000001")


def comparison_text(made: Comparison) -> str:
    """What was recorded, the tail of its cost, break-even prices, and each plan in a row."""
    parts = [*_recorded(made), "", _plans(made), *_terms(made)]
    for one in made.plans:
        parts.extend(_periods(one, made.currency))
        parts.extend(_movers(one, made.currency))
    notes = [f"{one.plan}: {note}" for one in made.plans for note in one.notes]
    return "\n".join([*parts, *(["", "notes:"] if notes else []), *(f"  {note}" for note in notes)])


def _recorded(made: Comparison) -> Iterator[str]:
    if not made.requests:
        yield "0 requests of 0 users"
        return
    bound = "≥ " if made.incomplete else ""
    yield (
        f"{made.requests:,} requests of {made.users:,} users, {made.window}: "
        f"true cost {bound}{money_text(made.cost, made.currency)}"
    )
    if made.incomplete:
        yield f"  requests that may have used or cost more than is known: {made.incomplete:,}"
    if made.unattributed:
        yield f"  unattributed, under no plan: {money_text(made.unattributed, made.currency)}"
    if made.tail is None or made.break_even is None:
        return
    told = "  ".join(f"p{name} {_fine(cost)}" for name, cost in made.tail.quantiles.items())
    yield f"  cost of a request: {told}  max {_fine(made.tail.largest)}"
    shares = ", ".join(
        f"{name} % make {_percent(part)}" for name, part in made.tail.dearest.items()
    )
    yield f"  of the cost the dearest {shares}"
    fees = made.break_even
    yield f"  break-even fee for a request: {_fine(fees.fee)}" + "".join(
        f"; {_fine(fee)} for a margin of {name} %" for name, fee in fees.with_margin.items()
    )
    yield (
        "    at a confidence of "
        + ", ".join(f"{name} %: {_fine(fee)}" for name, fee in fees.at_confidence.items())
        + f" ({fees.resamples:,} resamples by {fees.by})"
    )


def _plans(made: Comparison) -> str:
    head = (
        "plan", "revenue", "true cost", "margin", "%", "requests at a loss", "users at a loss",
        "refused", "pay more / less / the same",
    )  # fmt: skip
    rows: list[tuple[str, ...]] = [head]
    if made.today is not None:
        rows.append(_row(f"today ({made.told:,} requests)", made.today, None, made.currency))
    rows.extend(_row(one.plan, one.margin, one.against_today, made.currency) for one in made.plans)
    return table(rows, right=(1, 2, 3, 4, 5, 6, 7, 8))


def _row(name: str, one: Margin, against: Against | None, currency: str) -> tuple[str, ...]:
    moved = f"{against.more:,} / {against.less:,} / {against.same:,}" if against else "-"
    return (
        name,
        money_text(one.revenue, currency),
        money_text(one.cost, currency),
        money_text(one.margin, currency),
        "-" if one.rate is None else _percent(one.rate.scaleb(2, CONTEXT)),
        _part(one.losing_requests, one.requests),
        _part(one.losing_users, one.users),
        f"{one.refused:,}" if one.refused else "-",
        moved,
    )


def _terms(made: Comparison) -> Iterator[str]:
    if not made.whole_periods and made.requests:
        yield f"fees and allowances are for the recorded days alone ({made.window.days:,})"
    for one in made.plans:
        if one.margin.unshared:
            amount = money_text(one.margin.unshared, made.currency)
            yield f"{one.plan}: {amount} of the revenue is of accounts without a request"
        if one.margin.refused:
            cost = money_text(one.margin.refused_cost, made.currency)
            yield f"{one.plan}: the refused requests cost {cost}, which is not in the true cost"


def _periods(one: PlanComparison, currency: str) -> list[str]:
    if not one.margin.periods:
        return []
    rows: list[tuple[str, ...]] = [(one.plan, "requests", "revenue", "true cost", "margin")]
    rows.extend(
        (
            str(part.period),
            f"{part.requests:,}",
            money_text(part.revenue, currency),
            money_text(part.cost, currency),
            money_text(part.margin, currency),
        )
        for part in one.margin.periods
    )
    return ["", table(rows, right=(1, 2, 3, 4))]


def _movers(one: PlanComparison, currency: str) -> list[str]:
    if one.against_today is None or not one.against_today.movers:
        return []
    rows: list[tuple[str, ...]] = [(f"{one.plan}: users", "today", "then", "change")]
    rows.extend(
        (
            shown(move.user),
            money_text(move.today, currency),
            money_text(move.then, currency),
            money_text(move.change, currency),
        )
        for move in one.against_today.movers
    )
    return ["", table(rows, right=(1, 2, 3))]


def money_text(amount: Decimal, currency: str) -> str:
    """An amount to two places: ``$1,234.50``, ``-$0.02``, ``12.00 EUR``."""
    rounded = CONTEXT.quantize(amount, _CENTS)
    sign = "-" if rounded < 0 else ""
    size = f"{rounded.copy_abs():,f}"
    return f"{sign}${size}" if currency == "USD" else f"{sign}{size} {currency}"


def _fine(amount: Decimal) -> str:
    return f"{CONTEXT.quantize(amount, _FINE):f}"


def _percent(percent: Decimal) -> str:
    return f"{CONTEXT.quantize(percent, Decimal('0.1')):f} %"


def _part(part: int, whole: int) -> str:
    share = CONTEXT.divide(Decimal(100 * part), Decimal(whole)) if whole else Decimal(0)
    return f"{part:,} ({_percent(share)})"
