"""Cost by feature, tenant, model …, in all and over time."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from agentmeter.model.money import CONTEXT, plain, total
from agentmeter.report.amounts import iso
from agentmeter.report.page.percent import percent
from agentmeter.report.page.spending import BY, Spending

SECOND = 1_000_000_000
STEPS = {
    "second": SECOND,
    "10 seconds": 10 * SECOND,
    "minute": 60 * SECOND,
    "10 minutes": 600 * SECOND,
    "hour": 3_600 * SECOND,
    "day": 86_400 * SECOND,
    "week": 604_800 * SECOND,
    "year": 52 * 604_800 * SECOND,
}
_MOST_STEPS = 96
_WEEKS_BEGIN = 4 * STEPS["day"]
"""The first Monday after the epoch."""
SHOWN_OVER_TIME = 6
_MOST_ROWS = 100


def group_values(spent: Sequence[Spending]) -> dict[str, Any]:
    """``groups`` by each of ``BY``; ``over_time``: the steps that series go by, and the whole."""
    step, starts = _steps([one.started_ns for one in spent])
    groups = {by: _group(spent, index, starts, STEPS[step]) for index, by in enumerate(BY)}
    over_time = {
        "step": step,
        "from": [iso(at) for at in starts],
        "cost": _series(spent, starts, STEPS[step]),
    }
    return {"over_time": over_time, "groups": groups}


def _steps(instants: Sequence[int]) -> tuple[str, list[int]]:
    """The finest step that divides the time into few enough parts, and where each begins."""
    if not instants:
        return "day", []
    first, last = min(instants), max(instants)
    name = next(
        (
            name
            for name, step in STEPS.items()
            if (last - _start(first, step)) // step < _MOST_STEPS
        ),
        "year",
    )
    return name, list(range(_start(first, STEPS[name]), last + 1, STEPS[name]))


def _start(at: int, step: int) -> int:
    offset = _WEEKS_BEGIN if step >= STEPS["week"] else 0
    return at - (at - offset) % step


def _group(
    spent: Sequence[Spending], index: int, starts: Sequence[int], step: int
) -> dict[str, Any]:
    """Rows by one key, the dearest first, with the series of the first few and of the rest."""
    by_key: dict[str, list[Spending]] = {}
    for one in spent:
        by_key.setdefault(one.keys[index], []).append(one)
    whole = total([one.amount for one in spent])
    ordered = sorted(by_key.items(), key=lambda item: (_cost(item[1]).copy_negate(), item[0]))
    rest = [one for _, found in ordered[SHOWN_OVER_TIME:] for one in found]
    series = [_series(found, starts, step) for _, found in ordered[:SHOWN_OVER_TIME]]
    return {
        "rows": [_row(key, found, whole) for key, found in ordered[:_MOST_ROWS]],
        "left_out": max(0, len(ordered) - _MOST_ROWS),
        "left_out_cost": plain(_cost(one for _, found in ordered[_MOST_ROWS:] for one in found)),
        "series": series,
        "rest": _series(rest, starts, step) if rest else None,
        "rest_keys": max(0, len(ordered) - SHOWN_OVER_TIME),
        "rest_cost": plain(_cost(rest)),
    }


def _cost(spent: Iterable[Spending]) -> Decimal:
    return total([one.amount for one in spent])


def _row(key: str, spent: Sequence[Spending], whole: Decimal) -> dict[str, Any]:
    cost = _cost(spent)
    return {
        "key": key,
        "requests": len({one.request for one in spent}),
        "calls": sum(one.calls for one in spent),
        "tokens": sum(one.tokens for one in spent),
        "cost": plain(cost),
        "percent": percent(cost, whole),
        "waste": plain(_cost(one for one in spent if one.wasted)),
        "partial": sum(one.partial for one in spent),
    }


def _series(spent: Iterable[Spending], starts: Sequence[int], step: int) -> list[str]:
    sums = [Decimal(0)] * len(starts)
    for one in spent:
        at = (one.started_ns - starts[0]) // step
        sums[at] = CONTEXT.add(sums[at], one.amount)
    return [plain(cost) for cost in sums]
