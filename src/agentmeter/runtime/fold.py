"""Folding: closed parts of a request's tree become a few records with the same sums."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from agentmeter.attribution.node import Node
from agentmeter.attribution.standing_for import (
    FOLDED,
    FOLDER,
    LEAVES,
    OTHERS_FOLDER,
    REFUSED,
    folded_scopes,
    is_folded,
    leaves,
    refused_by,
)
from agentmeter.attribution.view import view
from agentmeter.model import (
    Amendment,
    Call,
    Entry,
    Evidence,
    Extent,
    Kind,
    Money,
    Opened,
    Record,
    Status,
    Usage,
)
from agentmeter.pricing.keys import key_of
from agentmeter.pricing.tariff import Tariff
from agentmeter.report.pricing import price_node

_FINISHED = (Status.OK, Status.CLOSED, Status.REFUSED)


def folded(
    entries: list[Entry], request_id: str, open_scopes: set[str], tariffs: Mapping[str, Tariff]
) -> list[Entry]:
    """``entries`` with every settled subtree in the place of its calls' sums.

    Settled is what has closed in order, is known in full, priced in full and not waste; scopes
    that something open hangs below are kept, as is whatever an amendment speaks of. What is said of
    a call's input after the call was folded is let go.
    """
    root = next((one.root for one in view(entries) if one.request_id == request_id), None)
    if root is None:
        return entries
    kept_ids = open_scopes | {e.scope_id for e in entries if _holds(e)}
    settled = _settled(root, kept_ids, tariffs, request_id)
    spans = {e.span_id: e for e in entries if isinstance(e, Record) and e.span_id}
    gone: set[str] = set()
    sums: list[Entry] = []
    stack = [root]
    while stack:
        node = stack.pop()
        whole = [child for child in node.children if id(child) in settled]
        whole = [child for child in whole if not _is_residual(child, node)]
        stack.extend(child for child in node.children if id(child) not in settled)
        for above, tops in _by_parent(whole, spans).items():
            gone.update(one for top in tops for inner in _all(top) for one in _ids(inner))
            summed = _summed(tops, tariffs, request_id)
            sums.extend(_placed(one, node.record, *above) for one in summed)
    gone.update(_idle_links(entries, gone, kept_ids))
    held = open_scopes | {e.scope_id for e in entries if isinstance(e, Record)} - gone
    return [*(e for e in entries if _stays(e, held)), *sums]


def _stays(entry: Entry, held: set[str]) -> bool:
    return isinstance(entry, Opened) or _holds(entry) or entry.scope_id in held


def _holds(entry: Entry) -> bool:
    """A scope that began or was judged keeps its place; counts are laid over a call by now."""
    if isinstance(entry, Amendment):
        return entry.discarded is not None
    return isinstance(entry, Opened)


def _is_residual(child: Node, node: Node) -> bool:
    """What a scope reports beyond its calls goes with it: more of them may yet be known."""
    return bool(child.record.span_id) and child.record.span_id == node.record.span_id


def _ids(node: Node) -> tuple[str, ...]:
    return (node.record.scope_id, *node.merged_ids)


def _placed(summed: Record, parent: Record, named: str | None, above: str | None) -> Record:
    """A sum directly below ``parent``, or what is still open below it, whatever stood between."""
    if parent.foreign:
        named, above = None, parent.span_id
    trace_id = parent.trace_id if parent.foreign else summed.trace_id
    span_id = summed.scope_id  # a residual has that of its scope, which may yet have children
    return replace(
        summed, trace_id=trace_id, span_id=span_id, parent_span_id=above, parent_id=named
    )


def _span_above(top: Node, spans: Mapping[str, Record]) -> str | None:
    """The span around a scope that has not ended, where it may be of another instrumentation."""
    ids = _ids(top)
    at = top.record.parent_span_id
    while at is not None and at in spans:
        if spans[at].kind is not Kind.LINK and spans[at].scope_id not in ids:
            return None
        at = spans[at].parent_span_id
    return at


def _idle_links(entries: list[Entry], gone: set[str], kept: set[str]) -> Iterator[str]:
    """The links that nothing hangs below any more."""
    records = [entry for entry in entries if isinstance(entry, Record)]
    links = {record.span_id: record for record in records if record.kind is Kind.LINK}
    needed: set[str] = set()
    for record in records:
        is_link = record.kind is Kind.LINK
        if record.scope_id in gone if not is_link else record.scope_id not in kept:
            continue
        at = record.span_id if is_link else record.parent_span_id
        while at in links and at not in needed:
            needed.add(at)
            at = links[at].parent_span_id
    yield from (link.scope_id for span_id, link in links.items() if span_id not in needed)


def _by_parent(
    tops: list[Node], spans: Mapping[str, Record]
) -> dict[tuple[str | None, str | None], list[Node]]:
    """By the parent that they name and the open span around them: below the root there are
    children of scopes still open.
    """
    found: dict[tuple[str | None, str | None], list[Node]] = {}
    for top in tops:
        above = top.record.parent_id, _span_above(top, spans)
        found.setdefault(above, []).append(top)
    return found


def _all(top: Node) -> Iterator[Node]:
    stack = [top]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(node.children)


def _settled(
    root: Node, kept: set[str], tariffs: Mapping[str, Tariff], request_id: str
) -> set[int]:
    """The ids of the nodes whose whole subtree can be folded."""
    order = [root]
    for node in order:
        order.extend(node.children)
    settled: set[int] = set()
    for node in reversed(order[1:]):
        if (
            kept.isdisjoint(_ids(node))
            and _is_final(node, tariffs, request_id)
            and all(id(child) in settled for child in node.children)
        ):
            settled.add(id(node))
    return settled


def _is_final(node: Node, tariffs: Mapping[str, Tariff], request_id: str) -> bool:
    record, call = node.record, node.record.call
    if node.waste or record.status not in _FINISHED or record.shares:
        return False
    if call is None or not node.is_call:
        return record.kind is not Kind.BRANCH
    whole = all(known.extent is Extent.WHOLE for known in call.evidence.values())
    return whole and not price_node(node, tariffs, request_id).gaps


def _summed(
    tops: Iterable[Node], tariffs: Mapping[str, Tariff], request_id: str
) -> Iterator[Record]:
    """One record for the calls of each model and kind of evidence; the first says how many scopes
    it stands for, so that none is taken to be lost.
    """
    groups: dict[tuple[object, ...], list[Node]] = {}
    tops = list(tops)
    for top in tops:
        for node in _all(top):
            call = node.record.call
            if call is not None and node.is_call:
                evidence = tuple(call.evidence.items())
                currency = call.charge.currency if call.charge is not None else None
                refused = node.record.status is Status.REFUSED
                seen = node.only_observed
                alike = (seen, key_of(call), call.operation, currency, evidence, refused)
                groups.setdefault(alike, []).append(node)
    count = sum(_stands_for(top.record) for top in tops)
    ours = [members for alike, members in groups.items() if not alike[0]]
    for index, members in enumerate(ours or ([[]] if count else [])):
        stands_for = count if index == 0 else 0
        yield _sum_of(tops[0].record, members, stands_for, tariffs, request_id)
    for members in (members for alike, members in groups.items() if alike[0]):
        yield _sum_of(tops[0].record, members, 0, tariffs, request_id)


def _stands_for(record: Record) -> int:
    """Of scopes that others have seen nobody counts how many there are."""
    return 0 if record.foreign else folded_scopes(record) if is_folded(record) else 1


def _sum_of(
    like: Record,
    members: list[Node],
    stands_for: int,
    tariffs: Mapping[str, Tariff],
    request_id: str,
) -> Record:
    usage, calls = Usage(), 0
    cost: Money | None = None
    evidence: Mapping[str, Evidence] = {}
    for node in members:
        part = price_node(node, tariffs, request_id)
        money = Money(part.amount, part.currency)
        cost = money if cost is None else cost + money
        usage = usage + node.whole
        calls += node.record.call.calls if node.record.call else 0
        evidence = node.record.call.evidence if node.record.call else evidence
    refused = sum(refused_by(node.record) for node in members)
    observed = sum(leaves(node.record) for node in members if node.only_observed)
    first = members[0].record if members else like
    known = first.call or Call()
    call = replace(
        known,
        usage=usage,
        evidence=evidence,
        charge=cost,
        calls=calls,
        attempts=(),
        segments=(),
        input_digest=None,
        response_id=None,
    )
    return replace(
        first,
        parent_id=like.parent_id,
        position=0,
        children=0,
        name=f"{calls:,} calls" if calls > 1 else first.name,
        call=call if members else None,
        observer=OTHERS_FOLDER if observed else FOLDER,
        attributes={
            **({FOLDED: str(stands_for)} if stands_for else {}),
            **({REFUSED: str(refused)} if refused else {}),
            **({LEAVES: str(observed)} if observed else {}),
        },
    )
