"""The Grafana dashboard: every query of it on ClickHouse's engine, equal to the report's figures."""

import json
import re
from collections.abc import Iterator
from decimal import Decimal

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import format_span_id, format_trace_id

pytest.importorskip("chdb", reason="python -m tests.clickhouse.run makes an environment for it")

import agentmeter as am
from agentmeter.model.money import plain
from agentmeter.render.grafana import Columns, queries
from agentmeter.report.breakdown import breakdown
from agentmeter.report.rank import nearest_rank
from agentmeter.report.report import Report
from agentmeter.runtime import spans
from agentmeter.semconv.fields import SpanFields
from agentmeter.store.lines import line_of
from agentmeter.testing import metered
from tests.clickhouse.collector import exported
from tests.clickhouse.front import Engine

MACROS = (
    (r"\$__timeFilter\((\w+)\)", r"\1 >= toDateTime(1700000000) AND \1 <= toDateTime(1900000000)"),
    (r"\$__timeInterval\((\w+)\)", r"toStartOfInterval(toDateTime(\1), INTERVAL 3600 second)"),
    (r"\$\{database\}", "grafana"),
    (r"\$\{currency\}", "USD"),
)
Rows = list[dict[str, str]]
Answers = dict[str, Rows]


def call(
    usage: am.Usage | None, model: str = "gpt-5", error: type[BaseException] | None = None
) -> None:
    try:
        with am.call(provider="openai", model=model) as one:
            if usage is not None:
                one.record(usage)
            if error is not None:
                raise error
    except BaseException as raised:
        if type(raised) is not error:
            raise


def work() -> None:
    """Requests of all sorts: failures, models without a price, calls in calls, charges, nothing."""
    for number in range(25):
        with am.request("ask", user=f"u-{number % 3}", tenant=f"t-{number % 4}",
                        feature="chat" if number % 2 else "research"):  # fmt: skip
            for turn in range(number % 5):
                call(am.Usage(input=1000 * turn + number, cache_read=512, output=70 + turn))
            if number % 6 == 1:
                call(am.Usage(input=900, output=5), error=ValueError)
            if number % 6 == 2:
                call(am.Usage(input=7), "nobody-knows-1")
            if number % 6 == 3:
                with am.call(provider="openai", model="gpt-5-mini") as outer:
                    call(am.Usage(input=300, output=30), "gpt-5-mini")
                    outer.record(am.Usage(input=300, output=30))
            if number % 6 == 4:
                am.charge("search", usd="0.00000125")
                am.charge("feed", amount="0.25", currency="EUR")
    call(am.Usage(input=55, output=5))
    tight = am.request("tight", tenant="t-9", budget=am.Budget(usd="0.000001"))
    with tight, pytest.raises(am.BudgetExceeded):
        am.charge("x", usd="1")


def told(span: ReadableSpan) -> bytes:
    """A span as an application's exporter sends it."""
    assert span.context is not None
    assert span.start_time is not None
    assert span.end_time is not None
    fields = SpanFields(
        span.name,
        format_trace_id(span.context.trace_id),
        format_span_id(span.context.span_id),
        format_span_id(span.parent.span_id) if span.parent else None,
        span.start_time,
        span.end_time,
        dict(span.attributes or {}),  # type: ignore[arg-type]
    )
    return line_of(fields)


def answered(engine: Engine, found: tuple[ReadableSpan, ...], columns: Columns) -> Answers:
    table = "otel_traces" if columns == "map" else "otel_traces_json"
    engine.create("grafana", table)
    exported(engine, f"grafana.{table}", map(told, (*found, *found[:20])))  # some delivered twice
    return {title: rows_of(engine, filled(sql, table)) for title, sql in queries(columns).items()}


def filled(sql: str, table: str) -> str:
    for macro, text in (*MACROS, (r"\$\{table\}", table)):
        sql = re.sub(macro, text, sql)
    return sql


def rows_of(engine: Engine, sql: str) -> Rows:
    answer = json.loads(engine.run(sql, form="JSONCompactStrings"))
    names = [column["name"] for column in answer["meta"]]
    return [dict(zip(names, row, strict=True)) for row in answer["data"]]


@pytest.fixture(scope="module", params=["map", "json"])
def seen(request: pytest.FixtureRequest, engine: Engine) -> Iterator[tuple[Report, Answers]]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with pytest.MonkeyPatch.context() as patch, metered(spans=True) as kept:
        patch.setattr(trace, "get_tracer_provider", lambda: provider)
        patch.setattr(spans, "_current", None)
        work()
        yield kept.report(), answered(engine, exporter.get_finished_spans(), request.param)


def usd(text: str) -> str:
    return plain(Decimal(text))


def dollars(report: Report) -> Decimal:
    return report.amounts["USD"]


def test_the_sum_of_all_is_the_reports(seen: tuple[Report, Answers]) -> None:
    """To the last decimal, with spans delivered twice, and another currency left out."""
    report, answers = seen
    (row,) = answers["In all"]
    assert usd(row["cost"]) == plain(dollars(report))
    assert int(row["requests"]) == len(report.requests)
    waste = breakdown(report, "waste")
    lost = sum((one.waste.get("USD", Decimal(0)) for one in waste), Decimal(0))
    assert lost > 0
    assert usd(row["failed, cancelled or cut"]) == plain(lost)
    calls = sum(one.calls for one in breakdown(report, "day"))
    unpriced = sum(len(one.missing) for one in report.requests)
    assert float(row["calls without a price"]) == unpriced / calls


@pytest.mark.parametrize("key", ["model", "feature", "tenant"])
def test_sums_by_key_are_the_reports(key: str, seen: tuple[Report, Answers]) -> None:
    """Rows with requests, calls and cost; over time they sum to the same."""
    report, answers = seen
    expected = {
        row.key: plain(row.amounts["USD"]) for row in breakdown(report, key) if "USD" in row.amounts
    }
    rows = {row[key]: row for row in answers[f"By {key}"]}
    found = {name: usd(row["cost"]) for name, row in rows.items() if Decimal(row["cost"])}
    series: dict[str, Decimal] = {}
    for row in answers[f"Cost over time, by {key}"]:
        series[row["series"]] = series.get(row["series"], Decimal(0)) + Decimal(row["cost"])
    # a charge has no model on its span; the report names it
    if key == "model":
        charges = Decimal(expected.pop("search"))
        assert Decimal(found.pop("-")) == charges == series.pop("-")
    assert found == expected
    assert {name: plain(cost) for name, cost in series.items() if cost} == expected
    if key != "model":
        assert {name: int(row["requests"]) for name, row in rows.items() if name in expected} == {
            row.key: row.requests for row in breakdown(report, key) if row.key in expected
        }


def test_the_distribution_is_by_nearest_rank(seen: tuple[Report, Answers]) -> None:
    """From the median to one in a thousand, over all requests, those that cost nothing as well."""
    report, answers = seen
    costs = sorted(one.amounts.get("USD", Decimal(0)) for one in report.requests)
    wanted = {
        "p50": 500,
        "p75": 750,
        "p90": 900,
        "p95": 950,
        "p99": 990,
        "p99.9": 999,
        "p100": 1000,
    }
    assert {
        row["percentile"]: usd(row["cost of a request"]) for row in answers["What a request costs"]
    } == {
        name: plain(costs[-(-permille * len(costs) // 1000) - 1])
        for name, permille in wanted.items()
    }
    assert plain(nearest_rank(costs, 50)) == usd(
        answers["What a request costs"][0]["cost of a request"]
    )


def test_the_dearest_requests_are_the_reports(seen: tuple[Report, Answers]) -> None:
    """In the same order, with the same cost, and whose they are."""
    report, answers = seen
    expected = [
        (row.key, plain(row.amounts.get("USD", Decimal(0))), row.calls)
        for row in breakdown(report, "request") if row.key != "unattributed"
    ]  # fmt: skip
    expected.sort(key=lambda one: (-Decimal(one[1]), one[0]))
    found = [
        (row["request"], usd(row["cost"]), int(row["calls"]))
        for row in answers["The dearest requests"]
    ]
    assert found[:10] == expected[:10]
    owners = {one.request_id: one.view.owner for one in report.requests}
    assert all(
        owners[row["request"]].tenant == row["tenant"] for row in answers["The dearest requests"]
    )


def test_waste_and_what_has_no_price(seen: tuple[Report, Answers]) -> None:
    """What failed, by why; and each model's calls that are in no cost."""
    report, answers = seen
    assert {row["what was lost"]: usd(row["cost"]) for row in answers["Waste"]} == {
        row.key: plain(row.waste["USD"]) for row in breakdown(report, "waste") if row.waste
    }
    gaps = [one for request in report.requests for one in request.missing]
    (row,) = answers["Without a price"]
    assert (row["model"], int(row["without a price"])) == ("nobody-knows-1", len(gaps))
