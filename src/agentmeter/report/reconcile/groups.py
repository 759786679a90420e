"""Groups: what was billed and what was metered of a model, on a day, under a key."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from agentmeter.model import Usage
from agentmeter.model.meters import METERS, Side
from agentmeter.pricing.providers import canonical
from agentmeter.report.breakdown import Leaf, leaves
from agentmeter.report.reconcile.bill import Bill, BillRow
from agentmeter.report.reconcile.names import paired
from agentmeter.report.report import Amounts, Report, added

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Key(NamedTuple):
    """What is compared with each other; ``None`` where the bill does not tell it apart."""

    day: date
    provider: str
    model: str | None
    key: str | None


class Part(StrEnum):
    """Which cost of the metered calls a group is held against."""

    ALL = "all"
    TOKENS = "tokens"
    """Without fees, which the bill lists apart, under no model."""
    FEES = "fees"


@dataclass(slots=True)
class Group:
    """The bill's rows and the metered leaves of one key."""

    rows: list[BillRow] = field(default_factory=list)
    leaves: list[Leaf] = field(default_factory=list)
    part: Part = Part.ALL

    @property
    def billed(self) -> Usage:
        """All that the rows count."""
        return _sum(row.usage for row in self.rows if row.usage is not None)

    @property
    def metered(self) -> Usage:
        """All that was metered."""
        if self.part is Part.FEES:
            return Usage()
        return _sum(scope.node.usage for _, _, scope in self.leaves)

    @property
    def charged(self) -> Amounts:
        """All that the rows charge, by currency."""
        return added({row.currency: row.amount} for row in self.rows if row.amount is not None)

    @property
    def priced(self) -> Amounts:
        """What the metered calls cost by their tariffs, by currency."""
        if self.part is Part.ALL:
            return added(scope.direct for _, _, scope in self.leaves)
        fees = self.part is Part.FEES
        return added(
            {scope.cost.currency: line.amount}
            for _, _, scope in self.leaves
            for line in scope.cost.lines
            if (_side(line.billed) is Side.OTHER) is fees
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The models as they were metered."""
        found = {leaf_model(leaf) for leaf in self.leaves}
        return tuple(sorted(name for name in found if name is not None))


def leaf_model(leaf: Leaf) -> str | None:
    """The model that answered."""
    call = leaf[2].record.call
    return call.priced_model if call is not None else None


def leaf_day(leaf: Leaf) -> date:
    """The day in UTC on which a call began."""
    return (_EPOCH + timedelta(seconds=leaf[2].record.started_ns // 1_000_000_000)).date()


def leaf_provider(leaf: Leaf) -> str:
    """Who is paid for a call."""
    call = leaf[2].record.call
    return canonical(call.provider if call is not None else None) or "unknown"


@dataclass(frozen=True, slots=True)
class Compared:
    """The groups, and the metered calls that the bills speak of."""

    groups: Mapping[Key, Group]
    inside: list[Leaf]


def grouped(
    report: Report, bills: Iterable[Bill], key: Callable[[Leaf], str | None] | None
) -> Compared:
    """The bills' rows and the metered calls of the days and providers that the bills speak of.

    ``key`` says under which key a call was made; without it, and where no row has one, keys are
    not told apart. Charges, which no model provider bills, are left out.
    """
    known = list(bills)
    rows = [row for bill in known for row in bill.rows]
    days = {day for bill in known for day in bill.days}
    providers = {row.provider for row in rows} | {bill.provider for bill in known if bill.provider}
    sorting = _Sorting(rows, key)
    inside = [
        leaf
        for leaf in calls(report)
        if leaf_day(leaf) in days and leaf_provider(leaf) in providers
    ]
    names = _names(rows, inside)
    for row in rows:
        sorting.add_row(row)
    for leaf in inside:
        sorting.add_leaf(leaf, names.get((leaf_provider(leaf), leaf_model(leaf) or "")))
    ordered = sorted(sorting.groups.items(), key=lambda one: tuple(map(str, one[0])))
    return Compared(dict(ordered), inside)


class _Sorting:
    """Rows and calls on their way into groups, as far as the rows tell things apart."""

    def __init__(self, rows: list[BillRow], key: Callable[[Leaf], str | None] | None) -> None:
        self.groups: dict[Key, Group] = {}
        self._key = key if any(row.key is not None for row in rows) else None
        self._by_model = any(row.model is not None for row in rows)
        self._fees = {
            (row.day, row.provider)
            for row in rows
            if self._by_model and row.model is None and row.amount is not None
        }

    def add_row(self, row: BillRow) -> None:
        """Put a row of a bill into its group."""
        key = row.key if self._key is not None else None
        self._group(Key(row.day, row.provider, row.model, key)).rows.append(row)

    def add_leaf(self, leaf: Leaf, billed_as: str | None) -> None:
        """Put a call into its group, and into that of the day's fees where those are apart."""
        key = self._key(leaf) if self._key is not None else None
        model = (billed_as or leaf_model(leaf)) if self._by_model else None
        found = Key(leaf_day(leaf), leaf_provider(leaf), model, key)
        self._group(found).leaves.append(leaf)
        if found[:2] in self._fees and any(
            _side(line.billed) is Side.OTHER for line in leaf[2].cost.lines
        ):
            self._group(found._replace(model=None)).leaves.append(leaf)

    def _group(self, key: Key) -> Group:
        if key not in self.groups:
            apart = key[:2] in self._fees
            part = Part.ALL if not apart else Part.FEES if key.model is None else Part.TOKENS
            self.groups[key] = Group(part=part)
        return self.groups[key]


def calls(report: Report) -> Iterable[Leaf]:
    """The leaves that a model provider may bill: all but the application's own charges."""
    for leaf in leaves(report):
        call = leaf[2].record.call
        if call is not None and call.charge is None:
            yield leaf


def _names(rows: list[BillRow], inside: list[Leaf]) -> dict[tuple[str, str], str]:
    """(provider, metered model) → the model's name on the bill."""
    result: dict[tuple[str, str], str] = {}
    for provider in {row.provider for row in rows}:
        billed = {row.model for row in rows if row.provider == provider and row.model}
        here = (leaf for leaf in inside if leaf_provider(leaf) == provider)
        metered = {name for leaf in here if (name := leaf_model(leaf)) is not None}
        for name, as_billed in paired(billed, metered).items():
            result[provider, name] = as_billed
    return result


def surplus(more: Usage, less: Usage, meters: frozenset[str]) -> Usage:
    """What ``more`` has beyond ``less``, side by side; other meters where the bill counts them.

    A side whose sums agree has no surplus, however it is split; one whose surplus is not that of
    its meters is told as a sum.
    """
    result: dict[str, int] = {}
    for side in (Side.INPUT, Side.OUTPUT):
        net = side_total(more, side) - side_total(less, side)
        if net > 0:
            excess = of_side(more.excess_over(less), side)
            whole = sum(excess.values()) == net
            result |= excess if whole else {f"{side}_unsplit": net}
    for meter in meters:
        if _side(meter) is Side.OTHER:
            result[meter] = max(0, more.get(meter, 0) - less.get(meter, 0))
    return Usage(result)


def side_total(usage: Usage, side: Side) -> int:
    """The sum of one side."""
    return sum(of_side(usage, side).values())


def of_side(usage: Usage, side: Side) -> dict[str, int]:
    """The meters of one side."""
    return {meter: count for meter, count in usage.items() if _side(meter) is side}


def _side(meter: str) -> Side:
    return METERS[meter].side if meter in METERS else Side.OTHER


def _sum(parts: Iterable[Usage]) -> Usage:
    total = Usage()
    for part in parts:
        total = total + part if part else total
    return total
