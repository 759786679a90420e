"""Bills held against the report: leaks, phantoms and price differences, by day, model and key."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum

from agentmeter.model import Usage
from agentmeter.model.money import CONTEXT
from agentmeter.report.breakdown import Leaf
from agentmeter.report.reconcile.bill import Bill
from agentmeter.report.reconcile.causes import Case, causes, concerned
from agentmeter.report.reconcile.groups import Compared, Group, Key, calls, grouped, surplus
from agentmeter.report.report import Amounts, Report, added


class Kind(StrEnum):
    """What a finding is."""

    LEAK = "leak"
    """Billed, and never metered."""
    PHANTOM = "phantom"
    """Metered, and not billed."""
    PRICE = "price"
    """The same usage, and another amount."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference, with its likely causes and the requests concerned.

    ``usage`` is what is too much on one side; ``requests`` are ids, those first that the cause
    points at; ``places`` are where the bill says so.
    """

    kind: Kind
    key: Key
    usage: Usage
    billed: Usage | None
    metered: Usage
    charged: Amounts
    priced: Amounts
    causes: tuple[str, ...]
    requests: tuple[str, ...]
    places: tuple[str, ...]

    @property
    def difference(self) -> Amounts:
        """What is charged less what was metered, by currency."""
        return less(self.charged, self.priced)


@dataclass(frozen=True, slots=True)
class Reconciled:
    """Bills beside what was metered. ``agreed`` counts the groups without a finding."""

    bills: tuple[Bill, ...]
    findings: tuple[Finding, ...]
    agreed: int
    outside: int
    billed: Usage
    metered: Usage
    charged: Amounts
    priced: Amounts
    faults: Mapping[str, int] = field(default_factory=dict)


def reconcile(
    report: Report, bills: Iterable[Bill], key: Callable[[Leaf], str | None] | None = None
) -> Reconciled:
    """Hold ``bills`` of the same traffic (its usage, its costs) against ``report``."""
    known = tuple(bills)
    findings: list[Finding] = []
    agreed = 0
    inside: dict[int, Leaf] = {}
    for alike in _alike(known, by_key=key is not None):
        compared = grouped(report, alike, key)
        inside |= {id(leaf[2]): leaf for leaf in compared.inside}
        made = _Comparison(alike, compared)
        found = [list(made.findings(one)) for one in compared.groups]
        findings.extend(one for some in found for one in some)
        agreed += sum(not some for some in found)
    whole = Group([row for bill in known for row in bill.rows], list(inside.values()))
    outside = [leaf for leaf in calls(report) if id(leaf[2]) not in inside]
    return Reconciled(
        known,
        tuple(findings),
        agreed,
        sum(leaf[2].record.call.calls for leaf in outside if leaf[2].record.call is not None),
        whole.billed,
        whole.metered,
        whole.charged,
        whole.priced,
        report.faults,
    )


def _alike(bills: tuple[Bill, ...], *, by_key: bool) -> list[tuple[Bill, ...]]:
    """Bills that are broken down alike, which can be compared as one.

    Usage by model and costs by day alone cannot.
    """
    sets: dict[tuple[bool, bool], list[Bill]] = {}
    for bill in bills:
        models = any(row.model is not None for row in bill.rows)
        keys = by_key and any(row.key is not None for row in bill.rows)
        sets.setdefault((models, keys), []).append(bill)
    return [tuple(some) for some in sets.values()]


def less(one: Amounts, other: Amounts) -> Amounts:
    """The exact differences, without those that are nothing."""
    differences = added([one, {code: amount.copy_negate() for code, amount in other.items()}])
    return {code: amount for code, amount in differences.items() if amount}


_NOISE = Decimal("1e-9")
"""Amounts that a provider writes as binary fractions differ from the exact ones by less."""


def _apart(group: Group) -> bool:
    """Whether the amounts differ by more than noise."""
    noise = CONTEXT.multiply(_NOISE, Decimal(len(group.rows)))
    return any(one.copy_abs() > noise for one in less(group.charged, group.priced).values())


class _Comparison:
    """What the bills tell at all, and so what can be compared."""

    def __init__(self, bills: tuple[Bill, ...], compared: Compared) -> None:
        rows = [row for bill in bills for row in bill.rows]
        self._groups = compared.groups
        self._counting = {row.provider for row in rows if row.usage is not None}
        self._charging = {row.provider for row in rows if row.amount is not None}
        self._meters = frozenset(meter for row in rows for meter in row.usage or ())
        decimals = [-int(row.amount.as_tuple().exponent) for row in rows if row.amount is not None]
        self._unit = max(_NOISE, Decimal(1).scaleb(-max(decimals, default=0), CONTEXT))

    def findings(self, key: Key) -> Iterator[Finding]:
        group = self._groups[key]
        leak, phantom = self._surplus(key)
        if leak:
            yield self._finding(Kind.LEAK, key, leak)
        if phantom:
            yield self._finding(Kind.PHANTOM, key, phantom)
        charges = key.provider in self._charging
        if charges and not leak and not phantom and _apart(group):
            kind = Kind.LEAK if not group.leaves else Kind.PRICE if group.rows else Kind.PHANTOM
            yield self._finding(kind, key, Usage())

    def _surplus(self, key: Key) -> tuple[Usage, Usage]:
        group = self._groups.get(key)
        if group is None or key.provider not in self._counting:
            return Usage(), Usage()
        billed, metered = group.billed, group.metered
        if group.rows and all(row.usage is None for row in group.rows):
            return Usage(), Usage()
        return surplus(billed, metered, self._meters), surplus(metered, billed, self._meters)

    def _finding(self, kind: Kind, key: Key, usage: Usage) -> Finding:
        group = self._groups[key]
        counts, charges = key.provider in self._counting, key.provider in self._charging
        case = Case(kind.value, key, group, usage, counts, charges, self._unit, self._near(key))
        return Finding(
            kind,
            key,
            usage,
            group.billed if counts else None,
            group.metered,
            group.charged if charges else {},
            group.priced if charges else {},
            causes(case),
            concerned(case),
            tuple(row.place for row in group.rows),
        )

    def _near(self, key: Key) -> tuple[tuple[Key, Usage, Usage], ...]:
        """The days before and after, with what is too much on either side there."""
        days = (key.day - timedelta(days=1), key.day + timedelta(days=1))
        near = (key._replace(day=day) for day in days)
        return tuple((one, *self._surplus(one)) for one in near if one in self._groups)
