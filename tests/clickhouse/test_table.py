"""The reports over the collector's table, on ClickHouse's own engine behind its HTTP interface."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from opentelemetry.sdk.trace import TracerProvider

pytest.importorskip("chdb", reason="python -m tests.clickhouse.run makes an environment for it")

import agentmeter as am
from agentmeter.cli.app import app
from agentmeter.exceptions import SourceError
from agentmeter.model import Call, Entry, Kind, Owner, Record, Usage
from agentmeter.model.evidence import REPORTED
from agentmeter.pricing import Tariff, Unpriced
from agentmeter.pricing.keys import key_of
from agentmeter.report.breakdown import breakdown
from agentmeter.report.pricing import priced_now
from agentmeter.report.report import build
from agentmeter.runtime.observe import watch
from agentmeter.store.choice import Choice
from agentmeter.store.clickhouse.address import Address, address
from agentmeter.store.clickhouse.table import SpanTable, request_report
from agentmeter.store.rollup import distribution, origins, rollup
from agentmeter.testing import Kept
from tests.clickhouse.collector import exported, exported_files
from tests.clickhouse.front import Engine, Front
from tests.property.overlaps import Overlaps, overlaps
from tests.store.folders import PRICER, compacted, journal
from tests.store.test_agreement import (
    BY,
    FOREIGN,
    call,
    figures,
    foreign_entries,
    raise_in_a_call,
    reported,
    researcher,
    rolled_up,
    told_of,
    without_an_end,
    work,
)
from tests.store.test_foreign import document

TABLES = ("otel_traces", "otel_traces_json")
OF_LEAVES = tuple(by for by in BY if by != "origin")
numbers = count()


@pytest.fixture(params=TABLES)
def table(request: pytest.FixtureRequest, engine: Engine, front: Front) -> Iterator[Address]:
    """An empty table of one of the two layouts, in a database of its own."""
    database = f"db{next(numbers)}"
    engine.create(database, request.param)
    yield address(f"clickhouse://default@127.0.0.1:{front.port}/{database}?table={request.param}")
    engine.run(f"DROP DATABASE {database}")


def filled(engine: Engine, table: Address, folder: Path) -> int:
    return exported_files(engine, f"{table.database}.{table.table}", folder)


def in_server(table: Address) -> dict[str, Any]:
    with SpanTable(table, PRICER) as store:
        assert store.problems == []
        return {
            **{by: rollup(store, by) for by in OF_LEAVES},
            "distribution": distribution(store),
            "euros": distribution(store, currency="EUR"),
        }


def of_spans(engine: Engine) -> list[str]:
    """The questions that fetched spans of requests."""
    return [sql for sql in engine.asked if "FROM asked" in sql]


def test_one_data_set_is_one_set_of_figures_everywhere(
    meter: Kept, tmp_path: Path, engine: Engine, table: Address
) -> None:
    """In process, from the journal, from Parquet, in DuckDB and in ClickHouse: equal to the last
    decimal, by every key, with everything that may be entangled in it.
    """
    watch(provider := TracerProvider())
    with provider.get_tracer("someone").start_as_current_span("theirs"):
        work()
    plainly()
    entries = [*meter.entries, *told_of(meter.entries), *without_an_end(meter.entries)]
    foreign = document(*FOREIGN).encode() + b"\n"
    known, tariffs = priced_now([*entries, *foreign_entries()], meter.tariffs, PRICER)
    report = build(known, tariffs)
    expected, values = figures(report), report.to_json()
    folder = tmp_path / "journal"
    journal(folder, entries, meter.tariffs)
    journal(folder, []).write_bytes(foreign)
    filled(engine, table, folder)
    found = in_server(table)
    for name, rows in found.items():
        assert rows == expected[name], f"ClickHouse: {name}"
    for one in report.requests:
        alone = report.only(one.request_id).to_json()["requests"]
        for asked in (one.request_id, one.request_id[:-1]):
            made = request_report(table, asked, PRICER).only(one.request_id)
            assert made.to_json()["requests"] == alone, asked
    assert orjson.dumps(reported(folder)) == orjson.dumps(values), "journal"
    assert rolled_up(folder) == expected, "DuckDB over the journal"
    compacted(folder)
    assert orjson.dumps(reported(folder)) == orjson.dumps(values), "Parquet"
    assert rolled_up(folder) == expected, "DuckDB over Parquet"


def plainly() -> None:
    """Requests of which every leaf is told by its own record."""
    for number in range(5):
        with am.request(
            user=f"u-{number % 3}", feature="chat" if number % 2 else "research",
            tenant=f"t-{number % 2}", plan="pro", tags={"team": "blue"} if number % 3 else {},
        ):  # fmt: skip
            researcher(number)
            with am.branch("kept"):
                call("nobody-knows-this-model", input=40)
            raise_in_a_call()
            if number == 4:
                am.charge("data.feed", amount="0.25", currency="EUR")
                with am.call(provider="x", model="y") as one:
                    one.record(am.Usage({"acme.page": 3, "input": 5}))
                with am.tool("outer"), am.agent("inner"), am.step("deep"):
                    call(input=4, output=2)
                    call(input=9)
    with am.request(user="idle"):
        pass


def test_plain_requests_are_told_apart_in_the_server(
    meter: Kept, tmp_path: Path, engine: Engine, table: Address
) -> None:
    """Of such requests no span is fetched for a roll-up; spans that came twice count once."""
    plainly()
    report = build(meter.entries, meter.tariffs)
    expected = figures(report)
    journal(tmp_path / "j", meter.entries, meter.tariffs)
    for _ in range(2):
        engine.asked.clear()
        filled(engine, table, tmp_path / "j")
        found = in_server(table)
        assert of_spans(engine) == []
        for name, rows in found.items():
            assert rows == expected[name], name


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(made=overlaps())
def test_what_several_observers_saw_is_resolved(
    made: Overlaps, engine: Engine, front: Front, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Random observers of the same calls: the server's figures equal a report over everything."""
    report = build(*priced_now(made.records, {}, PRICER))
    folder = tmp_path_factory.mktemp("f")
    journal(folder, made.records)
    database = f"db{next(numbers)}"
    engine.create(database)
    where = address(f"clickhouse://127.0.0.1:{front.port}/{database}")
    filled(engine, where, folder)
    with SpanTable(where, PRICER) as store:
        for by in ("request", "agent", "model", "evidence"):
            assert rollup(store, by) == breakdown(report, by)
    engine.run(f"DROP DATABASE {database}")


MODELS = (
    ("google", "gemini-2.5-pro"), ("deepseek", "deepseek-chat"), ("openai", "gpt-5"),
    ("anthropic", "claude-sonnet-4-5"), ("groq", "llama-3.3-70b-versatile"),
    ("mistral", "mistral-large-latest"), ("x-ai", "grok-4"),
)  # fmt: skip
START = 1_700_000_000_000_000_000
DAY = 86_400 * 10**9


def priced_records() -> tuple[list[Entry], dict[str, Tariff]]:
    """Calls over years, hours of the day and sizes, so that they fall into all cells of tariffs."""
    entries: list[Entry] = []
    tariffs: dict[str, Tariff] = {}
    for number in range(168):
        model = MODELS[number % len(MODELS)]
        at = START + number // 3 * 412_345_678_901_234
        usage = Usage(input=1 + 37 ** (number % 5), cache_read=number % 3 * 70_001,
                      output=number, reasoning=number % 4)  # fmt: skip
        call = Call(*model, "chat", usage=usage, evidence=dict.fromkeys(usage, REPORTED))
        answer = PRICER.tariff(key_of(call))
        assert isinstance(answer, Tariff)
        tariffs[answer.digest] = answer
        priced = Call(*model, "chat", usage=usage, evidence=dict(call.evidence),
                      tariff=answer.digest)  # fmt: skip
        root, scope, request = f"{number:016x}", f"{number + 1000:016x}", f"{number:032x}"
        owner = Owner(f"u-{number % 5}")
        entries.append(Record(request, scope, root, Kind.CALL, model[1], owner, at, at + 10**9,
                              call=priced, trace_id=request, span_id=scope, position=1))  # fmt: skip
        entries.append(Record(request, root, None, Kind.REQUEST, "r", owner, at, at + 10**9,
                              trace_id=request, span_id=root, children=1))  # fmt: skip
    return entries, tariffs


def test_prices_in_sql_are_those_of_python(tmp_path: Path, engine: Engine, table: Address) -> None:
    """Steps, windows of the day and changes of price: every request's cost to the last decimal."""
    entries, tariffs = priced_records()
    report = build(entries, tariffs)
    journal(tmp_path / "j", entries, tariffs)
    engine.asked.clear()
    filled(engine, table, tmp_path / "j")
    with SpanTable(table, PRICER) as store:
        assert rollup(store, "request") == breakdown(report, "request")
        assert rollup(store, "model") == breakdown(report, "model")
    assert of_spans(engine) == []
    assert any(len({rate.price for rate in tariff.rates if rate.meter == "input"}) > 1
               for tariff in tariffs.values())  # fmt: skip


def lasting(number: int, call: Call, began: int, called: int) -> list[Entry]:
    """A request with one call, long after it has begun."""
    root, scope, request = f"{number:016x}", f"{number + 1:016x}", f"{number:032x}"
    return [
        Record(request, root, None, Kind.REQUEST, "r", Owner("u-1"), began, called,
               trace_id=request, span_id=root, children=1),
        Record(request, scope, root, Kind.CALL, "late", Owner("u-1"), called, called + 1,
               call=call, trace_id=request, span_id=scope, position=1),
    ]  # fmt: skip


def test_since_reads_no_more_than_it_has_to(tmp_path: Path, engine: Engine, table: Address) -> None:
    """Of years of requests the last month: what a folder has under that choice, with tariffs that
    were sent before it, and without a request that began before it and has gone on since.
    """
    entries, tariffs = priced_records()
    records = [entry for entry in entries if isinstance(entry, Record)]
    since = max(one.started_ns for one in records) - 30 * DAY
    (call,) = [one.call for one in records[:1]]
    assert call is not None
    entries += lasting(9001, call, since - 40 * DAY, since + DAY)
    entries += lasting(9003, call, since, since + 20 * DAY)
    journal(tmp_path / "j", entries, tariffs)
    filled(engine, table, tmp_path / "j")
    from agentmeter.store.engine import Embedded

    choice = Choice(since)
    engine.asked.clear()
    with (
        Embedded(tmp_path / "j", PRICER) as folder,
        SpanTable(table, PRICER, since_ns=since) as store,
    ):
        for by in ("request", "model", "user"):
            assert rollup(store, by, choice) == rollup(folder, by, choice), by
        assert distribution(store, choice) == distribution(folder, choice)
        requests = {row.key for row in rollup(store, "request", choice)}
    assert f"{9003:032x}" in requests
    assert f"{9001:032x}" not in requests
    assert len(requests) < len(records) / 4
    asked = [sql for sql in engine.asked if "agentmeter.scope.kind" in sql]
    assert asked
    assert all("Timestamp >= fromUnixTimestamp64Nano(" in sql for sql in asked)


def test_a_tariff_that_was_never_sent_is_the_pricers_if_it_is_the_same(
    tmp_path: Path, engine: Engine, table: Address
) -> None:
    """Where only an application's exporter wrote, tariffs are found by their digest, or missing."""
    entries, tariffs = priced_records()
    journal(tmp_path / "j", entries)
    filled(engine, table, tmp_path / "j")
    report = build(entries, tariffs)
    with SpanTable(table, PRICER) as store:
        assert rollup(store, "model") == breakdown(report, "model")

    class Nobody:
        def tariff(self, key: Any) -> Any:
            return Unpriced("nobody knows")

    with SpanTable(table, Nobody()) as store:
        rows = rollup(store, "model")
    assert {row.key: (row.amounts, row.is_lower_bound) for row in rows} == {
        model: ({}, True) for _, model in MODELS
    }


def test_a_table_of_others_spans_alone_is_a_report(engine: Engine, table: Address) -> None:
    """Where nothing of ours ever wrote, each trace is a request, priced now, and a lower bound."""
    exported(engine, f"{table.database}.{table.table}", [document(*FOREIGN).encode()])
    report = build(*priced_now(foreign_entries(), {}, PRICER))
    with SpanTable(table, PRICER) as store:
        for by in ("request", "model", "user"):
            assert rollup(store, by) == breakdown(report, by), by
        assert all(row.is_lower_bound for row in rollup(store, "model"))


def test_a_choice_takes_the_same(
    meter: Kept, tmp_path: Path, engine: Engine, table: Address
) -> None:
    """Conditions on owners, leaves, whole requests and time: the same rows as over a folder."""
    work()
    plainly()
    journal(tmp_path / "j", meter.entries, meter.tariffs)
    filled(engine, table, tmp_path / "j")
    from agentmeter.store.engine import Embedded

    starts = sorted(one.tree.record.started_ns for one in meter.report().requests)
    choices = [
        Choice(conditions=("cost>0.01",)),
        Choice(conditions=("user=u-1", "calls>=8")),
        Choice(conditions=("tag:team=blue", "model=gpt-5-mini")),
        Choice(conditions=("agent=researcher", "tokens<5000", "seconds>=0")),
        Choice(conditions=("name=request", "status!=error")),
        Choice(starts[3], starts[-2]),
    ]
    with Embedded(tmp_path / "j", PRICER) as folder, SpanTable(table, PRICER) as store:
        for choice in choices:
            for by in ("request", "model", "tag:team"):
                assert rollup(store, by, choice) == rollup(folder, by, choice), choice
            assert distribution(store, choice) == distribution(folder, choice), choice
        assert rollup(store, "user", limit=2) == rollup(folder, "user", limit=2)


def test_a_sampled_pipeline_makes_lower_bounds(
    meter: Kept, engine: Engine, table: Address, tmp_path: Path
) -> None:
    """Spans that say they were sampled: told of, and every figure a lower bound, until the same
    records come unsampled as well.
    """
    with am.request(user="u"):
        call(input=10, output=2)
    file = journal(tmp_path / "j", meter.entries, meter.tariffs)
    sampled = []
    for line in file.read_bytes().splitlines():
        said = orjson.loads(line)
        said["resourceSpans"][0]["resource"]["attributes"] = []
        for span in said["resourceSpans"][0]["scopeSpans"][0]["spans"]:
            span["traceState"] = "vendor=1,ot=rv:a0000000000000;th:8"
        sampled.append(orjson.dumps(said))
    name = f"{table.database}.{table.table}"
    exported(engine, name, sampled)
    with SpanTable(table, PRICER) as store:
        assert [one[:35] for one in store.problems] == ["1 requests known only from a pipelin"[:35]]
        (row,) = rollup(store, "model")
        assert row.is_lower_bound
    (one,) = meter.report().requests
    made = request_report(table, one.request_id, PRICER)
    assert made.sampled == 1
    assert made.is_lower_bound
    assert made.to_json()["total"]["sampled_requests"] == 1
    exported_files(engine, name, tmp_path / "j")
    with SpanTable(table, PRICER) as store:
        assert store.problems == []
        assert rollup(store, "model") == breakdown(meter.report(), "model")


def test_a_server_that_goes_away_is_said(
    meter: Kept, engine: Engine, front: Front, table: Address, tmp_path: Path
) -> None:
    """In the middle of an answer, of a stream of spans, or before the first one."""
    work()
    journal(tmp_path / "j", meter.entries, meter.tariffs)
    filled(engine, table, tmp_path / "j")
    front.cut_after, front.cut_where = 40, "leaves"
    with (
        SpanTable(table, PRICER) as store,
        pytest.raises(SourceError, match="run it again") as told,
    ):
        rollup(store, "request")
    assert str(table) in str(told.value)
    front.cut_where = "FROM asked"
    with pytest.raises(SourceError, match="in the middle of an answer"), SpanTable(table, PRICER):
        pass
    nowhere = Address("127.0.0.1", 1, database="x")
    with pytest.raises(SourceError, match="cannot be reached"), SpanTable(nowhere, PRICER):
        pass


def test_what_is_no_such_table_is_said(engine: Engine, table: Address) -> None:
    """A table without the collector's columns, and one that is not there."""
    engine.run(f"CREATE TABLE {table.database}.other (a String) ENGINE = Memory")
    for name, said in (("other", "no column 'Timestamp'"), ("nothing", "UNKNOWN_TABLE|not exist")):
        other = Address(table.host, table.port, database=table.database, table=name)
        with pytest.raises(SourceError, match=said), SpanTable(other, PRICER):
            pass


def test_too_many_entangled_requests_are_refused(
    meter: Kept, engine: Engine, table: Address, tmp_path: Path
) -> None:
    """More than are resolved one by one are refused with what to do; where input came from too."""
    work()
    journal(tmp_path / "j", meter.entries, meter.tariffs)
    filled(engine, table, tmp_path / "j")
    with (
        pytest.raises(SourceError, match="requests have to be resolved one by one"),
        SpanTable(table, PRICER, most=2),
    ):
        pass
    with SpanTable(table, PRICER) as store, pytest.raises(SourceError, match="--request"):
        origins(store)


def test_the_commands_read_a_table(
    meter: Kept, engine: Engine, table: Address, tmp_path: Path
) -> None:
    """``report``, ``top`` and ``report --request`` on an address, as text and JSON."""
    plainly()
    journal(tmp_path / "j", meter.entries, meter.tariffs)
    filled(engine, table, tmp_path / "j")
    where, run = (
        f"clickhouse://default@127.0.0.1:{table.port}/{table.database}?table={table.table}",
        CliRunner().invoke,
    )
    made = run(app, ["report", where, "--by", "user", "--json"], catch_exceptions=False)
    over = run(app, ["report", str(tmp_path / "j"), "--by", "user", "--json"])
    left, right = (orjson.loads(one.stdout)["rows"] for one in (made, over))
    assert [(row["key"], row["calls"], row["usage"]) for row in left] == [
        (row["key"], row["calls"], row["usage"]) for row in right
    ]
    shown = run(app, ["top", where, "--limit", "2"], catch_exceptions=False)
    assert len(shown.stdout.splitlines()) == 3
    wanted = orjson.loads(run(app, ["top", where, "--json"]).stdout)["rows"][0]["key"]
    tree = run(app, ["report", where, "--request", wanted], catch_exceptions=False)
    assert f"request {wanted}" in tree.stdout
    assert "agent researcher" in tree.stdout
    refused = run(app, ["report", where, "--csv"])
    assert refused.exit_code == 2
    assert "--request" in refused.output
