"""Rules applied to the calls of their periods: wholes shared out to requests, exactly.

Kinds are worked out in one order whatever order the rules stand in: volume steps, commitments (on
what was spent after volume rebates), capacity, fixed amounts, and credits last (on what was spent
after rebates and earlier credits, those that expire first being used first).
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_FLOOR, Decimal

from agentmeter.model.meters import METERS, Side
from agentmeter.model.money import CONTEXT, split
from agentmeter.pricing.allocation.rule import BY_USE, Allocation, Rule, Used
from agentmeter.pricing.allocation.terms import (
    ORDER,
    Capacity,
    Commitment,
    Credit,
    Fixed,
    Volume,
)

UNSHARED = ""
"""The request id of a whole that could not be shared out."""

Lines = dict[str, list[Allocation]]
_ZERO = Decimal(0)
_FINEST = Decimal("1e-18")
_DOWN = CONTEXT.copy()
_DOWN.rounding = ROUND_FLOOR


def allocate(rules: Iterable[Rule], used: Iterable[Used]) -> Mapping[str, tuple[Allocation, ...]]:
    """The lines of every request, by its id; under ``UNSHARED`` what no request took part in.

    The result depends neither on the order of ``used`` nor on that of the rules.
    """
    leaves = sorted(used, key=lambda one: (one.started_ns, one.request_id))
    starts = [one.started_ns for one in leaves]
    work: dict[str, list[Used]] = {}
    for one in leaves:
        work.setdefault(one.request_id, []).append(one)
    lines: Lines = {}
    for rule in sorted(rules, key=_turn):
        for number, period in enumerate(rule.periods):
            first, last = (bisect_left(starts, at) for at in period)
            about = [one for one in leaves[first:last] if rule.about(one)]
            for request_id, line in _shared(rule, number, about, lines, work):
                lines.setdefault(request_id, []).append(line)
    return {request_id: tuple(found) for request_id, found in lines.items()}


def _turn(rule: Rule) -> tuple[object, ...]:
    last = rule.periods[-1][1] if rule.periods else 0
    first = rule.periods[0][0] if rule.periods else 0
    place = ORDER.index(rule.term.kind)
    return (place, last, first, rule.name, rule.currency, rule.provider or "", rule.model)


def _shared(
    rule: Rule, number: int, about: Sequence[Used], lines: Lines, work: Mapping[str, Sequence[Used]]
) -> list[tuple[str, Allocation]]:
    period = rule.periods[number]
    net = _net(rule, period, about, lines, work)
    whole, told = _whole(rule, number, about, net)
    if not whole:
        return []
    if rule.by == BY_USE:
        parts = _in_order(whole, net)
        return [(who, _line(rule, period, part, told)) for who, part in parts.items()]
    weights = _weights(rule.by, about)
    of = sum(weights.values())
    if of <= 0:
        note = f"{told}; not shared out: no {rule.by} in the period to share it by"
        return [(UNSHARED, _line(rule, period, whole, note))]
    shares = share(whole, weights, rule.quantum)
    return [
        (who, _line(rule, period, part, told, weights[who], of))
        for who, part in shares.items()
        if part
    ]


def _line(
    rule: Rule,
    period: tuple[int, int],
    part: Decimal,
    note: str,
    weight: int | None = None,
    of: int | None = None,
) -> Allocation:
    kind = rule.term.kind
    source = rule.source or rule.name
    return Allocation(
        rule.name, kind, *period, rule.by, part, rule.currency, source, note, weight, of
    )


def _net(
    rule: Rule,
    period: tuple[int, int],
    about: Sequence[Used],
    lines: Lines,
    work: Mapping[str, Sequence[Used]],
) -> dict[str, Decimal]:
    """What each request spent, in the order of its first call: rebates and credits taken off."""
    spent: dict[str, Decimal] = {}
    for one in about:
        spent[one.request_id] = CONTEXT.add(spent.get(one.request_id, _ZERO), one.amount)
    for request_id in spent:
        for line in lines.get(request_id, ()):
            if line.kind in _NETTED and line.currency == rule.currency:
                part = _part_in(period, line, work[request_id])
                spent[request_id] = CONTEXT.add(spent[request_id], part)
    return spent


def _part_in(period: tuple[int, int], line: Allocation, work: Sequence[Used]) -> Decimal:
    """What of an earlier line falls into a period: by what its request spent when.

    Down to the next 10^-18, so that no credit is used for what another has paid.
    """
    start, end = period
    if start <= line.from_ns and line.until_ns <= end:
        return line.amount
    if line.until_ns <= start or end <= line.from_ns:
        return _ZERO
    inside = whole = _ZERO
    for one in work:
        if line.from_ns <= one.started_ns < line.until_ns and one.currency == line.currency:
            whole = CONTEXT.add(whole, one.amount)
            if start <= one.started_ns < end:
                inside = CONTEXT.add(inside, one.amount)
    if not whole:
        return _ZERO
    part = _DOWN.divide(_DOWN.multiply(line.amount, inside), whole)
    return _DOWN.quantize(part, _FINEST)


_NETTED = (Volume.kind, Credit.kind)


def _whole(
    rule: Rule, number: int, about: Sequence[Used], net: Mapping[str, Decimal]
) -> tuple[Decimal, str]:
    term = rule.term
    if isinstance(term, Volume):
        return term.whole(_measured(term.measure, about), _cost_of(term.measure, about))
    if isinstance(term, Commitment):
        return term.whole(number, _sum(net.values()))
    if isinstance(term, Capacity):
        return term.whole(rule.periods[number], _sum(one.amount for one in about))
    if isinstance(term, Fixed):
        return term.whole()
    return term.whole(_sum(max(_ZERO, amount) for amount in net.values()))


def _in_order(whole: Decimal, net: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """A credit taken by one request after the other, each up to what it spent."""
    left, parts = whole, {}
    for request_id, spent in net.items():
        part = max(left, CONTEXT.minus(max(_ZERO, spent)))
        if part:
            parts[request_id] = part
            left = CONTEXT.subtract(left, part)
    return parts


def share(whole: Decimal, weights: Mapping[str, int], quantum: int) -> dict[str, Decimal]:
    """``whole`` by ``weights``, in units of ten to the ``quantum`` or of its own last digit,
    whichever is finer; the parts sum to it exactly.
    """
    exponent = min(quantum, int(whole.as_tuple().exponent))
    units = int(CONTEXT.scaleb(whole, -exponent))
    parts = split(units, weights)
    return {who: CONTEXT.scaleb(Decimal(part), exponent) for who, part in parts.items()}


def _weights(by: str, about: Sequence[Used]) -> dict[str, int]:
    if by == "cost":
        return _by_cost(about)
    weights: dict[str, int] = {}
    for one in about:
        before = weights.get(one.request_id, 0)
        weights[one.request_id] = 1 if by == "requests" else before + _weight(by, one)
    return weights


def _weight(by: str, one: Used) -> int:
    if by == "tokens":
        return one.usage.total_tokens
    if by == "calls":
        return one.calls
    return one.ended_ns - one.started_ns if by == "busy_seconds" else one.usage.get(by, 0)


def _by_cost(about: Sequence[Used]) -> dict[str, int]:
    """Costs in units of the finest digit among them; what a request got back counts as none."""
    sums: dict[str, Decimal] = {}
    for one in about:
        sums[one.request_id] = CONTEXT.add(sums.get(one.request_id, _ZERO), one.amount)
    exponent = min((int(amount.as_tuple().exponent) for amount in sums.values()), default=0)
    return {who: max(0, int(CONTEXT.scaleb(amount, -exponent))) for who, amount in sums.items()}


def _measured(measure: str, about: Sequence[Used]) -> Decimal:
    if measure == "cost":
        return _sum(one.amount for one in about)
    return Decimal(sum(_weight(measure, one) for one in about))


def _cost_of(measure: str, about: Sequence[Used]) -> Decimal:
    """What was paid for what is measured."""
    if measure in ("cost", "calls"):
        return _sum(one.amount for one in about)
    return _sum(
        amount
        for one in about
        for meter, amount in one.amounts.items()
        if meter == measure or (measure == "tokens" and _is_token(meter))
    )


def _is_token(meter: str) -> bool:
    known = METERS.get(meter)
    return known is not None and known.side is not Side.OTHER


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    result = _ZERO
    for amount in amounts:
        result = CONTEXT.add(result, amount)
    return result
