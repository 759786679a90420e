"""Iterations: which turn of its loop a piece of work belongs to, found from the calls alone.

A loop belongs to an agent, a branch, a tool or the request. Its turns are told apart by its own
model calls: one that begins after every call of the turn has ended begins the next turn, and calls
that run side by side are of one turn. A step belongs to the turn of the first call inside it, and
everything else of the loop to the turn begun last.
"""

from bisect import bisect_right
from collections.abc import Mapping

from agentmeter.attribution.gather import Key, key_of
from agentmeter.model import Kind, Record

_OWNERS = (Kind.REQUEST, Kind.AGENT, Kind.BRANCH, Kind.TOOL)
NO_TURN = ("embeddings", "rerank", "retrieval")


def iterations(order: list[Record], below: Mapping[Key, list[Record]]) -> dict[Key, int]:
    """The turn of every record, from 1; ``order`` has parents before their children."""
    owners: dict[Key, Key] = {key_of(order[0]): key_of(order[0])}
    calls: dict[Key, list[Record]] = {}
    for record in order:
        key = key_of(record)
        inner = key if record.kind in _OWNERS else owners[key]
        for child in below.get(key, ()):
            owners[key_of(child)] = inner
            if takes_a_turn(child):
                calls.setdefault(inner, []).append(child)
    begun = {owner: turn_starts(found) for owner, found in calls.items()}
    turns: dict[Key, int] = {}
    for record in order:
        starts = begun.get(owners[key_of(record)], [])
        turns[key_of(record)] = max(1, bisect_right(starts, record.started_ns))
    _take_from_within(turns, order, below)
    return turns


def _take_from_within(
    turns: dict[Key, int], order: list[Record], below: Mapping[Key, list[Record]]
) -> None:
    """A step is opened before its call, when the turn begun last is still the one before."""
    first: dict[Key, int] = {}
    for record in reversed(order):
        key = key_of(record)
        within = [first[k] for one in below.get(key, ()) if (k := key_of(one)) in first]
        if takes_a_turn(record):
            first[key] = turns[key]
        elif record.kind not in _OWNERS and within:
            first[key] = min(within)
            if record.kind is Kind.STEP:
                turns[key] = first[key]


def takes_a_turn(record: Record) -> bool:
    """Whether this is a model call, which a turn of a loop is made of; a rest that is told beyond
    the calls that are known is none.
    """
    call = record.call if record.kind is Kind.CALL else None
    if call is None or call.charge is not None or not call.calls:
        return False
    return call.operation not in NO_TURN


def turn_starts(calls: list[Record]) -> list[int]:
    """When each turn of a loop with these model calls began, in nanoseconds since the epoch."""
    starts: list[int] = []
    ended = -1
    for call in sorted(calls, key=lambda record: (record.started_ns, record.ended_ns)):
        if not starts or call.started_ns >= ended:
            starts.append(call.started_ns)
        ended = max(ended, call.ended_ns)
    return starts
