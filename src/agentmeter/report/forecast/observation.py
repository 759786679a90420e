"""Observations: a recorded request as one row, with its running totals by iteration."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from agentmeter.attribution.turns import takes_a_turn, turn_starts
from agentmeter.model import Extent, Owner, Record, Status
from agentmeter.model.money import CONTEXT
from agentmeter.report.report import RequestReport, ScopeReport, walk

Spent = tuple[Decimal, int]
"""An amount and tokens."""

_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class Observation:
    """What was known of a request before it ran, and what came of it.

    ``model`` and ``input_tokens`` are those of its first model call. ``cost`` is in ``currency``;
    where ``cost_known`` (``tokens_known``) is false the request took that much at least: it never
    closed, or a part could not be priced or counted. ``spent`` holds the running totals at the end
    of every iteration. An iteration is a round of model calls of the whole request: one that begins
    after all before it have ended begins the next, and calls side by side are of one.
    """

    request_id: str
    started_ns: int
    owner: Owner
    model: str | None
    input_tokens: int | None
    cost: Decimal
    tokens: int
    spent: tuple[Spent, ...] = ()
    currency: str = "USD"
    cost_known: bool = True
    tokens_known: bool = True
    at_least: bool = False
    """Whether a stream was cut, so that its output is counted as far as it had come."""


def observed(report: RequestReport) -> Observation:
    """The observation that a reported request makes.

    Of a request that was priced in several currencies the first, or dollars, is taken, and the
    rest is not known.
    """
    leaves = [scope for scope in walk(report.tree) if scope.node.is_call]
    amounts = report.amounts
    currency = "USD" if "USD" in amounts or not amounts else min(amounts)
    calls = [scope.record for scope in leaves if takes_a_turn(scope.record)]
    first = min(calls, key=lambda record: (record.started_ns, record.scope_id), default=None)
    counted = _is_counted(report)
    return Observation(
        report.request_id,
        report.tree.record.started_ns,
        report.view.owner,
        _model(first),
        _input(first),
        amounts.get(currency, _NOTHING),
        report.usage.total_tokens,
        _running(leaves, turn_starts(calls), currency),
        currency,
        counted and not report.missing and len(amounts) < 2,
        counted,
        Extent.AT_LEAST.value in report.evidence,
    )


def _is_counted(report: RequestReport) -> bool:
    return not (
        report.tree.record.status is Status.NEVER_CLOSED
        or report.view.missing
        or Extent.UNKNOWN.value in report.evidence
    )


def _model(first: Record | None) -> str | None:
    call = first.call if first is not None else None
    return (call.model or call.response_model) if call is not None else None


def _input(first: Record | None) -> int | None:
    """The input of the first call; a call without any is one whose usage is not known."""
    call = first.call if first is not None else None
    return (call.usage.total_input or None) if call is not None else None


def _running(leaves: Iterable[ScopeReport], starts: list[int], currency: str) -> tuple[Spent, ...]:
    """Totals at the end of each iteration; what runs beside is of the iteration begun last."""
    cost = [_NOTHING] * len(starts)
    tokens = [0] * len(starts)
    for leaf in leaves if starts else ():
        turn = max(1, bisect_right(starts, leaf.record.started_ns)) - 1
        cost[turn] = CONTEXT.add(cost[turn], _in(leaf.direct, currency))
        tokens[turn] += leaf.node.usage.total_tokens
    totals: list[Spent] = []
    for part, count in zip(cost, tokens, strict=True):
        before = totals[-1] if totals else (_NOTHING, 0)
        totals.append((CONTEXT.add(before[0], part), before[1] + count))
    return tuple(totals)


def _in(amounts: Mapping[str, Decimal], currency: str) -> Decimal:
    return amounts.get(currency, _NOTHING)
