"""Comparisons and invoices as JSON values. Amounts are decimal strings; parts and rates too."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from agentmeter.model.money import plain
from agentmeter.pricing.plans import Invoice, Period, date_of
from agentmeter.report.compare import Against, Comparison, PlanComparison
from agentmeter.report.margin import Margin
from agentmeter.report.tail import Tail


def comparison_document(made: Comparison) -> dict[str, Any]:
    """The whole comparison."""
    fees = made.break_even
    return {
        "currency": made.currency,
        "window": _period(made.window),
        "whole_periods": made.whole_periods,
        "requests": made.requests,
        "users": made.users,
        "cost": plain(made.cost),
        "lower_bound": bool(made.incomplete),
        "incomplete_requests": made.incomplete,
        "unattributed_cost": plain(made.unattributed),
        "cost_per_request": None if made.tail is None else _tail(made.tail),
        "break_even": None
        if fees is None
        else {
            "fee": plain(fees.fee),
            "with_margin": _plain(fees.with_margin),
            "at_confidence": _plain(fees.at_confidence),
            "resamples": fees.resamples,
            "by": fees.by,
        },
        "today": None if made.today is None else {**_margin(made.today), "told": made.told},
        "plans": [_plan(one) for one in made.plans],
    }


def invoice_document(one: Invoice) -> dict[str, Any]:
    """An invoice: exact amounts, the payable ones beside them, and the requests behind each."""
    lines, tax, total = one.payable()
    return {
        "account": one.account,
        "plan": one.plan,
        "currency": one.currency,
        "period": _period(one.period),
        "lines": [
            {
                "kind": line.kind.value,
                "what": line.what,
                "quantity": plain(line.quantity),
                "unit": line.unit,
                "unit_price": plain(line.unit_price),
                "amount": plain(line.amount),
                "payable": plain(payable),
                "note": line.note,
                "requests": list(line.requests),
            }
            for line, payable in zip(one.lines, lines, strict=True)
        ],
        "net": plain(one.net),
        "tax_rate": plain(one.tax_rate),
        "tax": plain(tax),
        "total": plain(total),
        "revenue": _plain(one.revenue),
        "unshared": plain(one.unshared),
        "refused": list(one.refused),
    }


def _period(period: Period) -> dict[str, Any]:
    return {"from": date_of(period.start).isoformat(), "until": date_of(period.end).isoformat()}


def _plain(amounts: Mapping[str, Decimal]) -> dict[str, str]:
    return {name: plain(amount) for name, amount in amounts.items()}


def _tail(tail: Tail) -> dict[str, Any]:
    return {
        "mean": plain(tail.mean),
        "quantiles": _plain(tail.quantiles),
        "max": plain(tail.largest),
        "dearest": _plain(tail.dearest),
        "lorenz": [plain(part) for part in tail.curve],
    }


def _plan(one: PlanComparison) -> dict[str, Any]:
    against = None if one.against_today is None else _against(one.against_today)
    return {"plan": one.plan, **_margin(one.margin), "today": against, "notes": list(one.notes)}


def _margin(one: Margin) -> dict[str, Any]:
    return {
        "revenue": plain(one.revenue),
        "cost": plain(one.cost),
        "margin": plain(one.margin),
        "margin_rate": None if one.rate is None else plain(one.rate),
        "unshared_revenue": plain(one.unshared),
        "invoices": one.invoices,
        "requests": one.requests,
        "losing_requests": one.losing_requests,
        "users": one.users,
        "losing_users": one.losing_users,
        "refused": one.refused,
        "refused_cost": plain(one.refused_cost),
        "periods": [
            {
                **_period(part.period),
                "requests": part.requests,
                "revenue": plain(part.revenue),
                "cost": plain(part.cost),
                "margin": plain(part.margin),
            }
            for part in one.periods
        ],
    }


def _against(one: Against) -> dict[str, Any]:
    return {
        "more": one.more,
        "less": one.less,
        "same": one.same,
        "movers": [
            {"user": move.user, "today": plain(move.today), "then": plain(move.then)}
            for move in one.movers
        ],
    }
