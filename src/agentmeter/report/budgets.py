"""Budgets in a report: how each stood when its scope closed, and what they refused."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from agentmeter.attribution.standing_for import refused_by
from agentmeter.report.report import RequestReport, walk

_MEASURES = {"usd": "USD", "tokens": "tokens", "calls": "calls"}
_COUNTS = {
    "exceeded": "let past it",
    "clamped": "clamped",
    "cut": "cut",
    "open_ended": "whose worst case was not known",
}


@dataclass(frozen=True, slots=True)
class BudgetReport:
    """One budget: ``figures`` are limit, spent, and spent and reserved at most, by measure."""

    scope_id: str
    name: str
    figures: Mapping[str, tuple[str, str, str]]
    seconds: str | None
    counts: Mapping[str, int]


def budgets(one: RequestReport) -> Iterator[BudgetReport]:
    """The budgets of a request's scopes, as their records tell."""
    for scope in walk(one.tree):
        told = scope.record.attributes
        if "budget" in told:
            yield BudgetReport(
                scope.record.scope_id,
                told["budget"],
                {name: _figures(told, name) for name in _MEASURES if f"budget.{name}" in told},
                told.get("budget.seconds"),
                {name: int(told.get(f"budget.{name}", 0)) for name in ("refused", *_COUNTS)},
            )


def _figures(told: Mapping[str, str], measure: str) -> tuple[str, str, str]:
    limit = told[f"budget.{measure}"]
    spent, most = (told.get(f"budget.{measure}.{what}", "0") for what in ("spent", "most"))
    return limit, spent, most


def refused(one: RequestReport) -> int:
    """How many calls a budget had no room for, whosever it was."""
    return sum(refused_by(scope.record) for scope in walk(one.tree))


def lines(one: RequestReport) -> list[str]:
    """A request's lines of text about budgets; none where there are none."""
    told = [f"  budget {_text(budget)}" for budget in budgets(one)]
    count = refused(one)
    if count:
        told.append(f"  {count} call{'s' if count > 1 else ''} refused by budget")
    return told


def _text(budget: BudgetReport) -> str:
    parts = [
        f"{spent} of {limit} {_MEASURES[measure]} spent, {most} at most with what was reserved"
        for measure, (limit, spent, most) in budget.figures.items()
    ]
    parts.extend([f"{budget.seconds} seconds"] if budget.seconds is not None else [])
    parts.extend(
        f"{budget.counts[name]} calls {words}"
        for name, words in _COUNTS.items()
        if budget.counts[name]
    )
    name = budget.name if budget.name.isprintable() else repr(budget.name)
    return f"{name}: {'; '.join(parts)}"


def values(one: RequestReport) -> dict[str, Any]:
    """A request's budgets as JSON values."""
    return {
        "budgets": [
            {
                "scope_id": budget.scope_id,
                "name": budget.name,
                **{
                    measure: {"limit": limit, "spent": spent, "most_with_reserved": most}
                    for measure, (limit, spent, most) in budget.figures.items()
                },
                "seconds": budget.seconds,
                "counts": dict(budget.counts),
            }
            for budget in budgets(one)
        ],
        "refused_by_budget": refused(one),
    }
