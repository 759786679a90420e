"""Once: one call that several observers saw becomes one record, with the richest evidence.

Two records of different observers are the same call where they name the same response, or where
one lies directly in the other or, in the same scope, in its time, and model and usage agree. A
group holds at most one record of every observer, since no observer sees one call twice.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from agentmeter.attribution.alike import agree, same_response
from agentmeter.attribution.gather import Key, key_of
from agentmeter.attribution.standing_for import is_folded
from agentmeter.attribution.tree import Tree
from agentmeter.model import Attempt, Call, Kind, Record, as_lower_bound

T = TypeVar("T")

_UNSPLIT = ("input_unsplit", "output_unsplit")


@dataclass(slots=True)
class _Groups:
    """Which records are one call: a union by the smallest start."""

    tree: Tree
    leader: dict[Key, Key] = field(default_factory=dict)
    members: dict[Key, list[Record]] = field(default_factory=dict)

    def of(self, record: Record) -> list[Record]:
        key = key_of(record)
        return self.members.get(self.leader.get(key, key), [record])

    def join(self, one: Record, other: Record) -> bool:
        """Make the groups of both one, unless an observer would be in it twice."""
        ours, theirs = self.of(one), self.of(other)
        if ours is theirs or {r.observer for r in ours} & {r.observer for r in theirs}:
            return False
        both = [*ours, *theirs]
        first = key_of(both[0])
        for record in both:
            self.leader[key_of(record)] = first
            self.members.pop(key_of(record), None)
        self.members[first] = both
        return True


def merged(tree: Tree) -> dict[Key, tuple[Record, ...]]:
    """Merge what is one call, in place; returns the records that each one was merged from.

    What a ledger has folded stands for calls that are settled: it is no observer of another.
    """
    calls = [
        record
        for record in tree.records.values()
        if record.kind is Kind.CALL and record.call is not None and not is_folded(record)
    ]
    if len({record.observer for record in calls}) < 2:
        return {}
    calls.sort(key=lambda record: (record.started_ns, -record.ended_ns, key_of(record)))
    groups = _Groups(tree)
    _by_response(calls, groups)
    _by_containment(calls, groups)
    _by_time(calls, groups)
    return _put_together(tree, groups)


def _by_response(calls: list[Record], groups: _Groups) -> None:
    """The n-th record that each observer has of a response id is of the same call."""
    seen: dict[tuple[str, int], Record] = {}
    counted: dict[tuple[str, str], int] = {}
    for record in calls:
        response_id = record.call.response_id if record.call else None
        if not response_id:
            continue
        nth = counted.get((response_id, record.observer), 0)
        counted[response_id, record.observer] = nth + 1
        first = seen.setdefault((response_id, nth), record)
        if first is not record and same_response(first, record):
            groups.join(first, record)


def _by_containment(calls: list[Record], groups: _Groups) -> None:
    """A call that is the only one directly inside another, and agrees with it."""
    inside: dict[Key, list[Record]] = {}
    for record in calls:
        outer = _call_above(record, groups.tree)
        if outer is not None:
            inside.setdefault(key_of(outer), []).append(record)
    for key, found in inside.items():
        outer = groups.tree.records[key]
        strangers = [record for record in found if record not in groups.of(outer)]
        if len(strangers) == 1 and agree(outer, strangers[0]):
            groups.join(outer, strangers[0])


def _call_above(record: Record, tree: Tree) -> Record | None:
    """The call that ``record`` lies in, with nothing but steps between them."""
    key = tree.parents.get(key_of(record))
    while key is not None:
        above = tree.records[key]
        if above.kind is Kind.CALL:
            return above
        if above.kind is not Kind.STEP:
            return None
        key = tree.parents.get(key)
    return None


def _by_time(calls: list[Record], groups: _Groups) -> None:
    """A call that lies in the time of another observer's call, and agrees with it."""
    going: list[Record] = []
    for record in calls:
        going = [one for one in going if one.ended_ns >= record.started_ns]
        for outer in reversed(going):
            alone = {record.observer}.isdisjoint(one.observer for one in groups.of(outer))
            lies_in = outer.ended_ns >= record.ended_ns
            if (
                alone
                and lies_in
                and agree(outer, record)
                and _one_place(outer, record, groups.tree)
            ):
                groups.join(outer, record)
                break
        going.append(record)


def _one_place(one: Record, other: Record, tree: Tree) -> bool:
    """Whether one of two calls runs in a scope of ours that the other's lies in, or is of.

    Calls in two branches are two, however alike.
    """
    ours, theirs = _scopes_above(one, tree), _scopes_above(other, tree)
    return ours[0] in theirs or theirs[0] in ours


def _scopes_above(record: Record, tree: Tree) -> list[Key]:
    """The scopes of ours around a call, the nearest first, the root last."""
    found: list[Key] = []
    at = tree.parents.get(key_of(record))
    while at is not None:
        above = tree.records[at]
        if not above.foreign and above.kind is not Kind.CALL:
            found.append(at)
        at = tree.parents.get(at)
    return found or [key_of(tree.root)]


def _put_together(tree: Tree, groups: _Groups) -> dict[Key, tuple[Record, ...]]:
    """One record for every group, in the place of its outermost member; returns its members."""
    chiefs = {first: min(members, key=_chief_order) for first, members in groups.members.items()}
    speaks = {
        key_of(record): key_of(chiefs[first])
        for first, members in groups.members.items()
        for record in members
    }
    above = {key: _outside(key, tree, groups) for key in set(speaks.values())}
    together: dict[Key, tuple[Record, ...]] = {}
    for first, members in groups.members.items():
        chief = chiefs[first]
        for record in members:
            del tree.records[key_of(record)]
            tree.parents.pop(key_of(record), None)
        tree.records[key_of(chief)] = replace(chief, call=_richest(chief, members))
        together[key_of(chief)] = tuple(members)
    tree.parents.update(above)
    for key, parent in tree.parents.items():
        tree.parents[key] = speaks.get(parent, parent)
    tree.reroot()
    return together


def _outside(key: Key, tree: Tree, groups: _Groups) -> Key:
    """The nearest parent that is not of the same group."""
    group = {key_of(record) for record in groups.of(tree.records[key])}
    walked: set[Key] = set()
    at = key
    while at in group and at not in walked:
        walked.add(at)
        at = tree.parents.get(at, key_of(tree.root))
    return at if at not in group else key_of(tree.root)


def _chief_order(record: Record) -> tuple[bool, bool, int, Key]:
    """Our own scope speaks for the group, else an integration of ours, else the outermost span."""
    return (bool(record.observer), record.foreign, record.started_ns, key_of(record))


def _richest(chief: Record, members: list[Record]) -> Call:
    """The call as its best observer tells it, with the blanks filled from the others."""
    order = sorted(members, key=lambda record: (_richness(record), _chief_order(record)))
    calls = [record.call for record in order if record.call is not None]
    best = calls[0]
    identity = [chief.call or best, *calls]
    tariff = best.tariff or _first(call.tariff for call in identity)
    attempts = _most_attempts(identity)
    lost = any(one.lost for one in attempts)  # which no observer's usage can have in it
    return replace(
        best,
        evidence=as_lower_bound(best.evidence) if lost else best.evidence,
        provider=_first(call.provider for call in identity),
        model=_first(call.model for call in identity),
        operation=_first(call.operation for call in identity),
        response_model=_first(call.response_model for call in identity),
        response_id=_first(call.response_id for call in identity),
        service_tier=_first(call.service_tier for call in identity),
        batch=any(call.batch for call in calls),
        speed=_first(call.speed for call in identity),
        region=_first(call.region for call in identity),
        deployment=_first(call.deployment for call in identity),
        search_context=_first(call.search_context for call in identity),
        tariff=tariff,
        unpriced=None if tariff else best.unpriced,
        charge=(chief.call or best).charge,
        attempts=attempts,
        finish_reasons=_first(call.finish_reasons for call in identity) or (),
        segments=_first(call.segments for call in identity) or (),
        input_digest=_first(call.input_digest for call in identity),
        stream=any(call.stream for call in calls),
    )


def _first(values: Iterable[T | None]) -> T | None:
    return next((value for value in values if value), None)


def _most_attempts(calls: list[Call]) -> tuple[Attempt, ...]:
    return max((call.attempts for call in calls), key=len)


def _richness(record: Record) -> tuple[tuple[int, int], int, int]:
    """Sorts the richest first: the weakest evidence in it, then how finely it is split."""
    call = record.call or Call()
    known = call.evidence.values() if call.usage else ()
    weakest = min((one.rank for one in known), default=(0, 0))
    fine = sum(meter not in _UNSPLIT for meter in call.usage)
    coarse = sum(meter in _UNSPLIT for meter in call.usage)
    return (-weakest[0], -weakest[1]), coarse, -fine
