"""Today's cost beside yesterday's, in UTC."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from agentmeter.model.money import CONTEXT, plain, total
from agentmeter.report.amounts import iso
from agentmeter.report.page.percent import percent
from agentmeter.report.page.spending import Spending
from agentmeter.report.report import Report

DAY = 86_400_000_000_000


def today(report: Report, spent: Iterable[Spending], now_ns: int) -> dict[str, Any]:
    """What the day of ``now_ns`` has cost so far, and its change.

    The change is against yesterday up to the same time of day, which is what a day that is not
    over can be compared with; yesterday as a whole stands beside it. Work counts on the day it
    was started.
    """
    start = now_ns - now_ns % DAY
    recent = [one for one in spent if start - DAY <= one.started_ns < start + DAY]
    now = total([one.amount for one in recent if one.started_ns >= start])
    then = total([one.amount for one in recent if one.started_ns < now_ns - DAY])
    whole = total([one.amount for one in recent if one.started_ns < start])
    change = CONTEXT.subtract(now, then)
    return {
        "from": iso(start),
        "cost": plain(now),
        "partial": sum(one.partial for one in recent if one.started_ns >= start),
        "requests": sum(
            one.tree.record.started_ns // DAY * DAY == start for one in report.requests
        ),
        "hours": [plain(cost) for cost in _hours(recent, start)],
        "yesterday": plain(whole),
        "yesterday_by_now": plain(then),
        "yesterday_hours": [plain(cost) for cost in _hours(recent, start - DAY)],
        "change": plain(change),
        "change_percent": percent(change, then),
    }


def _hours(spent: Iterable[Spending], start: int) -> list[Decimal]:
    hours = [Decimal(0)] * 24
    for one in spent:
        if start <= one.started_ns < start + DAY:
            hour = (one.started_ns - start) * 24 // DAY
            hours[hour] = CONTEXT.add(hours[hour], one.amount)
    return hours
