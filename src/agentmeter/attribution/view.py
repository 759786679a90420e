"""The view of requests: a pure fold over a set of entries, whatever their order or repetition."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import islice

from agentmeter.attribution.gather import Gathered, Key, gathered, key_of
from agentmeter.attribution.node import Node, RequestView, nodes
from agentmeter.attribution.once import merged
from agentmeter.attribution.standing_for import folded_scopes
from agentmeter.attribution.tree import Tree, grown
from agentmeter.attribution.turns import iterations
from agentmeter.attribution.waste import waste
from agentmeter.model import (
    OURS,
    REPORTED,
    UNATTRIBUTED,
    Call,
    Entry,
    Kind,
    Owner,
    Record,
    Status,
    Usage,
)
from agentmeter.model.money import split
from agentmeter.model.owner import DEFAULT, FIELDS

_MOST_MISSING = 1000
"""Scopes below one scope that are named as missing; whatever a record says, there are so many."""


def view(entries: Iterable[Entry]) -> list[RequestView]:
    """The requests in ``entries``, by start. Repeated entries count once."""
    views = [_request(request_id, found) for request_id, found in gathered(entries).items()]
    return sorted(views, key=lambda one: (one.root.record.started_ns, one.request_id))


def _request(request_id: str, found: Gathered) -> RequestView:
    tree = grown(request_id, found)
    members = merged(tree)
    root = _Builder(request_id, tree, members, found).root()
    return RequestView(
        request_id,
        root,
        _joined_owner(tree),
        tree.loose,
        tuple(sorted(_missing(tree))) if request_id != UNATTRIBUTED else (),
        _contested(tree) if request_id != UNATTRIBUTED else (),
    )


def _joined_owner(tree: Tree) -> Owner:
    owner = tree.root.owner
    ordered = sorted(tree.records.values(), key=lambda r: (r.foreign, r.started_ns, key_of(r)))
    for record in ordered:
        owner = owner.filled_from(record.owner)
    return owner


def _contested(tree: Tree) -> tuple[str, ...]:
    """The owner fields that records state differently: an id that was given out twice.

    What was a default until the application named somebody is no statement.
    """
    owners: dict[int, Owner] = {}
    for record in tree.records.values():
        owners[id(record.owner)] = record.owner
    known = tree.root.attributes
    said = {
        name: {getattr(one, name) for one in owners.values()} - {None, known.get(DEFAULT + name)}
        for name in FIELDS
    }
    return tuple(name for name, values in said.items() if len(values) > 1)


def _missing(tree: Tree) -> Iterable[str]:
    """Scopes that were opened and left no record, named by their parent and place in it."""
    places: dict[str, set[int]] = {}
    stood_for: dict[str, int] = {}
    for record in tree.records.values():
        if record.parent_id and not record.foreign:
            places.setdefault(record.parent_id, set()).add(record.position)
            stood_for[record.parent_id] = stood_for.get(record.parent_id, 0) + folded_scopes(record)
    for record in tree.records.values():
        if record.foreign or record.status is Status.NEVER_CLOSED or stood_for.get(record.scope_id):
            continue  # what is still open in an open scope is not lost
        known = places.get(record.scope_id, set())
        opened = max([record.children, *known])
        if opened:
            place = f"{record.kind} {record.name} {record.scope_id}"
            gaps = (n for n in range(1, opened + 1) if n not in known)
            told = [f"{place}/{n}" for n in islice(gaps, _MOST_MISSING)]
            yield from told
            more = opened - sum(0 < n <= opened for n in known) - len(told)
            if more:
                yield f"{place}/… {more:,} more"


@dataclass(slots=True)
class _Builder:
    """Builds the nodes of one request from the leaves up; trees may be deeper than the stack."""

    request_id: str
    tree: Tree
    members: Mapping[Key, tuple[Record, ...]]
    found: Gathered

    def root(self) -> Node:
        below = self.tree.children()
        order = [self.tree.root]
        for record in order:
            order.extend(below.get(key_of(record), ()))
        reasons = waste(order, below, self.found.in_order())
        turns = iterations(order, below)
        made: dict[Key, Node] = {}
        consumed: dict[Key, Usage] = {}
        for record in reversed(order):
            key = key_of(record)
            inside = [key_of(child) for child in below.get(key, ())]
            kids = tuple(made[child] for child in inside)
            used = _sum(consumed[child] for child in inside)
            made[key], consumed[key] = self._node(record, kids, used, reasons.get(key), turns[key])
        return made[key_of(self.tree.root)]

    def _node(
        self, record: Record, kids: tuple[Node, ...], inside: Usage, reason: str | None, turn: int
    ) -> tuple[Node, Usage]:
        own = record.call.usage if record.call is not None else Usage()
        members = self.members.get(key_of(record), (record,))
        seen_by = tuple(sorted(one.observer or OURS for one in members))
        merged_ids = tuple(one.scope_id for one in members if one.scope_id != record.scope_id)
        contains = any(_holds_a_call(kid) for kid in kids)
        if record.kind is Kind.CALL and not contains:
            mine = self._mine(record, own)
            node = Node(record, kids, mine, own, reason, turn, seen_by, merged_ids=merged_ids)
            return node, inside + own
        excess = own.excess_over(inside) if own and inside else own
        if excess:
            leaf = _residual(record, excess)
            mine = self._mine(leaf, excess)
            kids = (*kids, Node(leaf, (), mine, excess, reason, turn, seen_by))
        contains = contains or bool(excess)
        node = Node(record, kids, Usage(), Usage(), reason, turn, seen_by, contains, merged_ids)
        return node, inside + excess if excess else inside

    def _mine(self, record: Record, usage: Usage) -> Usage:
        """Give this request's part of usage that was shared; the parts of all sum to the whole."""
        if not record.shares or not usage:
            return usage
        return Usage(
            {meter: split(n, record.shares)[self.request_id] for meter, n in usage.items()}
        )


def _holds_a_call(node: Node) -> bool:
    """A charge is a cost of its own, and no part of what a call around it reports."""
    call = node.record.call
    return node.contains_calls or (call is not None and not call.is_charge)


def _sum(parts: Iterable[Usage]) -> Usage:
    total = Usage()
    for part in parts:
        total = total + part if part else total
    return total


def _residual(record: Record, excess: Usage) -> Record:
    """What a scope reports beyond the calls that are known in it, as a leaf of its own."""
    known = record.call or Call()
    call = replace(
        known,
        usage=excess,
        evidence={meter: known.evidence.get(meter, REPORTED) for meter in excess},
        response_id=None,
        attempts=(),
        charge=None,
        calls=0,
        segments=(),
        input_digest=None,
    )
    digest = hashlib.blake2s(record.scope_id.encode(), digest_size=8, person=b"residual")
    return replace(
        record,
        scope_id=digest.hexdigest(),
        parent_id=record.scope_id,
        kind=Kind.CALL,
        name="residual",
        call=call,
        position=0,
        children=0,
        attributes={},
    )


__all__ = ["Node", "RequestView", "nodes", "view"]
