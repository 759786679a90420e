"""Plans and invoices as plain text."""

from collections.abc import Iterator

from agentmeter.model.money import plain
from agentmeter.pricing.plans import Charge, Fee, Invoice, Match, Plan, date_of
from agentmeter.pricing.plans.plan import UNITS, Of
from agentmeter.report.table import table
from agentmeter.report.text import shown


def plan_text(plan: Plan) -> str:
    """What a plan charges, in plain language."""
    money = plan.currency
    lines = [f"{plan.name}: an invoice for each {_ACCOUNT[plan.account]}, {_CYCLE[plan.cycle]}"]
    lines.extend(_validity(plan))
    lines.extend(_fee(fee, money) for fee in plan.fees)
    for charge in plan.charges:
        lines.extend(_charge(charge, money))
    lines.extend(
        f"  at most {limit.most:,} {limit.of} in any {limit.seconds:,} seconds"
        for limit in plan.limits
    )
    if plan.trial_days:
        lines.append(f"  the first {plan.trial_days} days are free")
    for what, amount in (
        ("usage included", plan.included),
        ("usage capped at", plan.cap),
        ("at least", plan.minimum),
    ):
        if amount:
            lines.append(f"  {what} {plain(amount)} {money}")
    if plan.tax:
        lines.append(f"  tax of {plain(plan.tax)} % on top")
    return "\n".join(lines)


_ACCOUNT = {"user": "user", "tenant": "tenant", "all": "period over all users"}
_CYCLE = {"day": "by day", "week": "by week", "month": "by month", "all": "over everything"}


def _validity(plan: Plan) -> Iterator[str]:
    if plan.from_day is not None:
        yield f"  from {date_of(plan.from_day)}"
    if plan.until_day is not None:
        yield f"  until {date_of(plan.until_day)}, which is not in it"


def _fee(fee: Fee, money: str) -> str:
    per = " for each seat" if fee.per_seat else ""
    least = f", of {fee.least} at least" if fee.least else ""
    free = f", {fee.included} included" if fee.included else ""
    return f"  {fee.name}: {plain(fee.amount)} {money}{per}{least}{free}"


def _charge(charge: Charge, money: str) -> Iterator[str]:
    unit = UNITS[charge.of]
    yield f"  {charge.name}: by {unit}{_for(charge.match)}"
    if charge.allowance is not None:
        allowance = charge.allowance
        seat = " for each seat" if allowance.per_seat else ""
        over = ", no more than that" if allowance.refuse else ""
        kept = (
            f", unused usable for {allowance.rollover} more periods" if allowance.rollover else ""
        )
        yield f"    {plain(allowance.quantity)} {unit}s included{seat}{over}{kept}"
    for weight in charge.weights if charge.of is Of.CREDITS else ():
        counted = {"a request": weight.request, **weight.meters}
        told = ", ".join(f"{what} {plain(one)}" for what, one in counted.items() if one)
        yield f"    {weight.model}: {told}"
    yield from (f"    {line}" for line in _steps(charge, money))


def _for(match: Match) -> str:
    told = [
        f"{name} {glob}"
        for name, glob in (("feature", match.feature), ("name", match.name))
        if glob
    ]
    told.extend(f"{tag} {glob}" for tag, glob in match.tags.items())
    told.extend([f"more than {match.above:,} tokens"] if match.above is not None else [])
    told.extend([f"up to {match.up_to:,} tokens"] if match.up_to is not None else [])
    return f" ({', '.join(told)})" if told else ""


def _steps(charge: Charge, money: str) -> Iterator[str]:
    per = "" if charge.per == 1 else f"{charge.per:,} "
    unit = f"{per}{UNITS[charge.of]}{'s' if per else ''}"
    for step in charge.steps:
        price = f"{plain(step.price)} times the true cost"
        if charge.of is not Of.COST:
            price = f"{plain(step.price)} {money} for {'each ' if not per else ''}{unit}"
        upto = "" if step.up_to is None else f" up to {plain(step.up_to)}"
        fee = f", and {plain(step.fee)} {money}" if step.fee else ""
        yield f"{price}{upto}{fee}{' (all of them)' if charge.volume else ''}"


def invoice_text(one: Invoice) -> str:
    """An invoice with the amounts that are payable."""
    amounts, tax, owed = one.payable()
    rows: list[tuple[str, ...]] = [("", "quantity", "", "unit price", "amount", "requests", "")]
    rows.extend(
        (
            line.what,
            plain(line.quantity),
            line.unit,
            plain(line.unit_price),
            f"{amount:f}",
            f"{len(line.requests):,}",
            line.note,
        )
        for line, amount in zip(one.lines, amounts, strict=True)
    )
    if one.tax_rate:
        rows.append((f"Tax, {plain(one.tax_rate)} %", "", "", "", f"{tax:f}", "", ""))
    rows.append((f"Total in {one.currency}", "", "", "", f"{owed:f}", "", ""))
    head = f"{shown(one.account or 'everyone')}, plan {one.plan}, {one.period}"
    refused = [f"{len(one.refused):,} requests were beyond the plan"] if one.refused else []
    return "\n".join([head, table(rows, right=(1, 3, 4, 5)), *refused])
