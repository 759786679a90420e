"""Admission: which requests a plan would have served, by its limits and its hard allowances."""

from collections import deque
from collections.abc import Iterable, Sequence

from agentmeter.pricing.plans.plan import Limit, Of
from agentmeter.pricing.plans.traffic import Traffic

_SECOND = 1_000_000_000


def within_limits(limits: Iterable[Limit], traffic: Traffic, members: list[int]) -> list[int]:
    """The requests of one account, in order, that each limit lets through in turn."""
    for limit in limits:
        members = _let_through(limit, traffic, members)
    return members


def _let_through(limit: Limit, traffic: Traffic, members: list[int]) -> list[int]:
    served: list[int] = []
    window: deque[tuple[int, int]] = deque()
    used = 0
    for index in members:
        now = traffic.starts[index]
        while window and window[0][0] <= now - limit.seconds * _SECOND:
            used -= window.popleft()[1]
        if used < limit.most:
            counted = traffic.tokens[index] if limit.of is Of.TOKENS else 1
            window.append((now, counted))
            used += counted
            served.append(index)
    return served


def within_allowance(
    available: int, members: Sequence[int], quantities: Sequence[int]
) -> list[int]:
    """The requests that are begun before an allowance is used up, and those that use none."""
    served = []
    used = 0
    for index in members:
        if used < available or not quantities[index]:
            used += quantities[index]
            served.append(index)
    return served
