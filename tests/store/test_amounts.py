"""Amounts in one join of SQL: those of Python, digit for digit, and what is left to it."""

from decimal import Decimal
from typing import Any

import duckdb
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.store.test_pricing_sql import (
    DAY,
    INSTANTS,
    KEY,
    REAL,
    SECOND,
    TARIFFS,
    USAGE,
    row,
)
from tests.store.test_pricing_sql import METERS as METER_NAMES

from agentmeter.model import METERS, Call, Kind, Owner, Record, Usage
from agentmeter.model.money import plain
from agentmeter.pricing import GenAIPrices, PriceKey, Rate, Tariff
from agentmeter.report.pricing import price_call
from agentmeter.store.amounts import load_amounts

CONNECTION = duckdb.connect()
COLUMNS = {
    "number": "BIGINT",
    "started_ns": "BIGINT",
    "total_input": "BIGINT",
    "tariff": "VARCHAR",
    "own_usage": "MAP(VARCHAR, BIGINT)",
    **{f"m_{meter}": "BIGINT" for meter in METERS},
}
Amount = tuple[int, str, bool]


def empty() -> None:
    """Have leaves, and none in them."""
    shape = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
    CONNECTION.execute(f"CREATE OR REPLACE TABLE leaves ({shape})")


def load_left(tariffs: list[Tariff]) -> list[str]:
    """The digests of tariffs that are left to Python."""
    empty()
    return load_amounts(CONNECTION, tariffs, ())


def in_sql(calls: list[Call], instants: list[int], tariffs: list[Tariff]) -> list[Amount]:
    """The amount of each call and whether it is partial, from DuckDB."""
    empty()
    for number, (call, at) in enumerate(zip(calls, instants, strict=True)):
        own = {meter: n for meter, n in call.usage.items() if meter not in METERS} or None
        told: dict[str, Any] = {
            "number": number, "started_ns": at, "total_input": call.usage.total_input,
            "tariff": call.tariff, "own_usage": own,
            **{f"m_{meter}": n for meter, n in call.usage.items() if meter in METERS},
        }  # fmt: skip
        marks = ", ".join("?" * len(told))
        names = ", ".join(told)
        CONNECTION.execute(f"INSERT INTO leaves ({names}) VALUES ({marks})", list(told.values()))
    used = {meter for call in calls for meter in call.usage if meter in METERS}
    left = load_amounts(CONNECTION, tariffs, sorted(used))
    found = CONNECTION.execute("SELECT number, amount, amount_partial, tariff FROM amounts")
    return sorted(
        (number, plain(amount), partial)
        for number, amount, partial, tariff in found.fetchall()
        if tariff not in left
    )


def in_python(calls: list[Call], instants: list[int], tariffs: list[Tariff]) -> list[Amount]:
    """The same from the report's own pricing; meters of one's own are not in the amount."""
    known = {tariff.digest: tariff for tariff in tariffs}
    made = []
    for number, (call, at) in enumerate(zip(calls, instants, strict=True)):
        record = Record("r", "s", None, Kind.CALL, "c", Owner(), at, at, call=call)
        cost = price_call(record, call.usage, known)
        lines = [one.amount for one in cost.lines if one.billed in METERS]
        partial = bool(cost.gaps) or any(meter not in METERS for meter in call.usage)
        made.append((number, plain(sum(lines, Decimal(0))), partial))
    return made


def of(traffic: list[tuple[Usage, int, int]], names: list[str | None]) -> list[Call]:
    """Calls of such usage, by the tariffs of these names."""
    return [Call(usage=usage, tariff=names[n % len(names)]) for usage, _, n in traffic]


PLAIN = st.builds(
    Tariff,
    st.just(KEY),
    st.sampled_from(["USD", "EUR"]),
    st.just("1"),
    st.lists(st.builds(Rate, meter=METER_NAMES, price=st.decimals(0, 9, places=6),
                       source=st.just("list"), from_ns=st.none() | INSTANTS,
                       above=st.none() | st.sampled_from([0, 128_000]),
                       minimum=st.none() | st.integers(0, 100)), max_size=5).map(tuple),
)  # fmt: skip
TRAFFIC = st.lists(st.tuples(USAGE, INSTANTS, st.integers(0, 4)), min_size=1, max_size=6)


@settings(deadline=None, max_examples=60)
@given(
    tariffs=st.lists(TARIFFS | PLAIN, min_size=1, max_size=3, unique_by=lambda one: one.digest),
    traffic=TRAFFIC,
)
def test_a_call_costs_in_one_join_what_it_costs_in_python(
    tariffs: list[Tariff], traffic: list[tuple[Usage, int, int]]
) -> None:
    """Whatever the rows, windows, steps, minimums and usage, of all tariffs that are taken."""
    calls = of(traffic, [*(tariff.digest for tariff in tariffs), "lost", None])
    instants = [at for _, at, _ in traffic]
    left = load_left(tariffs)
    wanted = [
        one for one in in_python(calls, instants, tariffs) if calls[one[0]].tariff not in left
    ]
    assert in_sql(calls, instants, tariffs) == wanted


@settings(deadline=None, max_examples=40)
@given(
    traffic=st.lists(
        st.tuples(USAGE, st.integers(1_600_000_000, 1_900_000_000), st.integers(0, 2)), min_size=1
    )
)
def test_so_it_is_by_the_catalog(traffic: list[tuple[Usage, int, int]]) -> None:
    """Windows, steps and history of real models, none of which is left to Python."""
    found = [GenAIPrices().tariff(PriceKey(*name)) for name in REAL]
    tariffs = [one for one in found if isinstance(one, Tariff)]
    calls = of(traffic, [one.digest for one in tariffs])
    instants = [at * SECOND for _, at, _ in traffic]
    assert load_left(tariffs) == []
    assert in_sql(calls, instants, tariffs) == in_python(calls, instants, tariffs)


def test_the_row_of_a_call_is_found_to_the_nanosecond_second_and_token() -> None:
    """Until is excluded, steps are strictly above, and windows wrap around midnight."""
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
        (DAY + 3600 * SECOND - 1, 10, "40"),
        (DAY + 3600 * SECOND, 10, "20"),
        (noon, 200_000, "400000"),
        (noon, 200_001, "600003"),
    ]
    calls = [Call(usage=Usage(input=n), tariff=tariff.digest) for _, n, _ in wanted]
    found = in_sql(calls, [at for at, _, _ in wanted], [tariff])
    assert found == [(n, amount, False) for n, (_, _, amount) in enumerate(wanted)]


def test_what_rounds_or_is_too_fine_is_left_to_python() -> None:
    """It is named, its calls are partial with nothing in the amount, and the others are priced."""
    fine = Tariff(KEY, "USD", "1", (row("1E-19"),))
    rounded = Tariff(KEY, "USD", "2", (row("0.5", places=2),))
    good = Tariff(KEY, "USD", "3", (row("1E-18"),))
    tariffs = [fine, rounded, good]
    calls = [Call(usage=Usage(input=3), tariff=one.digest) for one in tariffs]
    assert load_left(tariffs) == [fine.digest, rounded.digest]
    assert in_sql(calls, [0, 0, 0], tariffs) == [(2, "0.000000000000000003", False)]
    left = CONNECTION.execute("SELECT amount, amount_partial FROM amounts WHERE number < 2")
    assert left.fetchall() == [(Decimal(0), True)] * 2
