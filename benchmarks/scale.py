"""Ten million calls of a million requests: roll-ups beside the bare engine's own queries.

    python benchmarks/scale.py [--calls N] [--folder DIR] [--ingest MB]

A seeded generator writes the calls straight into Parquet, in the layout of ``agentmeter compact``
(which a smaller pass through real journals is held against): calls per request and tokens have a
long tail. Every query runs on Parquet, on Parquet whose rows are fully shuffled, and on DuckDB's
own tables; beside each the same figures by SQL written by hand for the same file. The best of three
runs counts; memory is the peak of a process that did nothing else. With ``--chdb`` (and with what
``tests.clickhouse.run`` installs: ``python -m benchmarks.scale``) the same calls are asked about as
spans in the collector's table. Then journals are compacted, beside DuckDB's ``read_json`` of the
same lines into Parquet.
"""

import argparse
import multiprocessing
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from agentmeter.cli.report import made_from, only
from agentmeter.model import REPORTED, Attempt, Call, Kind, Owner, Record, Usage
from agentmeter.model.money import plain
from agentmeter.pricing import Cached, GenAIPrices, PriceKey, Tariff
from agentmeter.report.breakdown import breakdown
from agentmeter.report.report import build
from agentmeter.semconv.writing import fields_of
from agentmeter.store.amounts import load_amounts
from agentmeter.store.choice import Choice
from agentmeter.store.compact import compact
from agentmeter.store.engine import Embedded, Store
from agentmeter.store.folder import Generation, commit, entries_name, leaves_name
from agentmeter.store.leaves import LEAF_COLUMNS, MONEY
from agentmeter.store.lines import line_of, tariff_fields
from agentmeter.store.parquet import ENTRY_ROWS, LEAF_ROWS
from agentmeter.store.reader import read, read_request
from agentmeter.store.rollup import distribution, rollup
from agentmeter.store.rows import ENTRY_COLUMNS

PRICER = Cached(GenAIPrices())
MODELS = (
    ("openai", "gpt-5"),
    ("openai", "gpt-5-mini"),
    ("anthropic", "claude-haiku-4-5"),
    ("anthropic", "claude-opus-4-5"),
)
METERS = ("input", "cache_read", "output")
START = 1_785_000_000_000_000_000
MAKE = """
CREATE VIEW made AS
WITH requests AS (
    SELECT
        range AS r,
        CAST(least(2000, ceil(3.8 * pow((1 + hash(range + 11) % 1000000) / 1e6, -0.6))) AS BIGINT)
            AS n
    FROM range({requests})
),
each AS (SELECT r, unnest(range(n)) AS i FROM requests)
SELECT
    printf('%016x%016x', r * 8000000000000, hash(r) % 9223372036854775807) AS request_id,
    printf('%016x', hash(r * 4099 + i) % 9223372036854775807) AS scope_id,
    printf('%016x', hash(r) % 9223372036854775807) AS parent_id,
    {start} + r * 2592000000 + i * 1500000000 AS started_ns,
    {start} + r * 2592000000 AS request_started_ns,
    i, r,
    1 + CAST((hash(r * 31) % {models} + i) % {models} AS INTEGER) AS m,
    concat('u-', hash(r + 1) % 50000) AS user_id,
    concat('tenant-', CAST(floor(pow((hash(r + 2) % 1000) / 1000.0, 3) * 400) AS BIGINT))
        AS tenant_id,
    concat('feature-', hash(r + 3) % 20) AS feature_id,
    CAST(20 + 300 * pow((1 + hash(r * 7 + i) % 100000) / 1e5, -0.5) AS BIGINT) AS input,
    CAST((hash(r * 5 + i) % 3) * 1024 AS BIGINT) AS cache_read,
    CAST(5 + 60 * pow((1 + hash(r * 3 + i) % 100000) / 1e5, -0.45) AS BIGINT) AS output
FROM each
LIMIT {calls}
"""
BODY = (
    '{"traceId":"%s","spanId":"%s","parentSpanId":"%s","name":"chat %s","kind":1,'
    '"startTimeUnixNano":"%d","endTimeUnixNano":"%d","attributes":['
    '{"key":"agentmeter.entry","value":{"stringValue":"record"}},'
    '{"key":"agentmeter.request.id","value":{"stringValue":"%s"}},'
    '{"key":"agentmeter.scope.id","value":{"stringValue":"%s"}},'
    '{"key":"agentmeter.scope.kind","value":{"stringValue":"call"}},'
    '{"key":"agentmeter.scope.name","value":{"stringValue":"%s"}},'
    '{"key":"agentmeter.status","value":{"stringValue":"ok"}},'
    '{"key":"agentmeter.owner.user","value":{"stringValue":"%s"}},'
    '{"key":"agentmeter.owner.tenant","value":{"stringValue":"%s"}},'
    '{"key":"agentmeter.owner.feature","value":{"stringValue":"%s"}},'
    '{"key":"gen_ai.provider.name","value":{"stringValue":"%s"}},'
    '{"key":"gen_ai.request.model","value":{"stringValue":"%s"}},'
    '{"key":"gen_ai.request.stream","value":{"boolValue":false}},'
    '{"key":"agentmeter.tariff","value":{"stringValue":"%s"}},'
    '{"key":"agentmeter.usage.input","value":{"intValue":"%d"}},'
    '{"key":"agentmeter.usage.cache_read","value":{"intValue":"%d"}},'
    '{"key":"agentmeter.usage.output","value":{"intValue":"%d"}},'
    '{"key":"agentmeter.evidence_all_reported","value":{"boolValue":true}}]}'
)
BODY_VALUES = (
    "request_id, scope_id, parent_id, model, started_ns, started_ns + 900000000, request_id, "
    "scope_id, model, user_id, tenant_id, feature_id, provider, model, tariff, input, cache_read, "
    "output"
)


def tariffs() -> list[Tariff]:
    found = [PRICER.tariff(PriceKey(*model)) for model in MODELS]
    return [one for one in found if isinstance(one, Tariff)]


def priced() -> str:
    """A table of the models' rates, wide, as a person would write it."""
    rows = []
    for number, (model, tariff) in enumerate(zip(MODELS, tariffs(), strict=True), 1):
        rates = tariff.quote(START, 1000).rates
        prices = ", ".join(f"CAST({plain(rates[meter].price)} AS {MONEY})" for meter in METERS)
        rows.append(f"({number}, '{model[0]}', '{model[1]}', '{tariff.digest}', {prices})")
    names = "m, provider, model, tariff, p_input, p_cache_read, p_output"
    return f"(VALUES {', '.join(rows)}) AS prices({names})"


def known() -> str:
    """What goes with a call's model, by its number ``m``."""
    columns = {"provider": [], "model": [], "tariff": []} | {f"p_{meter}": [] for meter in METERS}
    for model, tariff in zip(MODELS, tariffs(), strict=True):
        rates = tariff.quote(START, 1000).rates
        told = (*model, tariff.digest)
        values = [f"'{one}'" for one in told]
        values += [f"CAST({plain(rates[meter].price)} AS {MONEY})" for meter in METERS]
        for column, value in zip(columns.values(), values, strict=True):
            column.append(value)
    return ", ".join(f"[{', '.join(values)}][m] AS {name}" for name, values in columns.items())


def generate(folder: Path, calls: int) -> None:
    """Entries, leaves and the manifest of one generation, and the same leaves shuffled."""
    with duckdb.connect(
        config={"memory_limit": "4GB", "temp_directory": str(folder)}
    ) as connection:
        view_calls(connection, calls)
        folder.mkdir()
        _copy(connection, _leaves("calls"), folder / leaves_name("made"), LEAF_ROWS)
        _copy(connection, _entries(), folder / entries_name("made"), ENTRY_ROWS)
        ((count,),) = connection.execute(
            f"SELECT count(*) FROM '{folder / leaves_name('made')}'"
        ).fetchall()
        shuffled = folder.with_name("shuffled")
        shuffled.mkdir()
        order = "(SELECT * FROM calls ORDER BY hash(scope_id))"
        _copy(connection, _leaves(order), shuffled / leaves_name("made"), LEAF_ROWS)
        shutil.copy(folder / entries_name("made"), shuffled / entries_name("made"))
    made = Generation(
        name="made",
        sequence=1,
        entries=count + len(MODELS),
        leaves=count,
        digest="0",
        meters=METERS,
        currencies=("USD",),
        shared=False,
    )
    commit(folder, made)
    commit(shuffled, made)


def view_calls(connection: Any, calls: int) -> None:
    """``calls``: each call that is made up, with its model's prices."""
    filling = {"requests": calls // 9, "calls": calls, "start": START, "models": len(MODELS)}
    connection.execute(MAKE.format(**filling))
    connection.execute(f"CREATE VIEW calls AS SELECT *, {known()} FROM made")


def generate_leaves(file: Path, calls: int) -> None:
    """The leaves alone."""
    config = {"memory_limit": "2GB", "temp_directory": str(file.parent)}
    with duckdb.connect(config=config) as connection:
        view_calls(connection, calls)
        _copy(connection, _leaves("calls"), file, LEAF_ROWS)


def _copy(connection: Any, sql: str, file: Path, rows: int) -> None:
    connection.execute(
        f"COPY ({sql}) TO '{file}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {rows})"
    )


def _typed(columns: Mapping[str, str], values: Mapping[str, str]) -> str:
    return ", ".join(
        f'CAST({values.get(name, "NULL")} AS {kind}) AS "{name}"' for name, kind in columns.items()
    )


def _leaves(calls: str) -> str:
    values = {
        "leaf": "true",
        "request_id": "request_id",
        "request_name": "'answer'",
        "request_status": "'ok'",
        "request_started_ns": "request_started_ns",
        "request_ended_ns": "request_started_ns + 90000000000",
        "user": "user_id",
        "tenant": "tenant_id",
        "feature": "feature_id",
        "plan": "'pro'",
        "scope_id": "scope_id",
        "name": "model",
        "started_ns": "started_ns",
        "ended_ns": "started_ns + 900000000",
        "status": "'ok'",
        "agent": "'planner'",
        "model": "model",
        "provider": "provider",
        "iteration": "concat('planner #', i + 1)",
        "evidence": "'reported'",
        "day": "strftime(make_timestamp(started_ns // 1000), '%Y-%m-%d')",
        "waste": "CASE WHEN hash(r + i * 17) % 40 = 0 THEN 'failed call' END",
        "asked_model": "model",
        "calls": "1",
        "attempts": "1",
        "only_observed": "false",
        "partial": "false",
        "late": "false",
        "shared": "false",
        "batch": "false",
        "firsts": f"CASE WHEN i = 0 THEN 2047 WHEN i < {len(MODELS)} THEN 96 ELSE 32 END",
        "tokens": "input + cache_read + output",
        "total_input": "input + cache_read",
        "m_input": "input",
        "m_cache_read": "nullif(cache_read, 0)",
        "m_output": "output",
        "tariff": "tariff",
        "currency": "'USD'",
        "cost": "input * p_input + cache_read * p_cache_read + output * p_output",
        "trace_id": "request_id",
        "span_id": "scope_id",
        "seen_by": "['agentmeter']",
    }
    return f"SELECT {_typed(LEAF_COLUMNS, values)} FROM {calls}"


def _entries() -> str:
    values = {
        "entry": "'record'",
        "request_id": "request_id",
        "scope_id": "scope_id",
        "parent_id": "parent_id",
        "kind": "'call'",
        "name": "model",
        "user": "user_id",
        "tenant": "tenant_id",
        "feature": "feature_id",
        "started_ns": "started_ns",
        "ended_ns": "started_ns + 900000000",
        "status": "'ok'",
        "provider": "provider",
        "model": "model",
        "tariff": "tariff",
        "trace_id": "request_id",
        "span_id": "scope_id",
        "scope": '\'{"name":"agentmeter"}\'',
        "body": f"printf('{BODY}', {BODY_VALUES})",
    }
    told = []
    for tariff in tariffs():
        body = line_of(tariff_fields(tariff)).decode()
        span = body[body.index('"spans":[') + 9 : body.rindex("]}]}]}")].replace("'", "''")
        own = {
            "entry": "'tariff'",
            "request_id": "''",
            "scope_id": f"'{tariff.digest}'",
            "scope": values["scope"],
            "body": f"'{span}'",
        }
        told.append(f"SELECT {_typed(ENTRY_COLUMNS, own)}")
    records = f"SELECT {_typed(ENTRY_COLUMNS, values)} FROM calls"
    return " UNION ALL ".join([*told, records])


# -- queries ---------------------------------------------------------------------------------------

BY_MODEL = """SELECT model, count(DISTINCT request_id), count(*), sum(m_input), sum(m_cache_read),
    sum(m_output), sum(cost), sum(cost) FILTER (WHERE waste IS NOT NULL)
    FROM leaves GROUP BY model ORDER BY sum(cost) DESC"""
BY_MODEL_PLAIN = """SELECT model, count(*), sum(m_input), sum(m_cache_read), sum(m_output),
    sum(cost), sum(cost) FILTER (WHERE waste IS NOT NULL)
    FROM leaves GROUP BY model ORDER BY sum(cost) DESC"""
TOP = """SELECT request_id, count(*), sum(m_input), sum(m_cache_read), sum(m_output), sum(cost),
    sum(cost) FILTER (WHERE waste IS NOT NULL)
    FROM leaves GROUP BY request_id ORDER BY sum(cost) DESC, request_id LIMIT 10"""
SPREAD = """WITH costs AS (SELECT request_id, sum(cost) AS cost FROM leaves GROUP BY request_id)
    SELECT count(*), sum(cost), max(cost), quantile_disc(cost, [0.5, 0.9, 0.95, 0.99]) FROM costs"""
TENANT = """SELECT feature, count(DISTINCT request_id), count(*), sum(m_input), sum(m_cache_read),
    sum(m_output), sum(cost) FROM leaves WHERE tenant = 'tenant-0'
    GROUP BY feature ORDER BY 7 DESC"""
REPRICE = """SELECT l.model, sum(coalesce(m_input, 0) * p_input
    + coalesce(m_cache_read, 0) * p_cache_read + coalesce(m_output, 0) * p_output)
    FROM leaves AS l JOIN {} ON prices.tariff = l.tariff GROUP BY l.model"""
REPRICED = "SELECT model, sum(amount) FROM amounts GROUP BY model"


@dataclass(slots=True)
class Native:
    """DuckDB's own tables behind the same interface."""

    connection: Any
    meters: tuple[str, ...] = METERS
    own_meters: bool = False
    currencies: tuple[str, ...] = ("USD",)
    problems: tuple[str, ...] = ()
    marks: bool = True

    def select(self, sql: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = self.connection.execute(sql, dict(values)).fetchall()
        return found


def peak_memory() -> int:
    """The largest resident size of this process so far, in MB."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


def best(run: Callable[[], object], times: int = 3) -> float:
    seconds = []
    for _ in range(times):
        started = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def ours(store: Store) -> dict[str, Callable[[], object]]:
    tenant = Choice(conditions=("tenant=tenant-0",))
    return {
        "by model": lambda: rollup(store, "model"),
        "top 10 requests": lambda: rollup(store, "request", limit=10),
        "percentiles": lambda: distribution(store),
        "features of a tenant": lambda: rollup(store, "feature", tenant),
    }


BARE = {
    "by model": BY_MODEL,
    "top 10 requests": TOP,
    "percentiles": SPREAD,
    "features of a tenant": TENANT,
}


def measured(folder: Path, native: Path | None, told: Any) -> None:
    """All queries, ours and bare, in a process of its own."""
    connection = duckdb.connect(
        str(native) if native else ":memory:",
        config={"memory_limit": "512MB", "temp_directory": str(folder)},
    )
    file = folder / leaves_name("made")
    opening = 0.0
    if native is None:
        connection.execute(f"CREATE VIEW leaves AS SELECT * FROM read_parquet('{file}')")
    before = time.perf_counter()
    with Embedded(folder, PRICER) as embedded:
        opening = time.perf_counter() - before
        store: Store = Native(connection) if native else embedded
        found = {}
        for name, run in ours(store).items():
            found[name] = (
                best(run),
                best(lambda sql=BARE[name]: connection.execute(sql).fetchall()),
            )
        if native is None:
            ((wanted,),) = connection.execute("SELECT max(request_id) FROM leaves").fetchall()
            bodies = f"SELECT body FROM '{folder / entries_name('made')}' WHERE request_id = ?"
            found["one request, as a tree"] = (
                best(lambda: build(read_request(folder, wanted), {})),
                best(lambda: _alone(bodies, wanted)),
            )
        assert load_amounts(connection, tariffs(), METERS) == []
        wide = REPRICE.format(priced())
        exact = dict(connection.execute(wide).fetchall())
        assert dict(connection.execute(REPRICED).fetchall()) == exact
        stored = {row.key: row.amounts["USD"] for row in rollup(store, "model")}
        assert stored == exact, (stored, exact)
        found["reprice by model"] = (
            best(lambda: connection.execute(REPRICED).fetchall()),
            best(lambda: connection.execute(wide).fetchall()),
        )
        plain_group = best(lambda: connection.execute(BY_MODEL_PLAIN).fetchall())
    peak = peak_memory()
    told.put((found, opening, plain_group, peak))


def _alone(sql: str, value: str) -> object:
    """A question that somebody asks once, and opens the engine for."""
    with duckdb.connect() as connection:
        return connection.execute(sql, [value]).fetchall()


def in_a_process(target: Callable[..., None], *given: Any) -> Any:
    context = multiprocessing.get_context("spawn")
    told = context.SimpleQueue()
    process = context.Process(target=target, args=(*given, told))
    process.start()
    while told.empty() and process.is_alive():
        time.sleep(0.05)
    answer = told.get() if not told.empty() else None
    process.join()
    return answer


def show(title: str, answer: Any) -> None:
    found, opening, plain_group, peak = answer
    print(f"\n{title}: opened in {opening:.2f} s, peak memory {peak} MB")
    for name, (mine, bare) in found.items():
        print(
            f"  {name:31} {mine * 1000:8.0f} ms   bare {bare * 1000:8.0f} ms   x{mine / bare:.2f}"
        )
    print(f"  {'(by model, no requests)':31} {'':11}   bare {plain_group * 1000:8.0f} ms")


# -- journals --------------------------------------------------------------------------------------


def records(count: int, seed: int = 7) -> list[Record]:
    chance = random.Random(seed)
    made: list[Record] = []
    digests = [tariff.digest for tariff in tariffs()]
    number = 0
    while len(made) < count:
        number += 1
        request = f"{chance.getrandbits(128):032x}"
        root = f"{chance.getrandbits(64):016x}"
        owner = Owner(f"u-{number % 500}", f"tenant-{number % 40}", f"feature-{number % 20}", "pro")
        size = min(500, int(3.8 * chance.random() ** -0.6) + 1)
        began = START + number * 2_592_000_000
        for turn in range(size):
            which = chance.randrange(len(MODELS))
            usage = Usage(
                input=int(20 + 300 * chance.random() ** -0.5),
                cache_read=1024 * chance.randrange(3),
                output=chance.randrange(5, 900),
            )
            at = began + turn * 1_500_000_000
            call = Call(
                *MODELS[which],
                "chat",
                MODELS[which][1],
                f"resp-{chance.getrandbits(60):x}",
                finish_reasons=("stop",),
                attempts=(Attempt(at, at + 5, 200),),
                usage=usage,
                evidence=dict.fromkeys(usage, REPORTED),
                tariff=digests[which],
            )
            scope = f"{chance.getrandbits(64):016x}"
            made.append(
                Record(
                    request,
                    scope,
                    root,
                    Kind.CALL,
                    MODELS[which][1],
                    owner,
                    at,
                    at + 900_000_000,
                    call=call,
                    trace_id=request,
                    span_id=scope,
                    position=turn + 1,
                )
            )
        made.append(
            Record(
                request,
                root,
                None,
                Kind.REQUEST,
                "answer",
                owner,
                began,
                began + 9 * 10**10,
                trace_id=request,
                span_id=root,
                children=size,
            )
        )
    return made


def write_journals(folder: Path, megabytes: float) -> int:
    """Journals of ``megabytes`` in all, each of 100,000 records; returns their bytes."""
    folder.mkdir()
    size = number = 0
    while size < megabytes * 1e6:
        number += 1
        file = folder / f"{number}-{number:012x}.jsonl"
        with file.open("wb") as handle:
            for tariff in tariffs():
                handle.write(line_of(tariff_fields(tariff)))
            for record in records(100_000, number):
                handle.write(line_of(fields_of(record)))
                if size + handle.tell() > megabytes * 1e6:
                    break
        size += file.stat().st_size
    return size


def reported(folder: Path, told: Any) -> None:
    """What ``agentmeter report --request`` does, from the folder on."""
    file = folder / entries_name("made")
    ((wanted,),) = duckdb.sql(f"SELECT max(request_id) FROM '{file}'").fetchall()
    started = time.perf_counter()
    (one,) = only(made_from(folder, wanted), wanted).requests
    told.put((time.perf_counter() - started, one.calls, peak_memory()))


def ingested(folder: Path, told: Any) -> None:
    started = time.perf_counter()
    done = compact(folder, PRICER)
    seconds = time.perf_counter() - started
    told.put((done.entries, done.bytes_after, seconds, peak_memory()))


def read_bare(folder: Path, told: Any) -> None:
    """DuckDB's own reading of the same lines: spans, sorted by trace, as Parquet."""
    connection = duckdb.connect(config={"memory_limit": "4GB", "temp_directory": str(folder)})
    started = time.perf_counter()
    connection.execute(
        f"""COPY (
            SELECT s.traceId AS trace_id, s.spanId AS span_id, s.name,
                CAST(s.startTimeUnixNano AS BIGINT) AS started_ns, s.attributes
            FROM (SELECT resourceSpans[1].scopeSpans[1].spans[1] AS s
                  FROM read_json('{folder}/*.jsonl', format = 'newline_delimited'))
            ORDER BY trace_id, started_ns
        ) TO '{folder}/bare.parquet' (FORMAT parquet, COMPRESSION zstd)"""
    )
    told.put((time.perf_counter() - started, peak_memory()))


def same_layout(generated: Path, work: Path) -> None:
    """Real journals, compacted: the same columns, and the figures of the report itself."""
    folder = work / "real"
    write_journals(folder, 20)
    contents = read(folder)
    expected = breakdown(build(contents.entries, contents.tariffs), "model")
    compact(folder, PRICER)
    connection = duckdb.connect()
    for name in ("entries", "leaves"):
        (real,) = folder.glob(f"*.{name}.parquet")
        (made,) = generated.glob(f"*.{name}.parquet")
        columns = [
            connection.execute(f"DESCRIBE SELECT * FROM '{file}'").fetchall()
            for file in (real, made)
        ]
        assert columns[0] == columns[1], name
    with Embedded(folder, PRICER) as store:
        assert rollup(store, "model") == expected
    print(f"{len(contents.entries):,} records through real journals: same layout, same figures")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=10_000_000)
    parser.add_argument("--folder", type=Path, help="Where to work, with some 5 GB of room.")
    parser.add_argument("--ingest", type=float, default=1000, help="Megabytes of journals.")
    parser.add_argument("--chdb", action="store_true", help="Also on ClickHouse's engine.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        work = Path(name)
        folder = work / "made"
        generate(folder, options.calls)
        sizes = [
            (folder / one).stat().st_size // 2**20
            for one in (leaves_name("made"), entries_name("made"))
        ]
        requests = duckdb.sql(f"SELECT count(DISTINCT request_id) FROM '{folder}/*.leaves.parquet'")
        print(
            f"{options.calls:,} calls of {requests.fetchall()[0][0]:,} requests made: "
            f"leaves {sizes[0]} MB, entries {sizes[1]} MB"
        )
        same_layout(folder, work)
        show("Parquet, clustered", in_a_process(measured, folder, None))
        seconds, calls, peak = in_a_process(reported, folder)
        print(f"  report --request, {calls} calls: {seconds:.2f} s, peak memory {peak} MB")
        show("Parquet, fully shuffled", in_a_process(measured, work / "shuffled", None))
        native = work / "native.duckdb"
        with duckdb.connect(
            str(native), config={"memory_limit": "512MB", "temp_directory": str(work)}
        ) as connection:
            connection.execute(
                f"CREATE TABLE leaves AS SELECT * FROM '{folder / leaves_name('made')}'"
            )
        show("DuckDB's own tables", in_a_process(measured, folder, native))
        if options.chdb:
            from benchmarks.scale_chdb import measured as measured_chdb

            leaves = folder / leaves_name("made")
            answer = in_a_process(measured_chdb, leaves)
            show("ClickHouse's engine, over spans", answer)
        if options.ingest:
            ingest(work, options.ingest)


def ingest(work: Path, megabytes: float) -> None:
    folder = work / "journals"
    size = write_journals(folder, megabytes) / 1e6
    bare, peak = in_a_process(read_bare, folder)
    (folder / "bare.parquet").unlink()
    print(f"\n{size:,.0f} MB of journals: DuckDB's read_json {size / bare:.0f} MB/s, {peak} MB")
    entries, after, seconds, peak = in_a_process(ingested, folder)
    print(
        f"compacted, resolved and verified: {size / seconds:.0f} MB/s, "
        f"{entries / seconds:,.0f} entries/s, peak memory {peak} MB, "
        f"{after / 1e6:,.0f} MB afterwards; x{seconds / bare:.1f} of read_json"
    )


if __name__ == "__main__":
    sys.exit(main())
