"""A forecast as JSON values. Amounts are decimal strings; instants ISO 8601 in UTC."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

from agentmeter.model.money import plain
from agentmeter.report.document import iso
from agentmeter.report.forecast.distribution import LEVELS, QUANTILES, Distribution, V
from agentmeter.report.forecast.forecast import Basis, Forecast
from agentmeter.report.forecast.text import remarks


def document(forecast: Forecast) -> dict[str, Any]:
    """The whole forecast."""
    drift = forecast.drift
    return {
        "asked": _asked(forecast),
        "remaining": forecast.asked.iteration is not None,
        "n": forecast.n,
        "cold_start": forecast.cold_start,
        "beyond_history": forecast.beyond,
        "currency": forecast.currency,
        "cost": _distribution(forecast.cost),
        "tokens": _distribution(forecast.tokens),
        "basis": _basis(forecast.basis),
        "drift": drift
        and {
            "since": iso(drift.since_ns),
            "requests_before": drift.before,
            "requests_since": drift.after,
            "median_before": plain(drift.was),
            "median_since": plain(drift.now),
        },
        "notes": remarks(forecast),
    }


def _asked(forecast: Forecast) -> dict[str, Any]:
    asked = forecast.asked
    names = ("feature", "model", "input_tokens", "user", "tenant", "plan", "iteration", "spent")
    return {**{name: _value(getattr(asked, name)) for name in names}, "tags": dict(asked.tags)}


def _distribution(of: Distribution[V]) -> dict[str, Any]:
    intervals = (of.interval(level) for level in LEVELS)
    return {
        "mean": _value(of.mean),
        "quantiles": {f"p{percent}": _value(of.quantile(percent)) for percent in QUANTILES},
        "intervals": [
            {
                "level": one.level,
                "low": _value(one.low),
                "high": _value(one.high),
                "coverage": coverage_text(one.coverage) if one.coverage is not None else None,
                "reason": one.reason,
            }
            for one in intervals
        ],
    }


def _basis(basis: Basis) -> dict[str, Any]:
    return {
        "conditions": dict(basis.conditions),
        "too_few": [
            {"conditions": dict(conditions), "requests": n} for conditions, n in basis.passed
        ],
        "by": basis.by,
        "from": _value(basis.low),
        "to": _value(basis.high),
        "first": iso(basis.first_ns) if basis.first_ns is not None else None,
        "last": iso(basis.last_ns) if basis.last_ns is not None else None,
        "in_part": basis.in_part,
        "at_least": basis.at_least,
    }


def coverage_text(share: Fraction) -> str:
    """A share as a percentage to one place, rounded down: the guarantee is a lower bound."""
    tenths = share.numerator * 1000 // share.denominator
    return f"{tenths // 10}.{tenths % 10}"


def _value(value: Any) -> Any:
    return plain(value) if isinstance(value, Decimal) else value
