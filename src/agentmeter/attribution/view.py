"""The view of requests: a pure fold over a set of entries, whatever their order or repetition."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from agentmeter.model import (
    UNATTRIBUTED,
    UNKNOWN,
    Amendment,
    Call,
    Entry,
    Evidence,
    Kind,
    Opened,
    Owner,
    Record,
    Status,
    Usage,
)


@dataclass(frozen=True, slots=True)
class Node:
    """One scope of a request with what it holds.

    ``usage`` is the scope's own: for a call that turned out to contain calls, what exceeds their
    sum. ``discarded`` holds for a branch that was thrown away and for everything below it.
    """

    record: Record
    children: tuple["Node", ...]
    usage: Usage
    discarded: bool = False


@dataclass(frozen=True, slots=True)
class RequestView:
    """One request: its tree, its owner, and what was missing."""

    request_id: str
    root: Node
    owner: Owner
    missing_parents: int = 0
    """Scopes whose parent has no record; they hang below the root."""


def view(entries: Iterable[Entry]) -> list[RequestView]:
    """The requests in ``entries``, by start. Repeated entries count once."""
    gathered: dict[str, _Gathered] = {}
    for entry in entries:
        gathered.setdefault(entry.request_id, _Gathered()).add(entry)
    views = [_request(request_id, found) for request_id, found in gathered.items()]
    return sorted(views, key=lambda one: (one.root.record.started_ns, one.request_id))


class _Gathered:
    """The entries of one request by identity, so that a repetition changes nothing."""

    __slots__ = ("amendments", "opened", "records")

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}
        self.opened: dict[str, Opened] = {}
        self.amendments: dict[str, Amendment] = {}

    def add(self, entry: Entry) -> None:
        if isinstance(entry, Record):
            known = self.records.get(entry.scope_id)
            if known is None or _order(entry) > _order(known):
                self.records[entry.scope_id] = entry
        elif isinstance(entry, Opened):
            self.opened[entry.scope_id] = entry
        else:
            self.amendments[entry.amendment_id] = entry


def _order(record: Record) -> tuple[int, str]:
    """Of two records with one id (a fault), the later one holds; a fixed order breaks ties."""
    return (record.ended_ns, repr(record))


def _request(request_id: str, found: _Gathered) -> RequestView:
    records = _amended(found)
    root = _root(request_id, records, found)
    records[root.scope_id] = root
    children, missing = _children(records, root)
    discarded = {
        amendment.scope_id: amendment.discarded
        for amendment in sorted(found.amendments.values(), key=lambda a: (a.at_ns, a.amendment_id))
        if amendment.discarded is not None
    }
    node = _build(root, children, discarded)
    return RequestView(request_id, node, _joined_owner(root, records), missing)


def _joined_owner(root: Record, records: Mapping[str, Record]) -> Owner:
    owner = root.owner
    for record in sorted(records.values(), key=lambda r: (r.started_ns, r.scope_id)):
        owner = owner.filled_from(record.owner)
    return owner


def _amended(found: _Gathered) -> dict[str, Record]:
    records = dict(found.records)
    for amendment in sorted(found.amendments.values(), key=lambda a: (a.at_ns, a.amendment_id)):
        record = records.get(amendment.scope_id)
        if record is not None and (amendment.evidence or amendment.usage or amendment.tariff):
            records[amendment.scope_id] = replace(
                record, call=_overlaid(record.call or Call(), amendment)
            )
    return records


def _overlaid(call: Call, amendment: Amendment) -> Call:
    usage, evidence = dict(call.usage), dict(call.evidence)
    for meter, known in amendment.evidence.items():
        if _weight(known, amendment.usage, meter) > _weight(
            evidence.get(meter, UNKNOWN), call.usage, meter
        ):
            evidence[meter] = known
            usage[meter] = amendment.usage.get(meter, 0)
    return replace(
        call, usage=Usage(usage), evidence=evidence, tariff=call.tariff or amendment.tariff
    )


def _weight(evidence: Evidence, usage: Mapping[str, int], meter: str) -> tuple[int, int, int]:
    """Stronger evidence first; of equal evidence the larger count (more had arrived)."""
    return (*evidence.rank, usage.get(meter, 0))


def _root(request_id: str, records: Mapping[str, Record], found: _Gathered) -> Record:
    """The root's record, or one made from its *opened* marker, or from what is known at all."""
    roots = [record for record in records.values() if record.parent_id is None]
    if request_id == UNATTRIBUTED:
        first = min((record.started_ns for record in records.values()), default=0)
        last = max((record.ended_ns for record in records.values()), default=0)
        return Record(request_id, "0" * 16, None, Kind.REQUEST, UNATTRIBUTED, Owner(), first, last)
    if roots:
        return min(roots, key=lambda record: (record.started_ns, record.scope_id))
    last = max((record.ended_ns for record in records.values()), default=0)
    if found.opened:
        opened = min(found.opened.values(), key=lambda one: (one.started_ns, one.scope_id))
        return _unclosed(
            request_id, opened.scope_id, opened.name, opened.owner, opened.started_ns, last
        )
    first = min((record.started_ns for record in records.values()), default=0)
    return _unclosed(request_id, "0" * 16, "request", Owner(), first, last)


def _unclosed(
    request_id: str, scope_id: str, name: str, owner: Owner, started_ns: int, last_ns: int
) -> Record:
    return Record(
        request_id,
        scope_id,
        None,
        Kind.REQUEST,
        name,
        owner,
        started_ns,
        max(started_ns, last_ns),
        Status.NEVER_CLOSED,
    )


def _children(records: Mapping[str, Record], root: Record) -> tuple[dict[str, list[Record]], int]:
    """Children by parent. A scope without a known parent, or in a cycle, hangs below the root."""
    children: dict[str, list[Record]] = {}
    missing = 0
    safe = {root.scope_id}
    for record in records.values():
        if record.scope_id == root.scope_id:
            continue
        parent = record.parent_id
        if parent is None or not _reaches_root(record, records, safe):
            parent = root.scope_id
            missing += record.request_id != UNATTRIBUTED
        children.setdefault(parent, []).append(record)
    for siblings in children.values():
        siblings.sort(key=lambda record: (record.started_ns, record.scope_id))
    return children, missing


def _reaches_root(record: Record, records: Mapping[str, Record], safe: set[str]) -> bool:
    """Whether the chain of parents ends at the root; chains already walked are remembered.

    Of a chain that does not end there only the scope next to the gap is cut loose, so that what
    hangs below it keeps its place; a cycle is cut at each of its members.
    """
    chain: list[str] = []
    at = record
    while at.scope_id not in safe:
        if at.scope_id in chain:
            return record.scope_id not in chain[chain.index(at.scope_id) :]
        chain.append(at.scope_id)
        parent = records.get(at.parent_id) if at.parent_id else None
        if parent is None:
            return at is not record
        at = parent
    safe.update(chain)
    return True


def _build(
    root: Record, children: Mapping[str, list[Record]], discarded: Mapping[str, bool | None]
) -> Node:
    """The tree, from the leaves up and without recursion: trees may be deeper than the stack."""
    order, below = [root], {root.scope_id: discarded.get(root.scope_id) is True}
    for record in order:
        for child in children.get(record.scope_id, ()):
            thrown = discarded.get(child.scope_id) is True
            below[child.scope_id] = below[record.scope_id] or thrown
            order.append(child)
    nodes: dict[str, Node] = {}
    consumed: dict[str, Usage] = {}
    for record in reversed(order):
        kids = tuple(nodes[child.scope_id] for child in children.get(record.scope_id, ()))
        inside = Usage()
        for kid in kids:
            inside = (
                inside + consumed[kid.record.scope_id] if consumed[kid.record.scope_id] else inside
            )
        own = record.call.usage if record.call else Usage()
        if inside and own:
            own = own.excess_over(inside)
        consumed[record.scope_id] = inside + own if own else inside
        nodes[record.scope_id] = Node(record, kids, own, below[record.scope_id])
    return nodes[root.scope_id]
