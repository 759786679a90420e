"""Folding: closed parts of a request's tree become a few records with the same sums."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from agentmeter.attribution.node import Node
from agentmeter.attribution.view import FOLDED, FOLDER, REFUSED, refused_by, view
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
    gone: set[str] = set()
    sums: list[Entry] = []
    stack = [root]
    while stack:
        node = stack.pop()
        whole = [child for child in node.children if id(child) in settled]
        stack.extend(child for child in node.children if id(child) not in settled)
        for tops in _by_parent(whole).values():
            gone.update(inner.record.scope_id for top in tops for inner in _all(top))
            sums.extend(_summed(tops, tariffs, request_id))
    held = open_scopes | {e.scope_id for e in entries if isinstance(e, Record)} - gone
    return [*(e for e in entries if _stays(e, held)), *sums]


def _stays(entry: Entry, held: set[str]) -> bool:
    return isinstance(entry, Opened) or _holds(entry) or entry.scope_id in held


def _holds(entry: Entry) -> bool:
    """A scope that began or was judged keeps its place; counts are laid over a call by now."""
    if isinstance(entry, Amendment):
        return entry.discarded is not None
    return isinstance(entry, Opened)


def _by_parent(tops: list[Node]) -> dict[str | None, list[Node]]:
    """By the parent that they name: below the root there are children of scopes still open."""
    found: dict[str | None, list[Node]] = {}
    for top in tops:
        found.setdefault(top.record.parent_id, []).append(top)
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
            node.record.scope_id not in kept
            and _is_final(node, tariffs, request_id)
            and all(id(child) in settled for child in node.children)
        ):
            settled.add(id(node))
    return settled


def _is_final(node: Node, tariffs: Mapping[str, Tariff], request_id: str) -> bool:
    record, call = node.record, node.record.call
    if node.waste or record.status not in _FINISHED or record.shares:
        return False
    if record.foreign or len(node.seen_by) > 1:
        return False  # the other records of the call would count again
    if call is None or not node.is_call:
        return record.kind is not Kind.BRANCH and call is None
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
            if call is not None:
                evidence = tuple(call.evidence.items())
                currency = call.charge.currency if call.charge is not None else None
                refused = node.record.status is Status.REFUSED
                alike = (key_of(call), call.operation, currency, evidence, refused)
                groups.setdefault(alike, []).append(node)
    count = sum(_stands_for(top.record) for top in tops)
    for index, members in enumerate(groups.values() or [[]]):
        stands_for = count if index == 0 else 0
        yield _sum_of(tops[0].record, members, stands_for, tariffs, request_id)


def _stands_for(record: Record) -> int:
    return int(record.attributes.get(FOLDED, 0)) if record.observer == FOLDER else 1


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
        observer=FOLDER,
        attributes={
            **({FOLDED: str(stands_for)} if stands_for else {}),
            **({REFUSED: str(refused)} if refused else {}),
        },
    )
