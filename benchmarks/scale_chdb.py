"""The same calls as spans of the collector's table, on ClickHouse's engine in process (``chdb``).

    python -m benchmarks.scale_chdb [--calls N] [--folder DIR] [--times N]

The real client asks over loopback, from a process of its own; beside each question stands one by
hand over the same table and the same interface, in the two ways that there are: with each attribute
as a column of its own, which is how one writes it, and with the map read once. The table is filled
by the engine itself, a span for each call and one for each request, and lies on the disk.
"""

import argparse
import multiprocessing
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb

from agentmeter.model.money import plain
from agentmeter.pricing import Tariff
from agentmeter.store.choice import Choice
from agentmeter.store.clickhouse.address import address
from agentmeter.store.clickhouse.table import SpanTable, request_report
from agentmeter.store.lines import tariff_fields
from agentmeter.store.rollup import distribution, rollup

START = 1_785_000_000_000_000_000
"""When the first call begins, as in ``scale``."""
METERS = ("input", "cache_read", "output")
ROOT = "concat('f', substring(request_id, 2, 15))"  # no call's id begins so
COLUMNS = "Timestamp, TraceId, SpanId, SpanName, ServiceName, ScopeName, SpanAttributes, Duration"
CALLS = f"""
INSERT INTO scale.otel_traces ({COLUMNS})
SELECT fromUnixTimestamp64Nano(started_ns), request_id, scope_id, concat('chat ', model), 'made',
    'agentmeter', map(
        'agentmeter.entry', 'record', 'agentmeter.request.id', request_id,
        'agentmeter.scope.id', scope_id, 'agentmeter.scope.parent_id', {ROOT},
        'agentmeter.scope.kind', 'call', 'agentmeter.scope.name', model,
        'agentmeter.status', if(waste IS NULL, 'ok', 'error'),
        'agentmeter.scope.place', concat(toString(position), '/0'),
        'agentmeter.owner.user', user, 'agentmeter.owner.tenant', tenant,
        'agentmeter.owner.feature', feature, 'agentmeter.owner.plan', 'pro',
        'gen_ai.provider.name', provider, 'gen_ai.request.model', model,
        'gen_ai.operation.name', 'chat', 'gen_ai.request.stream', 'false',
        'agentmeter.tariff', tariff, 'agentmeter.evidence_all_reported', 'true',
        'agentmeter.usage.input', toString(m_input),
        'agentmeter.usage.cache_read', toString(ifNull(m_cache_read, 0)),
        'agentmeter.usage.output', toString(m_output)), 900000000
FROM (SELECT *, row_number() OVER (PARTITION BY request_id ORDER BY started_ns) AS position
      FROM file('{{file}}', Parquet) WHERE request_id >= '{{first}}' AND request_id < '{{next}}')
"""
ROOTS = f"""
INSERT INTO scale.otel_traces ({COLUMNS})
SELECT fromUnixTimestamp64Nano(any(request_started_ns)), request_id, {ROOT}, 'answer', 'made',
    'agentmeter', map(
        'agentmeter.entry', 'record', 'agentmeter.request.id', request_id,
        'agentmeter.scope.id', {ROOT}, 'agentmeter.scope.kind', 'request',
        'agentmeter.scope.name', 'answer', 'agentmeter.status', 'ok',
        'agentmeter.scope.place', concat('0/', toString(count())),
        'agentmeter.owner.user', any(user), 'agentmeter.owner.tenant', any(tenant),
        'agentmeter.owner.feature', any(feature), 'agentmeter.owner.plan', 'pro'), 90000000000
FROM file('{{file}}', Parquet) WHERE request_id >= '{{first}}' AND request_id < '{{next}}'
GROUP BY request_id
"""
TOGETHER = 500_000
"""Calls that are put into the table in one go."""
SETTINGS = (
    "max_threads = 2",
    "max_partitions_per_insert_block = 10000",
    "max_bytes_before_external_group_by = 200000000",
    "max_bytes_before_external_sort = 200000000",
)
"""What an administrator sets who has little memory: beyond it, groupings go to the disk."""
A = "SpanAttributes['{}']"
MODEL, TENANT, FEATURE, REQUEST = (
    A.format(one)
    for one in ("gen_ai.request.model", "agentmeter.owner.tenant", "agentmeter.owner.feature",
                "agentmeter.request.id")
)  # fmt: skip


def _quantity(meter: str) -> str:
    return f"toInt64OrZero({A.format('agentmeter.usage.' + meter)})"


ONCE = "(SELECT SpanAttributes FROM scale.otel_traces)"
"""The table with its map read once for all names that are looked up in it."""


def _bare(tariffs: list[Tariff], spans: str = "scale.otel_traces") -> dict[str, str]:
    """The questions by hand: quantities, and prices that are written into them."""
    digests = [tariff.digest for tariff in tariffs]
    sums = ", ".join(f"sum({_quantity(meter)})" for meter in METERS)
    parts = []
    for meter in METERS:
        prices = [plain(one.quote(START, 1000).rates[meter].price) for one in tariffs]
        listed = ", ".join(f"toDecimal128('{price}', 18)" for price in prices)
        parts.append(
            f"{_quantity(meter)} * [{listed}][indexOf({digests}, {A.format('agentmeter.tariff')})]"
        )
    cost = " + ".join(parts)
    failed = f"sumIf({cost}, {A.format('agentmeter.status')} = 'error')"
    rest = f"{sums}, sum({cost}) AS c, {failed} FROM {spans} WHERE " \
        f"{A.format('agentmeter.scope.kind')} = 'call'"  # fmt: skip
    return {
        "by model": f"SELECT {MODEL} AS k, uniqExact({REQUEST}), count(), {rest} "
        "GROUP BY k ORDER BY c DESC",
        "top 10 requests": f"SELECT {REQUEST} AS k, count(), {rest} "
        "GROUP BY k ORDER BY c DESC, k LIMIT 10",
        "percentiles": "SELECT count(), sum(c), max(c), quantilesExactLow(0.5, 0.9, 0.95, 0.99)(c) "
        f"FROM (SELECT {REQUEST} AS k, {rest} GROUP BY k)",
        "features of a tenant": f"SELECT {FEATURE} AS k, uniqExact({REQUEST}), count(), {rest} "
        f"AND {TENANT} = 'tenant-0' GROUP BY k ORDER BY c DESC",
    }


def _served(leaves: Path, told: Any, until: Any) -> None:
    """Fill a table and answer until told to end; then tell how much memory that took."""
    from benchmarks.scale import peak_memory, tariffs
    from tests.clickhouse.collector import exported
    from tests.clickhouse.front import Engine, Front

    from agentmeter.store.lines import line_of

    with tempfile.TemporaryDirectory(dir=leaves.parent) as work:
        engine = Engine(Path(work))
        engine.create("scale")
        exported(engine, "scale.otel_traces", [line_of(tariff_fields(one)) for one in tariffs()])
        for setting in SETTINGS:
            engine.run(f"SET {setting}")
        started = time.perf_counter()
        for first, following in _parts(leaves):
            for sql in (CALLS, ROOTS):
                filled = sql.replace("{file}", str(leaves)).replace("{first}", first)
                engine.run(filled.replace("{next}", following))
        seconds, filling = time.perf_counter() - started, peak_memory()
        with Front(engine) as front:
            told.put((front.port, seconds, filling))
            until.get()
        told.put(peak_memory())
        engine.close()


def _parts(leaves: Path) -> Iterator[tuple[str, str]]:
    """From which request to which the calls are put into the table together."""
    firsts = duckdb.sql(
        f"SELECT min(request_id) FROM read_parquet('{leaves}', file_row_number = true) "
        f"GROUP BY file_row_number // {TOGETHER} ORDER BY 1"
    ).fetchall()
    return pairwise([*(one for (one,) in firsts), "g"])


@contextmanager
def _engine(leaves: Path) -> Iterator[tuple[int, Callable[[], int]]]:
    """The engine in a process of its own: its port, and what ends it and gives its peak memory."""
    context = multiprocessing.get_context("spawn")
    told, until = context.SimpleQueue(), context.SimpleQueue()
    process = context.Process(target=_served, args=(leaves, told, until))
    process.start()
    port, seconds, peak = told.get()
    _say(f"  filled in {seconds:.0f} s, the engine's process {peak} MB at its peak")

    def end() -> int:
        until.put(None)
        return int(told.get())

    try:
        yield port, end
    finally:
        until.put(None)
        process.join()


def _say(text: str) -> None:
    print(text, flush=True)


def measured(leaves: Path, told: Any, times: int = 2) -> None:
    """Ask, and tell the seconds: ours and by hand."""
    from benchmarks.scale import PRICER, best, peak_memory, tariffs

    with _engine(leaves) as (port, end):

        def run(sql: str) -> bytes:
            interface = f"http://127.0.0.1:{port}/"
            with urllib.request.urlopen(interface, sql.encode()) as answer:
                return bytes(answer.read())

        where = address(f"clickhouse://127.0.0.1:{port}/scale")
        known = tariffs()
        bare, once = _bare(known), _bare(known, ONCE)
        found: dict[str, tuple[float, float]] = {}
        rows, size = run(
            "SELECT sum(rows), sum(bytes_on_disk) FROM system.parts "
            "WHERE active AND table = 'otel_traces'"
        ).split()
        _say(f"  {int(rows):,} spans, {int(size) / int(rows):.0f} bytes each on the disk")
        before = time.perf_counter()
        with SpanTable(where, PRICER) as store:
            opening = time.perf_counter() - before
            assert not store.problems, store.problems
            for name, ask in _asked(store).items():
                mine = best(ask, times)
                found[name] = mine, best(lambda sql=bare[name]: run(sql), times)
                again = best(lambda sql=once[name]: run(sql), times)
                found[f"{name}, read once"] = mine, again
                _say(f"  {name}: {mine:.2f} s, by hand {found[name][1]:.2f}, once {again:.2f}")
            by_model = {
                row.key: str(row.amounts["USD"].normalize()) for row in rollup(store, "model")
            }
        for line in run(once["by model"]).decode().splitlines():
            model, *_, cost, _failed = line.split("\t")
            assert by_model[model] == cost, (model, by_model[model], cost)
        wanted = run(f"SELECT max({REQUEST}) FROM {ONCE}").decode().strip()
        one = f"SELECT SpanAttributes FROM scale.otel_traces WHERE {REQUEST} = '{wanted}'"
        found["one request, as a tree"] = (
            best(lambda: request_report(where, wanted, PRICER), times),
            best(lambda: run(one), times),
        )
        plain = once["by model"].replace(f"uniqExact({REQUEST}), ", "")
        plainly = best(lambda: run(plain), times)
        _say(f"  the engine's process {end()} MB at its peak")
    told.put((found, opening, plainly, peak_memory()))


def _asked(store: SpanTable) -> dict[str, Callable[[], object]]:
    tenant = Choice(conditions=("tenant=tenant-0",))
    return {
        "by model": lambda: rollup(store, "model"),
        "top 10 requests": lambda: rollup(store, "request", limit=10),
        "percentiles": lambda: distribution(store),
        "features of a tenant": lambda: rollup(store, "feature", tenant),
    }


def main() -> None:
    from benchmarks.scale import generate_leaves, show

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=10_000_000)
    parser.add_argument("--folder", type=Path, help="Where to work, with some 5 GB of room.")
    parser.add_argument("--times", type=int, default=1, help="Of which the best counts.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        leaves = Path(name) / "leaves.parquet"
        generate_leaves(leaves, options.calls)
        _say(f"{options.calls:,} calls made, {leaves.stat().st_size // 2**20} MB")
        told = multiprocessing.get_context("spawn").SimpleQueue()
        measured(leaves, told, options.times)
        show("ClickHouse's engine, over spans", told.get())


if __name__ == "__main__":
    sys.exit(main())
