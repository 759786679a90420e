"""Entries gathered by request: identity, repetition, amendments, and which request a span is of."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from agentmeter.attribution.alike import same_response
from agentmeter.model import (
    UNATTRIBUTED,
    UNKNOWN,
    Amendment,
    Call,
    Entry,
    Evidence,
    Kind,
    Opened,
    Record,
    Status,
    Usage,
)

Key = tuple[str, str]
"""Identity of a record: a scope id of ours, or the trace and span of another instrumentation's."""


def key_of(record: Record) -> Key:
    """The identity of a record, by which a repetition is known."""
    return (record.trace_id, record.span_id) if record.foreign else ("", record.scope_id)


@dataclass(slots=True)
class Gathered:
    """The entries of one request by identity, so that a repetition changes nothing."""

    records: dict[Key, Record] = field(default_factory=dict)
    opened: dict[str, Opened] = field(default_factory=dict)
    amendments: dict[str, Amendment] = field(default_factory=dict)

    def add(self, entry: Entry) -> None:
        """Take an entry; of two records with one id (a fault) the later one holds."""
        if isinstance(entry, Record):
            key = key_of(entry)
            known = self.records.get(key)
            if known is None or _order(entry) > _order(known):
                self.records[key] = entry
        elif isinstance(entry, Opened):
            self.opened[entry.scope_id] = entry
        else:
            self.amendments[entry.amendment_id] = entry

    def in_order(self) -> list[Amendment]:
        """The amendments in the order in which they were made."""
        return sorted(self.amendments.values(), key=lambda one: (one.at_ns, one.amendment_id))

    def amended(self) -> dict[Key, Record]:
        """The records with every amendment laid over them, and calls that never closed."""
        records = dict(self.records)
        for opened in self.opened.values():
            if opened.kind is Kind.CALL and ("", opened.scope_id) not in records:
                records["", opened.scope_id] = _never_closed(opened)
        for amendment in self.in_order():
            record = records.get(("", amendment.scope_id))
            if record is not None and _says_of_call(amendment):
                call = _overlaid(record.call or Call(), amendment)
                records["", amendment.scope_id] = replace(record, call=call)
        return records


def _order(record: Record) -> tuple[int, str]:
    """A fixed order: the end, then anything that tells two records apart."""
    return (record.ended_ns, repr(record))


def _never_closed(opened: Opened) -> Record:
    unknown = dict.fromkeys(("input", "output"), UNKNOWN)
    return Record(
        opened.request_id,
        opened.scope_id,
        opened.parent_id,
        Kind.CALL,
        opened.name,
        opened.owner,
        opened.started_ns,
        opened.started_ns,
        Status.NEVER_CLOSED,
        call=Call(provider=opened.provider, model=opened.model, evidence=unknown),
        trace_id=opened.trace_id,
        span_id=opened.span_id,
    )


def _says_of_call(amendment: Amendment) -> bool:
    return bool(
        amendment.evidence
        or amendment.usage
        or amendment.tariff
        or amendment.segments
        or amendment.input_digest
    )


def _overlaid(call: Call, amendment: Amendment) -> Call:
    usage, evidence = dict(call.usage), dict(call.evidence)
    for meter, known in amendment.evidence.items():
        if _weight(known, amendment.usage, meter) > _weight(
            evidence.get(meter, UNKNOWN), call.usage, meter
        ):
            evidence[meter] = known
            usage[meter] = amendment.usage.get(meter, 0)
    return replace(
        call,
        usage=Usage(usage),
        evidence=evidence,
        tariff=call.tariff or amendment.tariff,
        segments=amendment.segments or call.segments,
        input_digest=amendment.input_digest or call.input_digest,
    )


def _weight(evidence: Evidence, usage: Mapping[str, int], meter: str) -> tuple[int, int, int]:
    """Stronger evidence first; of equal evidence the larger count (more had arrived)."""
    return (*evidence.rank, usage.get(meter, 0))


def gathered(entries: Iterable[Entry]) -> dict[str, Gathered]:
    """The entries by the request that they belong to; shared work under each that shares it."""
    found: dict[str, Gathered] = {}
    unplaced: list[Record] = []
    shares: dict[str, Mapping[str, int]] = {}
    for entry in entries:
        if isinstance(entry, Record):
            if not entry.request_id:
                unplaced.append(entry)
                continue
            if entry.shares:
                shares[entry.request_id] = entry.shares
        found.setdefault(entry.request_id, Gathered()).add(entry)
    for record in _placed(unplaced, found):
        found.setdefault(record.request_id, Gathered()).add(record)
    for shared_id, weights in shares.items():
        _share_out(found.pop(shared_id), weights, found)
    _bring_home(found)
    return {request_id: one for request_id, one in found.items() if one.records or one.opened}


def _share_out(shared: Gathered, weights: Mapping[str, int], found: dict[str, Gathered]) -> None:
    """Put shared work under each request that shares it, all of it by the same weights."""
    open_calls = [
        replace(_never_closed(opened), shares=weights)
        for opened in shared.opened.values()
        if opened.kind is Kind.CALL and ("", opened.scope_id) not in shared.records
    ]
    for request_id in weights:
        into = found.setdefault(request_id, Gathered())
        for record in (*shared.records.values(), *open_calls):
            into.add(replace(record, request_id=request_id, shares=weights))
        for amendment in shared.amendments.values():
            into.add(amendment)


def _placed(unplaced: list[Record], found: Mapping[str, Gathered]) -> Iterator[Record]:
    """Spans that nothing was stamped on: of the request of the span above them.

    Where none is known, a trace that has GenAI spans but no scope of ours is a request by itself,
    together with every other trace that tells of one of its calls; in a trace that has scopes of
    ours the span is unattributed. A scope of ours without a request is the result of a batch:
    see ``_results``.
    """
    if not unplaced:
        return
    places: dict[Key, Record] = {}
    metered: set[str] = set()
    for _, one in sorted(found.items(), key=lambda item: item[0]):
        for record in one.records.values():
            places[record.trace_id, record.span_id] = record
            if not record.foreign:
                metered.add(record.trace_id)
    yield from _results([one for one in unplaced if not one.foreign], places)
    unplaced = [record for record in unplaced if record.foreign]
    requests = {key: record.request_id for key, record in places.items()}
    above = {key_of(record): (record.trace_id, record.parent_span_id or "") for record in unplaced}
    telling = {record.trace_id for record in unplaced if record.kind is not Kind.LINK}
    together = _traces_together(unplaced)
    for record in unplaced:
        home = _home(key_of(record), above, requests)
        if home is not None:
            yield replace(record, request_id=home)
        elif record.trace_id in metered:
            yield replace(record, request_id=UNATTRIBUTED)
        elif record.trace_id in telling:
            yield replace(record, request_id=together.get(record.trace_id, record.trace_id))


def _results(results: list[Record], places: Mapping[Key, Record]) -> Iterator[Record]:
    """Results of batches that were read where nobody knew for which request they had been asked.

    They are of the request that created the batch, below the step that it left. Where no process
    that was metered did, they are of the scope that read them first, or unattributed. What was read
    where the request was known is there already.
    """
    if not results:
        return
    scopes = {record.scope_id: record for record in places.values() if not record.foreign}
    once: dict[Key, Record] = {}
    for record in sorted(results, key=_order):
        if record.scope_id not in scopes:
            once.setdefault(key_of(record), record)
    for record in once.values():
        home = places.get((record.trace_id, record.parent_span_id or ""))
        home = home or scopes.get(record.parent_id or "")
        if home is None:
            yield replace(record, request_id=UNATTRIBUTED, parent_id=None)
        else:
            yield replace(record, request_id=home.request_id, parent_id=home.scope_id)


def _traces_together(unplaced: list[Record]) -> dict[str, str]:
    """Traces of several observers that name the same response, by the smallest of their ids."""
    traces: dict[str, set[tuple[str, str]]] = {}
    for record in unplaced:
        response_id = record.call.response_id if record.call is not None else None
        if response_id:
            traces.setdefault(response_id, set()).add((record.trace_id, record.observer))
    together: dict[str, str] = {}
    for seen in sorted(traces.values(), key=min):
        if len({observer for _, observer in seen}) > 1:
            first = min(together.get(trace, trace) for trace, _ in seen)
            together.update((trace, first) for trace, _ in seen)
    return together


def _home(key: Key, above: Mapping[Key, Key], requests: dict[Key, str]) -> str | None:
    """The request of the nearest span above that has one; chains already walked are remembered."""
    walked: dict[Key, None] = {}
    at: Key | None = key
    while at is not None and at not in requests and at not in walked:
        walked[at] = None
        at = above.get(at)
    home = requests.get(at) if at is not None else None
    if home is not None:
        requests.update(dict.fromkeys(walked, home))
    return home


def _bring_home(found: dict[str, Gathered]) -> None:
    """A call that one observer lost the request of, and another did not, is of that request."""
    astray = found.get(UNATTRIBUTED)
    if astray is None:
        return
    by_response = {
        record.call.response_id: (request_id, record)
        for request_id, one in sorted(found.items(), key=lambda item: item[0])
        if request_id != UNATTRIBUTED
        for record in one.records.values()
        if record.call is not None and record.call.response_id
    }
    come: set[tuple[str, str]] = set()
    for key, record in sorted(astray.records.items(), key=lambda item: item[1].started_ns):
        response_id = (record.call.response_id if record.call is not None else None) or ""
        home, known = by_response.get(response_id, (None, record))
        if home is None or record.shares or (response_id, record.observer) in come:
            continue  # whose shared work is, is known
        if same_response(known, record):
            come.add((response_id, record.observer))
            del astray.records[key]
            found[home].add(replace(record, request_id=home, parent_id=None))
