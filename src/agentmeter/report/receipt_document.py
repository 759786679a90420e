"""A receipt as JSON values. Amounts and quantities are decimal strings, durations whole ns."""

from typing import Any

from agentmeter.model.money import plain
from agentmeter.pricing.plans import date_of
from agentmeter.report.amounts import iso
from agentmeter.report.receipt import Receipt
from agentmeter.report.receipt_charge import PlanCharge


def document(one: Receipt) -> dict[str, Any]:
    """The whole receipt; what is not switched on is not in it."""
    work = one.work
    return {
        "request_id": one.request_id,
        "asked": one.asked,
        "started": iso(one.started_ns),
        "outcome": one.outcome.value,
        "at_least": one.at_least,
        "done": [{"what": a.what, "kind": a.kind, "times": a.times} for a in one.actions],
        "abridged": one.abridged,
        "work": {
            "model_calls": work.calls,
            "input_tokens": work.input_tokens,
            "output_tokens": work.output_tokens,
            "duration_ns": work.duration_ns,
        },
        "charge": None if one.charge is None else _charge(one.charge),
        **_switched_on(one),
    }


def _charge(charge: PlanCharge) -> dict[str, Any]:
    return {
        "plan": charge.plan,
        "currency": charge.currency,
        "period": {
            "from": date_of(charge.period.start).isoformat(),
            "until": date_of(charge.period.end).isoformat(),
        },
        "amount": plain(charge.amount),
        "at_least": charge.at_least,
        "tax_percent": plain(charge.tax),
        "lines": [
            {
                "what": line.what,
                "quantity": None if line.quantity is None else plain(line.quantity),
                "unit": line.unit,
                "amount": plain(line.amount),
                "beyond_allowance": line.beyond,
            }
            for line in charge.lines
        ],
        "allowances": [
            {"what": a.what, "unit": a.unit, "used": plain(a.used), "left": plain(a.left)}
            for a in charge.allowances
        ],
        "covered": charge.covered,
        "trial": charge.trial,
        "has_fee": charge.has_fee,
    }


def _switched_on(one: Receipt) -> dict[str, Any]:
    told: dict[str, Any] = {}
    if one.cost is not None:
        told["cost"] = {currency: plain(amount) for currency, amount in sorted(one.cost.items())}
    if one.margin is not None and one.charge is not None:
        told["margin"] = plain(one.margin)
        told["margin_at_most"] = one.charge.margin_at_most
    if one.models is not None:
        told["models"] = list(one.models)
    if one.prices is not None:
        told["prices"] = [
            {
                "model": line.model,
                "meter": line.meter,
                "quantity": line.quantity,
                "unit_price": plain(line.unit_price),
                "amount": plain(line.amount),
                "currency": line.currency,
            }
            for line in one.prices
        ]
    if one.owner is not None:
        owner = one.owner
        told["owner"] = {"tenant": owner.tenant, "plan": owner.plan, "tags": dict(owner.tags)}
    return told
