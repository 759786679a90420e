"""A report over entries that come one after another: the same as over all of them at once.

Entries are kept in *parts*: those that have to be looked at together, since they are of one
request, of requests that share work, or of a trace that spans of other instrumentations are in.
Only a part that something has come for is put together anew.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from agentmeter.model import UNATTRIBUTED, Amendment, Entry, Record
from agentmeter.pricing.tariff import Tariff
from agentmeter.report.report import Report, RequestReport, build

_Name = tuple[str, str]
"""What ties entries together: a request, a trace or a response, by its id."""

_NOTHING: Mapping[str, bool] = MappingProxyType({})
_OUTSIDE: _Name = ("request", UNATTRIBUTED)


@dataclass(slots=True, eq=False)
class _Part:
    names: set[_Name] = field(default_factory=set)
    entries: list[Entry] = field(default_factory=list)
    report: Report = field(default_factory=lambda: Report(()))
    last_ns: int = 0


class RunningReport:
    """The report as of now; not safe to use from several threads at once.

    ``forgotten`` is how many requests are no longer in it.
    """

    def __init__(self) -> None:
        self.forgotten = 0
        self._parts: dict[_Part, None] = {}
        self._part_of: dict[_Name, _Part] = {}
        self._stale: dict[_Part, None] = {}
        self._tariffs: dict[str, Tariff] = {}
        self._waiting: dict[str, set[_Part]] = {}
        """Parts that name a tariff, by its digest, that has not come yet."""
        self._observed: set[str] = set()
        """Traces that spans of other instrumentations are in."""
        self._only_sampled: dict[str, bool] = {}
        """Request → whether all that is known of it came through a pipeline that drops some."""
        self._ours: dict[str, set[str]] = {}
        """The requests of a trace."""

    def take(
        self,
        entries: Iterable[Entry],
        tariffs: Mapping[str, Tariff],
        only_sampled: Mapping[str, bool] = _NOTHING,
    ) -> None:
        """Add entries, and tariffs by digest; those that are known already change nothing.

        ``only_sampled`` says of their requests whether all of them came through a pipeline that
        drops some.
        """
        for name, sampled in only_sampled.items():
            self._only_sampled[name] = sampled and self._only_sampled.get(name, True)
        for digest in tariffs.keys() - self._tariffs.keys():
            waited = self._waiting.pop(digest, set())
            self._stale.update(dict.fromkeys(waited & self._parts.keys()))
        self._tariffs.update(tariffs)
        for entry in entries:
            part = self._joined(self._names(entry))
            part.entries.append(entry)
            part.last_ns = max(part.last_ns, _instant(entry))
            self._stale[part] = None

    def report(self, faults: Mapping[str, int] | None = None) -> Report:
        """The report over everything that was taken and is not forgotten."""
        self._settle()
        requests = [one for part in self._parts for one in part.report.requests]
        outside = self._part_of.get(_OUTSIDE)
        return Report(
            tuple(sorted(requests, key=_by_start)),
            outside.report.unattributed if outside is not None else None,
            dict(faults or {}),
            sampled=sum(self._only_sampled.values()),
        )

    def request(self, request_id: str) -> RequestReport | None:
        """One request of the report."""
        self._settle()
        part = self._part_of.get(("request", request_id)) or self._part_of.get(
            ("trace", request_id)
        )
        found = part.report.requests if part is not None else ()
        return next((one for one in found if one.request_id == request_id), None)

    def forget(self, most: int) -> None:
        """Hold ``most`` entries at most: the requests that something has come for last."""
        held = sum(len(part.entries) for part in self._parts)
        for part in sorted(self._parts, key=lambda one: one.last_ns):
            if held <= most:
                return
            held -= len(part.entries)
            self.forgotten += len(part.report.requests)
            self._drop(part)
            for kind, name in part.names:
                if kind == "request":
                    self._only_sampled.pop(name, None)
            for entry in part.entries:
                if isinstance(entry, Record):
                    self._ours.pop(entry.trace_id, None)
                    self._observed.discard(entry.trace_id)

    # -- parts ---------------------------------------------------------------------------------

    def _names(self, entry: Entry) -> Iterator[_Name]:
        if entry.request_id:
            yield "request", entry.request_id
        if not isinstance(entry, Record):
            return
        for other in entry.shares:
            yield "request", other
        if entry.call is not None and entry.call.response_id:
            yield "response", entry.call.response_id
        yield from self._by_trace(entry)

    def _by_trace(self, record: Record) -> Iterator[_Name]:
        """The trace, where there are spans of others in it, and so what is ours in it."""
        trace = record.trace_id
        if record.foreign and trace not in self._observed:
            self._observed.add(trace)
            for request_id in self._ours.pop(trace, ()):
                yield "request", request_id
        if trace in self._observed:
            yield "trace", trace
        else:
            self._ours.setdefault(trace, set()).add(record.request_id)

    def _joined(self, names: Iterable[_Name]) -> _Part:
        """The one part of all these names; what was several parts becomes one."""
        named = set(names)
        found = {part for name in named if (part := self._part_of.get(name)) is not None}
        into = max(found, key=lambda part: len(part.entries), default=None)
        if into is None:
            into = _Part()
            self._parts[into] = None
        for part in found - {into}:
            self._drop(part)
            named |= part.names
            into.entries += part.entries
            into.last_ns = max(into.last_ns, part.last_ns)
            self._stale[into] = None
        into.names |= named
        self._part_of.update(dict.fromkeys(named, into))
        return into

    def _drop(self, part: _Part) -> None:
        del self._parts[part]
        self._stale.pop(part, None)
        for name in part.names:
            if self._part_of.get(name) is part:
                del self._part_of[name]

    def _settle(self) -> None:
        """Put together anew what something has come for."""
        while self._stale:
            part, _ = self._stale.popitem()
            part.report = build(part.entries, self._tariffs)
            for digest in _named_tariffs(part.entries) - self._tariffs.keys():
                self._waiting.setdefault(digest, set()).add(part)
            if part.report.unattributed is not None:
                self._joined([*part.names, _OUTSIDE])


def _by_start(one: RequestReport) -> tuple[int, str]:
    return one.tree.record.started_ns, one.request_id


def _named_tariffs(entries: Iterable[Entry]) -> set[str]:
    found = set()
    for entry in entries:
        if isinstance(entry, Amendment):
            found.add(entry.tariff)
        elif isinstance(entry, Record) and entry.call is not None:
            found.add(entry.call.tariff)
    return {digest for digest in found if digest}


def _instant(entry: Entry) -> int:
    if isinstance(entry, Record):
        return entry.ended_ns
    return entry.at_ns if isinstance(entry, Amendment) else entry.started_ns
