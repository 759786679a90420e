"""Likely causes of a difference between a bill and what was metered: a table of rules."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal

from agentmeter.model import Call, Extent, Status, Usage
from agentmeter.model.meters import Side
from agentmeter.model.money import CONTEXT, plain
from agentmeter.pricing.providers import standard
from agentmeter.report.reconcile.groups import Group, Key, of_side, side_total
from agentmeter.report.report import ScopeReport


@dataclass(frozen=True, slots=True)
class Case:
    """A finding in the making, and the days beside it.

    ``unit`` is the last decimal place of the bill's amounts; ``near`` holds what is billed and
    what is metered too much on the day before and on the day after.
    """

    kind: str
    key: Key
    group: Group
    usage: Usage
    counts: bool
    charges: bool
    unit: Decimal
    near: tuple[tuple[Key, Usage, Usage], ...]

    @property
    def calls(self) -> list[Call]:
        """The metered calls."""
        return [scope.record.call for _, _, scope in self.group.leaves if scope.record.call]

    def money(self) -> tuple[Decimal, Decimal] | None:
        """What is charged and what was metered, where both are in one and the same currency."""
        charged, priced = self.group.charged, self.group.priced
        if len(charged) != 1 or charged.keys() != priced.keys():
            return None
        return next(iter(charged.values())), next(iter(priced.values()))


def causes(case: Case) -> tuple[str, ...]:
    """What the difference likely comes from, the most telling first; empty where nothing is."""
    return tuple(text for rule in _RULES for text in rule(case))


def concerned(case: Case) -> tuple[str, ...]:
    """The ids of the requests that the finding is about: the unsure ones first, then the rest."""
    unsure = [leaf for leaf in case.group.leaves if _unsure(leaf[2])]
    ordered = [*unsure, *case.group.leaves]
    return tuple(dict.fromkeys(request.request_id for request, _, _ in ordered))


def _unsure(scope: ScopeReport) -> bool:
    """A call of which more may have been used than is known."""
    call = scope.record.call
    if call is None:
        return False
    weak = any(known.extent is not Extent.WHOLE for known in call.evidence.values())
    retried = any(attempt.failed and attempt.billed is not False for attempt in call.attempts)
    return weak or retried or scope.record.status is Status.NEVER_CLOSED


def _unmetered(case: Case) -> Iterable[str]:
    if case.group.leaves or case.kind != "leak":
        return
    if case.key.model is None and case.key.key is None:
        yield "the bill does not say what it is for: a fee of the account, or of a tool"
    else:
        yield "no call of it was metered: a program without agentmeter, or somebody else's key"


def _unbilled(case: Case) -> Iterable[str]:
    if not case.group.rows and case.kind == "phantom":
        yield "the bill has no row for it: not billed yet, or on another account"


def _day_edge(case: Case) -> Iterable[str]:
    """What is too much here is missing on the day beside it."""
    for key, billed, metered in case.near:
        theirs = metered if case.kind == "leak" else billed
        if case.usage and theirs and _sides(theirs) == _sides(case.usage):
            done = "metered" if case.kind == "leak" else "billed"
            yield (
                f"the same quantity is {done} too much on {key.day}: calls near midnight, "
                "or days of the bill that are not in UTC"
            )


def _sides(usage: Usage) -> tuple[int, int]:
    return side_total(usage, Side.INPUT), side_total(usage, Side.OUTPUT)


def _cut(case: Case) -> Iterable[str]:
    unsure = [scope for _, _, scope in case.group.leaves if _unsure(scope)]
    if case.kind == "leak" and unsure:
        yield (
            f"{len(unsure)} calls were cut, retried or never closed: what was used after that "
            "is billed and not known here"
        )


def _priority(case: Case) -> Iterable[str]:
    tiers = sum((call.service_tier or "").startswith("priority") for call in case.calls)
    if tiers and case.key.provider == "anthropic" and case.kind != "leak" and case.charges:
        yield f"{tiers} calls were served at Priority Tier, which the cost report leaves out"


def _tier(case: Case) -> Iterable[str]:
    """A tier that only one of the two knows of."""
    if case.kind != "price":
        return
    billed = {row.tier for row in case.group.rows if row.tier and not standard(row.tier)}
    metered = {"batch" if call.batch else call.service_tier for call in case.calls}
    known = {tier.lower() for tier in metered if tier and not standard(tier)}
    for tier in sorted(billed - known):
        yield f"billed at {tier}, and recorded at the standard tier"
    for tier in sorted(known - billed) if any(row.tier for row in case.group.rows) else ():
        yield f"recorded at {tier}, and not billed at it"


def _split(case: Case) -> Iterable[str]:
    """The sums of the input agree, and how much of it was cached does not."""
    if case.kind != "price" or not case.counts:
        return
    billed, metered = (
        of_side(case.group.billed, Side.INPUT),
        of_side(case.group.metered, Side.INPUT),
    )
    if billed and "input_unsplit" in metered and "input_unsplit" not in billed:
        yield "the cache split was not recorded: all input is priced as uncached"
    elif billed and metered and billed != metered and "input_unsplit" not in billed:
        told = ", ".join(
            f"{meter} {billed.get(meter, 0):,} billed and {metered.get(meter, 0):,} metered"
            for meter in sorted({*billed, *metered})
            if billed.get(meter, 0) != metered.get(meter, 0)
        )
        yield f"the input is split otherwise: {told}"


def _gaps(case: Case) -> Iterable[str]:
    reasons = _unpriced(case)
    if case.charges and reasons and case.kind == "price":
        yield f"not all that was metered has a price: {'; '.join(sorted(reasons))}"


def _unpriced(case: Case) -> set[str]:
    return {gap.reason for _, _, scope in case.group.leaves for gap in scope.cost.gaps}


def _rounding(case: Case) -> Iterable[str]:
    if _rounded(case):
        yield f"rounding: the bill gives amounts to {plain(case.unit)}"


def _rounded(case: Case) -> bool:
    """Whether the difference is no more than half a unit of the bill for each of its rows."""
    money = case.money()
    if money is None or case.kind != "price":
        return False
    apart = CONTEXT.subtract(*money).copy_abs()
    return CONTEXT.add(apart, apart) <= CONTEXT.multiply(case.unit, Decimal(len(case.group.rows)))


_RATIOS = (
    (Decimal("0.5"), "half of what was metered: the batch discount"),
    (Decimal("1.1"), "1.1 times what was metered: the uplift of a region or of data residency"),
)


def _ratio(case: Case) -> Iterable[str]:
    """A factor that the whole group is billed at, where it is a round one."""
    money = case.money()
    if money is None or case.kind != "price" or not all(money) or _rounded(case) or _unpriced(case):
        return
    charged, priced = money
    slack = CONTEXT.multiply(case.unit, Decimal(len(case.group.rows)))
    for factor, text in _RATIOS:
        if CONTEXT.subtract(charged, CONTEXT.multiply(priced, factor)).copy_abs() <= slack:
            yield f"billed at {text}"
            return
    ratio = CONTEXT.divide(charged, priced)
    percent = CONTEXT.quantize(ratio.scaleb(2, CONTEXT), Decimal(1))
    scaled = CONTEXT.multiply(priced, percent.scaleb(-2, CONTEXT))
    telling = CONTEXT.multiply(slack, Decimal(200)) < priced  # else any amount is near some percent
    if telling and percent and CONTEXT.subtract(charged, scaled).copy_abs() <= slack:
        yield f"billed at {plain(percent)} % of what was metered: a discount, or another price list"


def _alias(case: Case) -> Iterable[str]:
    other = [name for name in case.group.names if name.lower() != (case.key.model or "").lower()]
    if case.key.model is not None and case.group.rows and other:
        yield f"billed as {case.key.model} and metered as {', '.join(other)}: an alias of it"


def _currency(case: Case) -> Iterable[str]:
    charged, priced = set(case.group.charged), set(case.group.priced)
    if case.charges and charged and priced and charged != priced:
        yield f"billed in {', '.join(sorted(charged))} and priced in {', '.join(sorted(priced))}"


_RULES: tuple[Callable[[Case], Iterable[str]], ...] = (
    _unmetered,
    _unbilled,
    _day_edge,
    _cut,
    _priority,
    _rounding,
    _tier,
    _split,
    _gaps,
    _ratio,
    _currency,
    _alias,
)
