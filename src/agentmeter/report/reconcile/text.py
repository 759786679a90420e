"""A reconciliation as JSON values and as plain text."""

from typing import Any

from agentmeter.model import Usage
from agentmeter.report.amounts import amount_text
from agentmeter.report.document import money
from agentmeter.report.reconcile.bill import Bill
from agentmeter.report.reconcile.compare import Finding, Reconciled, less
from agentmeter.report.report import Amounts
from agentmeter.report.reprice_text import signed
from agentmeter.report.table import table
from agentmeter.report.text import shown, usage_text

_SHOWN = 3
_MEANT = {
    "leak": "billed, never metered",
    "phantom": "metered, not billed",
    "price": "priced otherwise",
}


def reconciled_document(made: Reconciled) -> dict[str, Any]:
    """The whole of it; amounts are decimal strings, days are in UTC."""
    return {
        "bills": [_bill(bill) for bill in made.bills],
        "findings": [_finding(one) for one in made.findings],
        "agreed": made.agreed,
        "outside": made.outside,
        "total": {
            "billed": _side(made.billed, made.charged),
            "metered": _side(made.metered, made.priced),
            "difference": money(less(made.charged, made.priced)),
        },
        "faults": dict(made.faults),
    }


def _bill(bill: Bill) -> dict[str, Any]:
    return {
        "layout": bill.layout,
        "rows": len(bill.rows),
        "days": [day.isoformat() for day in sorted(bill.days)],
        "skipped": bill.skipped,
        "problems": list(bill.problems),
        "note": bill.note,
    }


def _side(usage: Usage, amounts: Amounts) -> dict[str, Any]:
    return {"usage": dict(usage), "cost": money(amounts)}


def _finding(one: Finding) -> dict[str, Any]:
    return {
        "kind": one.kind.value,
        "day": one.key.day.isoformat(),
        "provider": one.key.provider,
        "model": one.key.model,
        "key": one.key.key,
        "usage": dict(one.usage),
        "billed": {
            "usage": None if one.billed is None else dict(one.billed),
            "cost": money(one.charged),
        },
        "metered": _side(one.metered, one.priced),
        "difference": money(one.difference),
        "causes": list(one.causes),
        "requests": list(one.requests),
        "places": list(one.places),
    }


def reconciled_text(made: Reconciled) -> str:
    """The bills, the findings each with its causes and requests, and the totals."""
    lines = [line for bill in made.bills for line in _bill_lines(bill)]
    lines.append("")
    for one in made.findings:
        lines.extend(_finding_lines(one))
    rows = [("", "tokens", "cost")]
    rows.append(("billed", f"{made.billed.total_tokens:,}", amount_text(made.charged)))
    rows.append(("metered", f"{made.metered.total_tokens:,}", amount_text(made.priced)))
    lines.append(table(rows, right=(1, 2)))
    count = len(made.findings)
    lines.append(f"{count} findings; {made.agreed} groups of day, model and key agree")
    if made.outside:
        lines.append(f"{made.outside} metered calls are on days or of providers not in the bill")
    return "\n".join(lines)


def _bill_lines(bill: Bill) -> list[str]:
    days = sorted(bill.days)
    span = f", {days[0]} to {days[-1]}" if days else ""
    lines = [f"{bill.layout}: {len(bill.rows)} rows{span}"]
    if bill.skipped:
        lines.append(f"  {bill.skipped} rows about something else")
    if bill.note:
        lines.append(f"  {bill.note}")
    if bill.problems:
        lines.append(f"  {len(bill.problems)} rows could not be read:")
        lines.extend(f"    {shown(problem)}" for problem in bill.problems[:_SHOWN])
    return lines


def _finding_lines(one: Finding) -> list[str]:
    where = " ".join(filter(None, (one.key.provider, one.key.model, one.key.key)))
    lines = [f"{one.kind}  {one.key.day}  {shown(where)}  ({_MEANT[one.kind]})"]
    if one.usage:
        lines.append(f"  {usage_text(one.usage)}")
    if one.charged or one.priced:
        lines.append(
            f"  billed {amount_text(one.charged)}, metered {amount_text(one.priced)}, "
            f"difference {signed(one.difference)}"
        )
    lines.extend(f"  likely: {shown(cause)}" for cause in one.causes)
    if one.requests:
        more = f" and {len(one.requests) - _SHOWN} more" if len(one.requests) > _SHOWN else ""
        lines.append(f"  requests: {shown(', '.join(one.requests[:_SHOWN]))}{more}")
    if one.places:
        more = f" and {len(one.places) - _SHOWN} more" if len(one.places) > _SHOWN else ""
        lines.append(f"  bill: {shown(', '.join(one.places[:_SHOWN]))}{more}")
    return [*lines, ""]
