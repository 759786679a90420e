"""Traffic from a folder of Parquet: what a report over the same records makes of it."""

import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.property.overlaps import Overlaps, overlaps
from tests.store.folders import PRICER, compacted, journal
from tests.store.test_agreement import FOREIGN, folders, foreign_entries, told_of, work
from tests.store.test_foreign import document

import agentmeter as am
from agentmeter.cli.plans import recorded_in
from agentmeter.pricing.plans import Cycle, PlanBook, Traffic
from agentmeter.report.compare import Question, compare
from agentmeter.report.compare_document import comparison_document
from agentmeter.report.pricing import priced_now
from agentmeter.report.report import Report, build
from agentmeter.report.traffic import converted, traffic_of
from agentmeter.store.engine import Embedded
from agentmeter.store.reader import read
from agentmeter.store.traffic import traffic, unattributed
from agentmeter.testing import Kept

BOOK = PlanBook.from_text("""
[exchange]
EUR = "1.0837"

[[plan]]
name = "pro"
share_fees_by = "cost"
[[plan.fee]]
amount = 20
[[plan.charge]]
for = "requests"
allowance = 1
price = "0.04"
feature = "ch*"
[[plan.charge]]
for = "outcomes"
price = "0.013"
[[plan.charge]]
for = "cost"
markup = 7

[[plan]]
name = "tokens"
account = "tenant"
period = "day"
[[plan.charge]]
for = "tokens"
model = "gpt-5*"
input = "2.50"
cached = "0.25"
output = 15
[[plan.charge]]
for = "credits"
steps = [{up_to = 3, price = "0.02"}, {price = "0.015"}]
tag = { team = "b*" }
[[plan.charge.weight]]
model = "serpapi*"
request = "0.5"
[[plan.charge.weight]]
per = 1_000
tokens = "0.1"

[[plan]]
name = "euros"
currency = "EUR"
[[plan.charge]]
for = "cost"
markup = 20
""")


def compared(made: Traffic, lost: Decimal, cycle: Cycle = Cycle.ALL) -> bytes:
    question = Question(cycle=cycle, unattributed=lost)
    return orjson.dumps(comparison_document(compare(made, BOOK, random.Random(3), question)))


def in_process(report: Report) -> tuple[Traffic, Decimal]:
    outside = report.unattributed
    lost = converted(outside.amounts if outside else {}, BOOK.rate)
    return traffic_of(report, BOOK.currency, BOOK.rate), lost


def in_sql(folder: Path) -> tuple[Traffic, Decimal]:
    with Embedded(folder, PRICER) as store:
        assert store.refused == []
        return traffic(store, BOOK.currency, BOOK.rate), unattributed(store, BOOK.rate)


def test_a_comparison_is_the_same_from_parquet_and_from_a_report(
    meter: Kept, tmp_path: Path
) -> None:
    """Waste, failures, charges, two currencies, shares, foreign spans, parts that came late."""
    work()
    with am.request(user="u-own"), am.call(provider="acme", model="gpt-5") as call:
        call.record(am.Usage({"acme.page": 3, "input": 5}))
    with am.request(user="u-idle", tenant="t-1", plan="pro"):
        pass
    entries = [*meter.entries, *told_of(meter.entries)]
    foreign = document(*FOREIGN).encode() + b"\n"
    known, tariffs = priced_now([*entries, *foreign_entries()], meter.tariffs, PRICER)
    made, lost = in_process(build(known, tariffs))
    assert len(made) == 12
    assert lost > 0
    assert 0 < sum(made.columns.complete) < 12
    for name, folder in folders(tmp_path, entries, meter.tariffs, foreign):
        found, outside = in_sql(folder)
        assert list(found.requests) == made.requests, name
        for cycle in Cycle:
            assert compared(found, outside, cycle) == compared(made, lost, cycle), name


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(made=overlaps(), cut=st.integers(0, 20), order=st.randoms())
def test_any_traffic_compares_the_same(
    made: Overlaps, cut: int, order: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Random observers and parts, scopes missing, entangled or not."""
    folder = tmp_path_factory.mktemp("f")
    records = list(made.records)
    order.shuffle(records)
    records = records[: len(records) - len(records) // 6]
    expected, lost = in_process(build(*priced_now(records, {}, PRICER)))
    journal(folder, records[:cut])
    compacted(folder)
    journal(folder, records[cut:])
    for _ in range(2):
        found, outside = in_sql(folder)
        assert list(found.requests) == expected.requests
        assert compared(found, outside) == compared(expected, lost)
        compacted(folder)
    again, outside = in_process(build(*priced_now(read(folder).entries, {}, PRICER)))
    assert compared(again, outside) == compared(expected, lost)


def test_leaves_of_an_earlier_version_are_made_again(meter: Kept, tmp_path: Path) -> None:
    """Parquet without the columns that traffic is made of costs time, and changes no figure."""
    work()
    journal(tmp_path, meter.entries, meter.tariffs)
    compacted(tmp_path)
    made, lost = in_process(meter.report())
    (file,) = tmp_path.glob("*.leaves.parquet")
    kept = f"SELECT * EXCLUDE (priced_model, charge, lower_bound) FROM '{file}'"
    duckdb.sql(kept).to_table("before")
    duckdb.sql("SELECT * FROM before").write_parquet(str(file))
    with Embedded(tmp_path, PRICER) as store:
        assert [one.partition("; ")[2] for one in store.problems] == [
            "resolved again from its entries"
        ]
        found = traffic(store, BOOK.currency, BOOK.rate)
    assert compared(found, lost) == compared(made, lost)


def test_what_sql_does_not_hold_is_added_up_in_python(meter: Kept, tmp_path: Path) -> None:
    """An amount of twenty decimals: the comparison has it, to the last of them."""
    with am.request(user="u-1"):
        am.charge("data.feed", usd="0.00000000000000000003")
    with am.request(user="u-2"):
        am.charge("data.feed", usd="0.0000000000000003")
    journal(tmp_path / "records", meter.entries, meter.tariffs)
    compacted(tmp_path / "records")
    found, lost = recorded_in(tmp_path / "records", BOOK)
    assert found.cost == Decimal("0.00000000000000030003")
    assert lost == 0
    assert compared(found, lost) == compared(*in_process(meter.report()))


def test_amounts_finer_than_twelve_decimals_and_large_ones_are_exact(
    meter: Kept, tmp_path: Path
) -> None:
    """Fifteen decimals, a rate beside them, and more than 64 bits hold."""
    for number, amount in enumerate(("0.000000000000003", "12345678901234567.5", "7")):
        with am.request(user=f"u-{number}"):
            am.charge("data.feed", amount=amount, currency="EUR")
            am.charge("data.feed", usd="0.01")
    journal(tmp_path, meter.entries, meter.tariffs)
    compacted(tmp_path)
    made, lost = in_process(meter.report())
    found, _ = in_sql(tmp_path)
    assert found.places == made.places == 19
    assert list(found.requests) == made.requests
    assert compared(found, lost) == compared(made, lost)
