"""The same calls as spans of the collector's table, on ClickHouse's engine in process (``chdb``).

The real client asks over loopback; beside each question stands one by hand over the same table, in
the two ways that there are: with each attribute as a column of its own, which is how one writes it,
and with the map read once. The table is filled by the engine itself, a span for each call and one
for each request.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
      FROM file('{{file}}', Parquet))
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
FROM file('{{file}}', Parquet) GROUP BY request_id
"""
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


def measured(leaves: Path, told: Any) -> None:
    """Fill the table, ask, and tell the seconds: ours and by hand."""
    from benchmarks.scale import PRICER, best, peak_memory, tariffs
    from tests.clickhouse.collector import exported
    from tests.clickhouse.front import Engine, Front

    from agentmeter.store.lines import line_of

    known = tariffs()
    with tempfile.TemporaryDirectory(dir=leaves.parent) as work:
        engine = Engine(Path(work))
        engine.create("scale")
        exported(engine, "scale.otel_traces", [line_of(tariff_fields(one)) for one in known])
        engine.run("SET max_partitions_per_insert_block = 10000")
        for sql in (CALLS, ROOTS):
            engine.run(sql.replace("{file}", str(leaves)))
        with Front(engine) as front:
            where = address(f"clickhouse://127.0.0.1:{front.port}/scale")
            before = time.perf_counter()
            with SpanTable(where, PRICER) as store:
                opening = time.perf_counter() - before
                assert not store.problems, store.problems
                tenant = Choice(conditions=("tenant=tenant-0",))
                asked: dict[str, Callable[[], object]] = {
                    "by model": lambda: rollup(store, "model"),
                    "top 10 requests": lambda: rollup(store, "request", limit=10),
                    "percentiles": lambda: distribution(store),
                    "features of a tenant": lambda: rollup(store, "feature", tenant),
                }
                bare, once = _bare(known), _bare(known, ONCE)
                found: dict[str, tuple[float, float]] = {}
                for name, run in asked.items():
                    found[name] = best(run, 2), best(lambda sql=bare[name]: engine.run(sql), 2)
                    mine = found[name][0]
                    again = best(lambda sql=once[name]: engine.run(sql), 2)
                    found[f"{name}, read once"] = mine, again
                by_model = {row.key: str(row.amounts["USD"].normalize())
                            for row in rollup(store, "model")}  # fmt: skip
                wanted = engine.run(f"SELECT max({REQUEST}) FROM {ONCE}").decode().strip()
            for line in engine.run(bare["by model"]).decode().splitlines():
                model, *_, cost, _failed = line.split("\t")
                assert by_model[model] == cost, (model, by_model[model], cost)
            one = f"SELECT SpanAttributes FROM scale.otel_traces WHERE {REQUEST} = '{wanted}'"
            found["one request, as a tree"] = (
                best(lambda: request_report(where, wanted, PRICER), 2),
                best(lambda: engine.run(one), 2),
            )
            plain = bare["by model"].replace(f"uniqExact({REQUEST}), ", "")
            plainly = best(lambda: engine.run(plain), 2)
    told.put((found, opening, plainly, peak_memory()))
