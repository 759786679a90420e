"""What could not be priced, and what else makes the total a lower bound."""

from collections import Counter
from typing import Any

from agentmeter.report.page.percent import percent
from agentmeter.report.report import Missing, Report

_Key = tuple[str | None, str, str]


def gap_values(report: Report) -> dict[str, Any]:
    """The gaps by model, meter and reason, the most requests first, and the share they cover."""
    parts = (*report.requests, *([report.unattributed] if report.unattributed else []))
    found: dict[_Key, list[Missing]] = {}
    for part in parts:
        for gap in part.missing:
            found.setdefault((gap.model, gap.meter, gap.reason), []).append(gap)
    evidence: Counter[str] = Counter()
    for part in parts:
        evidence.update(part.evidence)
    weak = sum(bool(part.missing) for part in report.requests)
    bound = sum(part.is_lower_bound for part in report.requests)
    return {
        "rows": [_row(*key, gaps) for key, gaps in sorted(found.items(), key=_most_first)],
        "requests": weak,
        "requests_percent": percent(weak, len(report.requests)),
        "lower_bound": bound,
        "evidence": dict(sorted(evidence.items())),
        "only_observed": sum(part.only_observed for part in parts),
        "missing_scopes": sum(len(part.view.missing) for part in parts),
        "missing_parents": sum(part.view.missing_parents for part in parts),
    }


def _most_first(item: tuple[_Key, list[Missing]]) -> tuple[int, tuple[str, ...]]:
    key, gaps = item
    return -len(gaps), tuple(map(str, key))


def _row(model: str | None, meter: str, reason: str, gaps: list[Missing]) -> dict[str, Any]:
    known = [gap.quantity for gap in gaps if gap.quantity is not None]
    return {
        "model": model,
        "meter": meter,
        "reason": reason,
        "quantity": sum(known) if known else None,
        "unknown": len(gaps) - len(known),
        "requests": len(gaps),
    }
