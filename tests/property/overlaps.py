"""Random requests in which several observers saw the same calls, with the truth beside them."""

from dataclasses import dataclass, field, replace
from itertools import count

from hypothesis import strategies as st

from agentmeter.model import (
    REPORTED,
    UNKNOWN,
    Call,
    Evidence,
    Kind,
    Owner,
    Record,
    Usage,
)

OTHERS = ("obs.one", "obs.two", "obs.three")


@dataclass
class Overlaps:
    """Records as they would be gathered, and what was truly used, by request."""

    records: list[Record] = field(default_factory=list)
    truth: dict[str, int] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)


@st.composite
def overlaps(draw: st.DrawFn) -> Overlaps:
    """Requests of agents and tools, their calls seen by one to four observers each."""
    made = Overlaps()
    ids = count(1)
    clock = count(1_000, 1_000)
    for number in range(draw(st.integers(1, 3))):
        _request(draw, made, f"{number + 1:032x}", ids, clock)
    return made


def _request(draw: st.DrawFn, made: Overlaps, request_id: str, ids: count, clock: count) -> None:
    trace = f"{next(ids):032x}"
    root = Record(
        request_id, _hex(ids), None, Kind.REQUEST, "r", Owner(), 0, 10**9, trace_id=trace,
        span_id=_hex(ids),
    )  # fmt: skip
    made.records.append(root)
    made.truth[request_id] = made.calls[request_id] = 0
    parents = [root]
    for _ in range(draw(st.integers(0, 5))):
        kind = draw(st.sampled_from([Kind.AGENT, Kind.TOOL, Kind.CALL, Kind.CALL]))
        parent = draw(st.sampled_from(parents))
        if kind is Kind.CALL:
            _call(draw, made, parent, ids, clock)
        elif kind is Kind.AGENT and draw(st.booleans()):
            _foreign_agent(draw, made, parent, ids, clock)
        else:
            scope = _scope(parent, kind, ids)
            made.records.append(scope)
            parents.append(scope)


def _scope(parent: Record, kind: Kind, ids: count) -> Record:
    return replace(
        parent,
        scope_id=_hex(ids),
        parent_id=parent.scope_id,
        kind=kind,
        name=kind.value,
        parent_span_id=parent.span_id,
        span_id=_hex(ids),
    )


def _foreign_agent(
    draw: st.DrawFn, made: Overlaps, parent: Record, ids: count, clock: count
) -> None:
    """Another instrumentation's agent span that repeats its calls' sum, or reports more."""
    span_id = _hex(ids)
    agent = replace(
        parent,
        scope_id=span_id,
        span_id=span_id,
        parent_id=parent.scope_id,
        parent_span_id=parent.span_id,
        kind=Kind.AGENT,
        name="their agent",
        observer="obs.agent",
    )
    before = made.truth[parent.request_id]
    for _ in range(draw(st.integers(0, 3))):
        _call(draw, made, agent, ids, clock)
    seen = made.truth[parent.request_id] - before
    unseen = draw(st.integers(0, 50))
    made.truth[parent.request_id] += unseen
    total = Usage(input_unsplit=seen + unseen)
    made.records.append(
        replace(agent, call=Call(model="m", usage=total, evidence={"input_unsplit": REPORTED}))
    )


def _call(draw: st.DrawFn, made: Overlaps, parent: Record, ids: count, clock: count) -> None:
    """One real call in a slot of time of its own, seen by several, one inside the other or not."""
    start = next(clock)
    fresh, cached = draw(st.integers(1, 100)), draw(st.integers(0, 100))
    made.truth[parent.request_id] += fresh + cached
    made.calls[parent.request_id] += 1
    response_id = f"resp-{next(ids)}" if draw(st.booleans()) else None
    observers = draw(st.lists(st.sampled_from(("", *OTHERS)), min_size=1, max_size=4, unique=True))
    nested = draw(st.booleans())
    tied = nested or response_id is not None  # so that the clocks need not agree
    knows = draw(st.sampled_from(observers))
    above, stamped = parent, parent if not parent.foreign else None
    for depth, observer in enumerate(observers):
        usage, evidence = _as_told(draw, fresh, cached, sure=observer == knows)
        span_id = _hex(ids)
        skew = draw(st.sampled_from([0, 5 * 10**8])) if tied and observer else 0
        record = Record(
            parent.request_id,
            span_id if observer else _hex(ids),
            stamped.scope_id if stamped is not None else parent.parent_id,
            Kind.CALL,
            "m",
            Owner(),
            start + skew + depth,
            start + skew + 500 - depth,
            call=Call(model="m", response_id=response_id, usage=usage, evidence=evidence),
            trace_id=parent.trace_id,
            span_id=span_id,
            parent_span_id=above.span_id,
            observer=observer,
        )
        made.records.append(record)
        if nested:
            above = record
            stamped = record if not observer else stamped


def _as_told(
    draw: st.DrawFn, fresh: int, cached: int, *, sure: bool
) -> tuple[Usage, dict[str, Evidence]]:
    split = Usage(input=fresh, cache_read=cached)
    ways = [split, Usage(input_unsplit=fresh + cached)]
    if not sure:
        ways.append(Usage())
    usage = draw(st.sampled_from(ways))
    known = dict.fromkeys(usage, REPORTED)
    return usage, known or {"input": UNKNOWN, "output": UNKNOWN}


def _hex(ids: count) -> str:
    return f"{next(ids):016x}"
