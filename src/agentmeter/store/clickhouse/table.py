"""A table of spans as a ``Store``: its leaves are told apart in the server, as it is asked.

Requests are taken apart in SQL where each of their leaves can be told from its own record, which is
nearly all of what agentmeter writes. The others (``entangled.sql`` names them) are resolved where
everything is, in Python, once: their spans alone are fetched, and their leaves go along with each
question as a table.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from agentmeter.exceptions import MoneyError, SourceError
from agentmeter.model import Call, Entry
from agentmeter.pricing.keys import key_of
from agentmeter.pricing.pricer import Pricer
from agentmeter.pricing.tariff import Tariff
from agentmeter.report.distribution import PERCENTS
from agentmeter.report.pricing import asked
from agentmeter.report.report import Report, build
from agentmeter.report.text import sampled_text
from agentmeter.semconv import names
from agentmeter.store.clickhouse.address import Address, quoted
from agentmeter.store.clickhouse.layout import described
from agentmeter.store.clickhouse.prices import rate_table
from agentmeter.store.clickhouse.questions import Found, Questions, found_in, quantity
from agentmeter.store.clickhouse.relation import Relation
from agentmeter.store.clickhouse.server import HTTPServer, Server, Told
from agentmeter.store.clickhouse.spans import Spans, entries_in, ids
from agentmeter.store.leaves import leaf_rows
from agentmeter.store.rollup import RANKED
from agentmeter.store.source import Progress, silent

MOST = 200_000
"""Requests that are resolved in Python for one report; more is refused, with what to do."""
_TOGETHER = 20_000
"""Entries that are resolved in one go."""
_FEES = ("request", "busy_millisecond", "gpu_second")
_SPELLED = {
    "unnest(map_keys(": "arrayJoin(mapKeys(",
    "count(DISTINCT ": "uniqExact(",
    RANKED: "arrayMap((percent, paid) -> paid[intDiv(length(paid) * percent + 99, 100)], "
    f"{list(PERCENTS)}, arrayWithConstant({len(PERCENTS)}, arraySort(groupArray(paid))))",
}
"""What the shared ``.sql`` files say in the words of DuckDB → ClickHouse's."""


@dataclass(slots=True)
class SpanTable:
    """The collector's table of spans; a context manager.

    ``server`` is what runs the SQL, where it is not the address's own. With ``since_ns``, requests
    that began earlier are not there.
    """

    address: Address
    pricer: Pricer
    server: Server | None = None
    progress: Progress = silent
    most: int = MOST
    since_ns: int | None = None
    meters: list[str] = field(default_factory=list)
    own_meters: bool = False
    currencies: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    marks: bool = False
    _http: HTTPServer | None = None
    _tariffs: dict[str, Tariff] = field(default_factory=dict)
    _relation: Relation | None = None
    _told: dict[str, Told] = field(default_factory=dict)

    def __enter__(self) -> Self:
        if self.server is None:
            self._http = HTTPServer(self.address)
            self.server = self._http.__enter__()
        try:
            self._look()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._http is not None:
            self._http.__exit__(kind, error, trace)

    def select(self, sql: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """The rows of a query over ``leaves``. Raises ``SourceError`` where the server fails."""
        assert self.server is not None
        assert self._relation is not None
        if "origins" in sql:
            raise SourceError(
                f"{self.address}: where input came from is told request by request (--request), "
                "or over a journal folder"
            )
        for ours, theirs in _SPELLED.items():
            sql = sql.replace(ours, theirs)
        return self.server.rows(self._relation.over(sql), values, self._told)

    # -- what is there -------------------------------------------------------------------------

    def _look(self) -> None:
        questions, spans = self._questions()
        assert self.server is not None
        (row,) = self.server.rows(questions.survey())
        found = found_in(row)
        self._take_tariffs(spans, questions, found)
        _, refused = rate_table(self._tariffs.values(), ())
        tied = self._tied(questions, found)
        entangled, repeated = self._entangled(questions, found, refused, tied)
        rows = list(self._resolved(spans, found, entangled, tied))
        found = found.with_meters(name[2:] for row in rows for name in row if name[:2] == "m_")
        self._relation = Relation(questions, found, repeated)
        columns = self._relation.types
        meters = (*found.meters, *(fee for fee in _FEES if fee not in found.meters))
        self._told = {
            "entangled": ids(entangled),
            "rates": rate_table(self._tariffs.values(), meters)[0],
            "resolved": Told(columns, [_filled(row, columns) for row in rows]),
        }
        self._note(found, rows)

    def _questions(self) -> tuple[Questions, Spans]:
        assert self.server is not None
        layout = described(self.server, self.address)
        questions = Questions(self.address.relation, layout, self.since_ns)
        return questions, Spans(self.server, questions)

    def _note(self, found: Found, rows: list[dict[str, Any]]) -> None:
        self.meters = list(found.known)
        self.own_meters = bool(found.own) or any(row.get("own_usage") for row in rows)
        currencies = {tariff.currency for tariff in self._tariffs.values()} | {*found.currencies}
        currencies |= {row["currency"] for row in rows if row.get("currency")}
        self.currencies = sorted(currencies, key=lambda one: (one != "USD", one))

    def _entangled(
        self, questions: Questions, found: Found, refused: Iterable[str], tied: list[str]
    ) -> tuple[list[str], bool]:
        assert self.server is not None
        sql = questions.entangled(found, _odd(found, refused), self.most)
        ((listed, count, repeated, sampled),) = self.server.rows(sql)
        if sampled:
            self.problems.append(sampled_text(sampled))
        if count + len(tied) + found.untold > self.most:
            raise SourceError(
                f"{self.address}: {count:,} requests have to be resolved one by one, and "
                f"{found.untold:,} spans of others that name none; no more than {self.most:,} are "
                "in one report: name a view with a part of the table, or compact journals instead"
            )
        return sorted({*listed, *tied}), bool(repeated)

    def _tied(self, questions: Questions, found: Found) -> list[str]:
        if not found.is_entangled:
            return []
        assert self.server is not None
        return [str(row[0]) for row in self.server.rows(questions.tied(found)) if row[0]]

    def _take_tariffs(self, spans: Spans, questions: Questions, found: Found) -> None:
        """The tariffs of the table; those that none was sent of are the pricer's, if it has them.

        A digest names the whole of a tariff, so that another one is never taken for it.
        """
        contents = spans.asides()
        self.problems += contents.problems
        self._tariffs.update(contents.tariffs)
        missing = [digest for digest in found.tariffs if digest not in self._tariffs]
        for digest, call in self._named(questions, missing):
            answer = self.pricer.tariff(key_of(call))
            if isinstance(answer, Tariff) and answer.digest == digest:
                self._tariffs[digest] = answer

    def _named(self, questions: Questions, digests: list[str]) -> Iterator[tuple[str, Call]]:
        """Each of these tariffs, with a call that names it."""
        assert self.server is not None
        if not digests:
            return
        text = questions.layout.text
        asked_by = (names.PROVIDER, names.REQUEST_MODEL, names.RESPONSE_MODEL, names.SERVICE_TIER,
                    names.BATCH, names.SPEED, names.REGION, names.DEPLOYMENT,
                    names.SEARCH_CONTEXT)  # fmt: skip
        told = ", ".join(f"any({text(name)})" for name in asked_by)
        sql = (
            f"SELECT {text(names.TARIFF)} AS digest, {told} FROM {questions.spans} "
            f"WHERE {questions.when} AND digest IN ({', '.join(map(quoted, digests))}) "
            f"AND {text(names.ENTRY)} = 'record' GROUP BY digest"
        )
        for (
            digest,
            provider,
            model,
            response,
            tier,
            batch,
            speed,
            region,
            deployment,
            search,
        ) in self.server.rows(sql):
            yield (
                digest,
                Call(
                    provider or None,
                    model or None,
                    response_model=response or None,
                    service_tier=tier or None,
                    batch=batch == "true",
                    speed=speed or None,
                    region=region or None,
                    deployment=deployment or None,
                    search_context=search or None,
                ),
            )

    # -- what SQL does not take apart ------------------------------------------------------------

    def _resolved(
        self, spans: Spans, found: Found, entangled: list[str], tied: list[str]
    ) -> Iterator[dict[str, Any]]:
        """The leaves of the entangled requests; those that hang together in one go."""
        together = [entry for one in spans.of_requests(tied) for entry in self._said(one)]
        together += self._said(spans.untold()) if found.untold else []
        yield from self._leaves(together)
        known = set(tied)
        alone = [one for one in entangled if one not in known]
        batch: list[Entry] = []
        for number, one in enumerate(spans.of_requests(alone), 1):
            batch += self._said(one)
            if len(batch) >= _TOGETHER:
                self.progress("resolving requests", number, len(alone))
                yield from self._leaves(batch)
                batch = []
        yield from self._leaves(batch)

    def _said(self, reads: Iterable[Any]) -> list[Entry]:
        """What spans say, with prices for what nobody had asked one for."""
        found = entries_in(reads, self.problems)
        return [asked(entry, self._tariffs, self.pricer) for entry in found]

    def _leaves(self, entries: list[Entry]) -> Iterator[dict[str, Any]]:
        if not entries:
            return
        report = build(entries, self._tariffs)
        for request in (*report.requests, *([report.unattributed] if report.unattributed else [])):
            try:
                yield from leaf_rows(request)
            except MoneyError as error:
                self.problems.append(f"request {request.request_id}: {error}")


def _odd(found: Found, refused: Iterable[str]) -> list[str]:
    """What of a record is priced and counted in Python alone."""
    odd = [
        "(charge != '' AND NOT match(charge, '^-?\\\\d{1,20}(\\\\.\\\\d{1,18})?$'))",
        "(stands_for != '' AND NOT match(stands_for, '^\\\\d{1,18}$'))",
        *(f"{quantity(meter)} != 0" for meter in found.strange),
        *(f"{quantity(meter)} < 0" for meter in found.meters),
    ]
    digests = ", ".join(map(quoted, refused))
    return [*odd, f"tariff IN ({digests})"] if digests else odd


def _filled(row: Mapping[str, Any], columns: Mapping[str, str]) -> dict[str, Any]:
    """A row with every column; what is blank in it is blank text, or nothing where it may be."""
    return {
        name: _blank(kind) if row.get(name) is None else row[name] for name, kind in columns.items()
    }


def _blank(kind: str) -> Any:
    if kind.startswith("Nullable"):
        return None
    return {"String": "", "Bool": False}.get(kind, {} if kind.startswith("Map") else 0)


def request_report(
    address: Address, request_id: str, pricer: Pricer, server: Server | None = None
) -> Report:
    """The report of one request, of which alone the spans are fetched.

    ``request_id`` may be the beginning of an id. Raises ``SourceError`` where the server fails.
    """
    if server is None:
        with HTTPServer(address) as own:
            return request_report(address, request_id, pricer, own)
    questions = Questions(address.relation, described(server, address))
    spans = Spans(server, questions)
    contents = spans.named(request_id)
    tariffs = dict(spans.asides().tariffs)
    entries = [asked(entry, tariffs, pricer) for entry in contents.entries]
    return build(entries, tariffs, faults=contents.faults(), sampled=contents.sampled)
