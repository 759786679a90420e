"""Pricing in SQL: the same lines and gaps as in Python, digit for digit; misfits are refused."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentmeter.exceptions import MoneyError
from agentmeter.model import Call, Kind, Owner, Record, Usage
from agentmeter.model.money import plain
from agentmeter.pricing import GenAIPrices, PriceKey, Rate, Tariff
from agentmeter.pricing.tariff import Adjustment
from agentmeter.report.pricing import price_call
from agentmeter.store.pricing import load, scale_of

CONNECTION = duckdb.connect()
CALLS = """CREATE OR REPLACE TABLE calls (call_id INTEGER, meter VARCHAR, quantity BIGINT,
    at_ns BIGINT, total_input BIGINT, tariff VARCHAR, unpriced VARCHAR)"""
SECOND, DAY = 1_000_000_000, 86_400_000_000_000
KEY = PriceKey("acme", "m-1")


@dataclass(frozen=True)
class Priced:
    """What is made of calls: lines and gaps by call, and amounts by call."""

    lines: list[Any]
    gaps: list[Any]
    amounts: dict[int, str]


def in_sql(calls: list[Call], instants: list[int], tariffs: list[Tariff], **more: int) -> Priced:
    """Lines, gaps and amounts of the calls, from DuckDB."""
    CONNECTION.execute(CALLS)
    rows = [
        [number, meter, quantity, at, call.usage.total_input, call.tariff, call.unpriced]
        for number, (call, at) in enumerate(zip(calls, instants, strict=True))
        for meter, quantity in call.usage.items()
    ]
    if rows:
        CONNECTION.executemany("INSERT INTO calls VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    load(CONNECTION, tariffs, **more)
    lines = CONNECTION.sql(
        'SELECT call_id, meter, quantity, unit_price, amount, source, assumed, currency, "of" '
        "FROM lines"
    ).fetchall()
    sums = CONNECTION.sql("SELECT call_id, sum(amount) FROM lines GROUP BY ALL").fetchall()
    return Priced(
        sorted((*row[:3], plain(row[3]), plain(row[4]), *map(str, row[5:])) for row in lines),
        sorted(CONNECTION.sql("SELECT * FROM gaps").fetchall(), key=str),
        {call_id: plain(amount) for call_id, amount in sums},
    )


def in_python(calls: list[Call], instants: list[int], tariffs: list[Tariff]) -> Priced:
    """The same from the report's own pricing."""
    known = {tariff.digest: tariff for tariff in tariffs}
    lines, gaps, amounts = [], [], {}
    for number, (call, at) in enumerate(zip(calls, instants, strict=True)):
        record = Record("r", "s", None, Kind.CALL, "c", Owner(), at, at, call=call)
        cost = price_call(record, call.usage, known)
        lines += [
            (number, one.meter, one.quantity, plain(one.unit_price), plain(one.amount),
             one.source, str(one.assumed), cost.currency, str(one.of))
            for one in cost.lines
        ]  # fmt: skip
        gaps += [(number, gap.meter, gap.quantity, gap.reason) for gap in cost.gaps]
        if cost.lines:
            amounts[number] = plain(cost.amount)
    return Priced(sorted(lines), sorted(gaps, key=str), amounts)


INSTANTS = st.integers(0, 9 * DAY) | st.sampled_from([0, DAY, DAY - 1, 2 * DAY, DAY + SECOND])
METERS = st.sampled_from(
    ["input", "output", "cache_read", "request", "audio_second", "busy_millisecond", "acme.page"]
)
TOTALS = st.sampled_from([0, 1, 2, 128_000, 200_000])
SECONDS = st.integers(0, 86_399) | st.sampled_from([0, 1, 3600, 86_399])
ADJUSTMENTS = st.builds(
    Adjustment,
    st.sampled_from(["discount", "uplift"]),
    st.decimals(-1, 1, places=7),
    st.just("contract"),
    st.none() | st.just("note"),
)
RATES = st.builds(
    Rate,
    meter=METERS,
    price=st.decimals(0, 100, places=6) | st.decimals(0, 1, places=20),
    source=st.sampled_from(["list", "contract"]),
    from_ns=st.none() | INSTANTS,
    until_ns=st.none() | INSTANTS,
    window=st.none() | st.tuples(SECONDS, SECONDS),
    above=st.none() | TOTALS,
    minimum=st.none() | st.integers(0, 100),
    assumed=st.none() | st.just("supposed"),
    days=st.none() | st.lists(st.integers(1, 7), unique=True).map(sorted).map(tuple),
    places=st.none() | st.integers(0, 8),
    adjusted=st.lists(ADJUSTMENTS, max_size=2).map(tuple),
)
TARIFFS = st.builds(
    Tariff,
    st.just(KEY),
    st.sampled_from(["USD", "EUR"]),
    st.sampled_from(["1", "2"]),
    st.lists(RATES, max_size=6).map(tuple),
)
USED = METERS | st.sampled_from(["input_unsplit", "output_unsplit", "gpu_second"])
COUNTS = st.integers(0, 50) | st.integers(0, 2**40) | st.sampled_from([1, 128_000, 200_001])
USAGE = st.dictionaries(USED, COUNTS, max_size=5).map(Usage)


@settings(deadline=None)
@given(
    tariffs=st.lists(TARIFFS, min_size=1, max_size=3, unique_by=lambda one: one.digest),
    traffic=st.lists(st.tuples(USAGE, INSTANTS, st.integers(0, 4)), min_size=1, max_size=6),
)
def test_a_call_has_the_same_cost_in_sql_and_in_python(
    tariffs: list[Tariff], traffic: list[tuple[Usage, int, int]]
) -> None:
    """Whatever the rows, windows, steps, minimums and usage: every line, gap and sum is equal."""
    names = [*(tariff.digest for tariff in tariffs), "lost", None]
    calls = [Call(usage=usage, tariff=names[n % len(names)]) for usage, _, n in traffic]
    instants = [at for _, at, _ in traffic]
    made = in_sql(calls, instants, tariffs, largest=2**41)
    assert made == in_python(calls, instants, tariffs)


REAL = [("deepseek", "deepseek-v4-flash"), ("google", "gemini-2.5-pro"), ("openai", "gpt-5")]


@settings(deadline=None, max_examples=50)
@given(
    traffic=st.lists(
        st.tuples(USAGE, st.integers(1_600_000_000, 1_900_000_000), st.integers(0, 2)), min_size=1
    )
)
def test_so_it_is_by_the_catalog(traffic: list[tuple[Usage, int, int]]) -> None:
    """Windows, steps and history of real models."""
    tariffs = [GenAIPrices().tariff(PriceKey(*name)) for name in REAL]
    known = [tariff for tariff in tariffs if isinstance(tariff, Tariff)]
    calls = [Call(usage=usage, tariff=known[n].digest) for usage, _, n in traffic]
    instants = [at * SECOND for _, at, _ in traffic]
    made = in_sql(calls, instants, known, largest=2**41)
    assert made == in_python(calls, instants, known)


def row(price: str, **more: Any) -> Rate:
    """A row of input at a price."""
    return Rate(meter="input", price=Decimal(price), source="list", **more)


def test_the_cell_of_a_call_is_found_to_the_nanosecond_second_and_token() -> None:
    """Bounds are where Python has them: until excluded, steps strictly above, windows wrapping."""
    rates = (
        row("1", until_ns=DAY),
        row("2", from_ns=DAY),
        row("3", from_ns=DAY, above=200_000),
        row("4", window=(82_800, 3600)),
    )
    tariff = Tariff(KEY, "USD", "1", rates)
    noon = DAY + 43_200 * SECOND
    wanted = [
        (43_200 * SECOND, 10, "10"),
        (DAY - 1, 10, "40"),
        (DAY, 10, "40"),
        (DAY + 3600 * SECOND - 1, 10, "40"),
        (DAY + 3600 * SECOND, 10, "20"),
        (noon, 200_000, "400000"),
        (noon, 200_001, "600003"),
    ]
    calls = [Call(usage=Usage(input=n), tariff=tariff.digest) for _, n, _ in wanted]
    made = in_sql(calls, [at for at, _, _ in wanted], [tariff])
    assert made.amounts == dict(enumerate(amount for _, _, amount in wanted))


def test_a_rate_of_thirty_decimals_is_exact() -> None:
    """The scale is what the finest rate needs, and the product keeps every digit."""
    tariff = Tariff(KEY, "USD", "1", (row("0.000000123456789012345678901234"),))
    made = in_sql([Call(usage=Usage(input=999_999_999), tariff=tariff.digest)], [0], [tariff])
    assert scale_of([tariff]) == 30
    # 123.456789012345678901234 - 0.000000123456789012345678901234
    assert made.amounts == {0: "123.456788888888889888888321098766"}


def test_a_rate_that_does_not_fit_is_refused_with_its_name() -> None:
    """Nothing is rounded to make it fit, and the message says which two rates do not go together."""
    fine = Tariff(PriceKey("acme", "fine"), "USD", "1", (row("1E-30"),))
    dear = Tariff(PriceKey("acme", "dear"), "USD", "1", (row("100"),))
    load(CONNECTION, [dear])
    with pytest.raises(MoneyError) as refused:
        load(CONNECTION, [fine, dear])
    assert str(refused.value) == (
        f"tariff {dear.digest} (dear), input: 1,000,000,000 units at 100 do not fit into 38 "
        f"digits with the 30 decimals that {fine.digest} (fine), input needs; load them apart, "
        "or price these calls in Python"
    )


def test_more_than_the_largest_quantity_is_an_error_and_not_a_wrong_amount() -> None:
    """DuckDB checks every product."""
    fine = Tariff(KEY, "USD", "1", (row("1E-29"),))
    dear = Tariff(KEY, "USD", "2", (row("0.9"),))
    calls = [Call(usage=Usage(input=2**62), tariff=dear.digest)]
    with pytest.raises(duckdb.OutOfRangeException):
        in_sql(calls, [0], [fine, dear])
