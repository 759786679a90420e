"""Parents and children: the tree of one request's scopes and of the spans that others saw in it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from agentmeter.attribution.gather import Gathered, Key, key_of
from agentmeter.model import UNATTRIBUTED, Kind, Owner, Record, Status

_NO_SCOPE = "0" * 16


@dataclass(slots=True)
class Tree:
    """Records by key with the parent of each; ``loose`` counts those that hang below the root
    for want of theirs.
    """

    root: Record
    records: dict[Key, Record]
    parents: dict[Key, Key]
    loose: int = 0

    def reroot(self) -> None:
        """See to it that every chain of parents ends at the root, after some have changed."""
        self.parents, loose = _rooted(self.parents, key_of(self.root), self.root.request_id)
        self.loose += loose

    def children(self) -> dict[Key, list[Record]]:
        """The children of each, by start."""
        below: dict[Key, list[Record]] = {}
        for key, parent in self.parents.items():
            below.setdefault(parent, []).append(self.records[key])
        for siblings in below.values():
            siblings.sort(key=lambda record: (record.started_ns, key_of(record)))
        return below


def grown(request_id: str, found: Gathered) -> Tree:
    """The tree of one request."""
    records = found.amended()
    root = _root(request_id, records.values(), found)
    records[key_of(root)] = root
    parents, loose = _rooted(_parents(records, root), key_of(root), request_id)
    tree = Tree(root, records, parents, loose)
    _drop_links(tree)
    return tree


def _root(request_id: str, records: Iterable[Record], found: Gathered) -> Record:
    """The root's record, or one made from its *opened* marker, or from what is known at all."""
    own = [record for record in records if not record.foreign and not record.shares]
    tops = [one for one in own if one.parent_id is None and one.kind is not Kind.CALL]
    begun = [opened for opened in found.opened.values() if opened.kind is Kind.REQUEST]
    tops = [one for one in tops if one.kind is Kind.REQUEST] or ([] if begun else tops)
    if tops and request_id != UNATTRIBUTED:
        return min(tops, key=lambda record: (record.started_ns, record.scope_id))
    first = min((record.started_ns for record in records), default=0)
    last = max((record.ended_ns for record in records), default=0)
    if begun:
        opened = min(begun, key=lambda one: (one.started_ns, one.scope_id))
        return Record(
            request_id,
            opened.scope_id,
            None,
            Kind.REQUEST,
            opened.name,
            opened.owner,
            opened.started_ns,
            max(opened.started_ns, last),
            Status.NEVER_CLOSED,
            trace_id=opened.trace_id,
            span_id=opened.span_id,
            parent_request_id=opened.parent_request_id,
        )
    ours = any(not record.foreign for record in records)
    status = Status.NEVER_CLOSED if ours and request_id != UNATTRIBUTED else Status.OK
    name = request_id if request_id == UNATTRIBUTED else _top_name(records)
    return Record(request_id, _NO_SCOPE, None, Kind.REQUEST, name, Owner(), first, last, status)


def _top_name(records: Iterable[Record]) -> str:
    """What the outermost span of another instrumentation is called."""
    order = sorted(records, key=lambda one: (one.started_ns, -one.ended_ns, one.span_id))
    return order[0].name if order and order[0].foreign else "request"


def _parents(records: Mapping[Key, Record], root: Record) -> dict[Key, Key | None]:
    """The parent that each record names; ``None`` where it names none that is known."""
    by_span = {
        (record.trace_id, record.span_id): key for key, record in records.items() if record.foreign
    }
    if by_span:
        for key, record in records.items():
            if not record.foreign and record.span_id:
                by_span[record.trace_id, record.span_id] = key
    parents: dict[Key, Key | None] = {}
    for key, record in records.items():
        named = ("", record.parent_id) if record.parent_id else None
        spanned = by_span.get((record.trace_id, record.parent_span_id or "")) if by_span else None
        if record is root:
            continue
        if record.foreign:
            parents[key] = spanned or named or key_of(root)
        elif spanned is not None and records[spanned].foreign:
            parents[key] = spanned  # a span of others stands between this scope and its own parent
        elif named is None and record.shares:
            parents[key] = key_of(root)
        else:
            parents[key] = named
    return parents


def _rooted(
    named: Mapping[Key, Key | None], root: Key, request_id: str
) -> tuple[dict[Key, Key], int]:
    """Parents that all lead to the root. What has no known parent, or is in a cycle, hangs there.

    Of a chain that does not end at the root only the scope next to the gap is cut loose, so that
    what hangs below it keeps its place; a cycle is cut at each of its members.
    """
    parents: dict[Key, Key] = {}
    loose = 0
    safe = {root}
    for key, parent in named.items():
        if parent is not None and (parent == root or _reaches_root(key, named, safe)):
            parents[key] = parent
        else:
            parents[key] = root
            loose += request_id != UNATTRIBUTED
    return parents, loose


def _reaches_root(key: Key, named: Mapping[Key, Key | None], safe: set[Key]) -> bool:
    chain: dict[Key, int] = {}
    at = key
    while at not in safe:
        if at in chain:
            return chain[key] < chain[at]  # not one of the cycle, only leading into it
        chain[at] = len(chain)
        parent = named.get(at)
        if parent is None or (parent not in named and parent not in safe):
            return at != key
        at = parent
    safe.update(chain)
    return True


def _drop_links(tree: Tree) -> None:
    """Spans that are no scopes have tied the others together, and go."""
    links = {key for key, record in tree.records.items() if record.kind is Kind.LINK}
    links.discard(key_of(tree.root))
    if not links:
        return
    for key, parent in tree.parents.items():
        above = parent
        while above in links:
            above = tree.parents[above]
        tree.parents[key] = above
    for key in links:
        del tree.parents[key]
        del tree.records[key]
