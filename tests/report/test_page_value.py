"""The page's value: every figure exact, nothing left out without being told."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmeter.model import Call, Entry, Evidence, Extent, Kind, Money, Owner, Record, Usage
from agentmeter.model.money import plain
from agentmeter.report.page.histogram import histogram
from agentmeter.report.page.percent import percent
from agentmeter.report.page.spending import BY
from agentmeter.report.page.value import page_value
from agentmeter.report.report import Report, build
from tests.property.strategies import traffic

HOUR = 3_600_000_000_000
DAY = 24 * HOUR
NOW = 20_000 * DAY + 12 * HOUR


def charged(*charges: tuple[str, int], currency: str = "USD", owner: Owner | None = None) -> Report:
    """A report of requests with one charge each: amount and instant."""
    entries: list[Entry] = []
    for number, (amount, at) in enumerate(charges):
        root, request = f"{2 * number:016x}", f"{currency}-{number}"
        call = Call(charge=Money(amount, currency), evidence={"request": Evidence()})  # type: ignore[arg-type]
        named = owner or Owner(feature=f"f-{number}")
        entries.append(Record(request, root, None, Kind.REQUEST, "r", named, at, at + 5))
        child = f"{2 * number + 1:016x}"
        entries.append(
            Record(request, child, root, Kind.CALL, "search", named, at, at + 5, call=call)
        )
    return build(entries, {})


def value(report: Report, now: int = NOW) -> dict[str, Any]:
    made: dict[str, Any] = page_value(report, now)["report"]
    return made


def test_today_is_compared_with_yesterday_by_this_time() -> None:
    """What yesterday brought later on is no part of the change, and stands beside it."""
    today = NOW - 12 * HOUR
    made = value(
        charged(
            ("0.5", today),
            ("0.25", NOW - 1),
            ("0.1", today - DAY),
            ("0.2", NOW - DAY - 1),
            ("4", NOW - DAY),
            ("9", today - DAY - 1),
        )
    )["today"]
    assert made["cost"] == "0.75"
    assert made["requests"] == 2
    assert made["yesterday"] == "4.3"
    assert made["yesterday_by_now"] == "0.3"
    assert (made["change"], made["change_percent"]) == ("0.45", "150.0")
    assert made["hours"] == ["0.5", *["0"] * 10, "0.25", *["0"] * 12]
    assert made["yesterday_hours"] == ["0.1", *["0"] * 10, "0.2", "4", *["0"] * 11]
    assert made["from"] == "2024-10-04T00:00:00+00:00"


def test_a_change_from_nothing_has_no_percent() -> None:
    """Nor does a part of nothing."""
    made = value(charged(("0.5", NOW)))["today"]
    assert (made["change"], made["change_percent"]) == ("0.5", None)
    assert percent(1, 0) is None
    assert percent(Decimal("-0.0305"), Decimal(1)) == "-3.0"


def test_what_is_not_priced_is_a_gap_and_never_zero() -> None:
    """By model, meter and reason, with how many requests it is in, and in no total."""
    entries: list[Entry] = []
    for number, usage in enumerate((Usage(input=3, output=1), Usage(input=4))):
        call = Call(
            provider="acme",
            model="m-1",
            usage=usage,
            evidence={"input": Evidence(), "output": Evidence(extent=Extent.UNKNOWN)},
            unpriced="unknown model 'm-1'",
        )
        root = f"{2 * number:016x}"
        entries.append(Record(f"q-{number}", root, None, Kind.REQUEST, "r", Owner(), NOW, NOW))
        child = f"{2 * number + 1:016x}"
        entries.append(
            Record(f"q-{number}", child, root, Kind.CALL, "m-1", Owner(), NOW, NOW, call=call)
        )
    made = value(build(entries, {}))
    assert made["total"]["lower_bound"] is True
    assert made["gaps"]["requests"] == 2
    assert made["gaps"]["requests_percent"] == "100.0"
    found = {(row["meter"], row["quantity"]) for row in made["gaps"]["rows"]}
    assert ("input", 7) in found
    (row,) = made["groups"]["model"]["rows"]
    assert (row["cost"], row["partial"]) == ("0", 2)
    assert made["today"]["partial"] == 2
    scopes = made["trees"]["by_id"]["q-0"]["scopes"]
    assert [(scope["partial"], scope["priced"]) for scope in scopes] == [(True, False)] * 2


def test_steps_fit_the_time_that_is_covered() -> None:
    """Seconds for a moment, hours for two days, weeks from Mondays on for a year."""
    for length, step, first in (
        (0, "second", "2024-10-04T12:00:00+00:00"),
        (10 * 60_000_000_000, "10 seconds", "2024-10-04T12:00:00+00:00"),
        (2 * DAY, "hour", "2024-10-04T12:00:00+00:00"),
        (60 * DAY, "day", "2024-10-04T00:00:00+00:00"),
        (365 * DAY, "week", "2024-09-30T00:00:00+00:00"),
    ):
        made = value(charged(("1", NOW), ("2", NOW + length)))
        assert (made["over_time"]["step"], made["over_time"]["from"][0]) == (step, first)
        assert len(made["over_time"]["from"]) <= 97


def test_groups_beyond_the_first_are_summed_and_counted() -> None:
    """Six have a series, the others one together; rows beyond a hundred are told."""
    made = value(charged(*((f"{n}.5", NOW) for n in range(120))))["groups"]["feature"]
    assert [row["key"] for row in made["rows"][:2]] == ["f-119", "f-118"]
    assert (len(made["rows"]), made["left_out"]) == (100, 20)
    assert made["left_out_cost"] == plain(Decimal(sum(range(20)) + 10))
    assert made["rest_keys"] == 114
    assert [len(made["series"]), made["rest"]] == [6, [made["rest_cost"]]]


def test_a_second_currency_stands_beside_the_first() -> None:
    """It is in no sum with it."""
    both = Report((*charged(("1.5", NOW)).requests, *charged(("9", NOW), currency="EUR").requests))
    made = value(both)
    assert made["currency"] == "USD"
    assert made["total"]["cost"]["other"] == [{"amount": "9", "currency": "EUR"}]
    at = made["requests"]["columns"].index("cost")
    assert [row[at : at + 2] for row in made["requests"]["rows"]] == [
        ["1.5", None],
        ["0", {"amount": "9", "currency": "EUR"}],
    ]


COSTS = st.lists(st.decimals(0, 10**6, places=9, allow_nan=False), max_size=60)


@given(COSTS)
def test_every_cost_is_in_one_bin(costs: list[Decimal]) -> None:
    """Bins meet, hold what is between their edges, and sum to the whole; ranks are real costs."""
    made = histogram(sorted(costs, reverse=True), "USD")
    bins = made["bins"]
    assert len(bins) < 40
    assert sum(one["requests"] for one in bins) + made["free"] == len(costs)
    assert sum((Decimal(one["cost"]) for one in bins), Decimal(0)) == sum(costs)
    for one in bins:
        low, high = Decimal(one["from"]), Decimal(one["until"])
        inside = [cost for cost in costs if low <= cost < high]
        assert (len(inside), sum(inside)) == (one["requests"], Decimal(one["cost"]))
    assert [one["from"] for one in bins[1:]] == [one["until"] for one in bins[:-1]]
    if costs:
        assert {Decimal(one) for one in made["percentiles"].values()} <= set(costs)
        assert Decimal(made["max"]) == max(costs)


def test_ranks_by_hand() -> None:
    """Of a hundred costs the 50th, 90th, 95th and 99th; the dearest one makes 100 of 5050."""
    made = histogram([Decimal(n) for n in range(100, 0, -1)], "USD")
    assert made["percentiles"] == {"p50": "50", "p90": "90", "p95": "95", "p99": "99"}
    assert made["dearest"][0] == {
        "percent": 1,
        "requests": 1,
        "cost": "100",
        "cost_percent": "2.0",
    }
    assert made["mean"] == "50.5"


@given(traffic())
def test_whatever_is_grouped_sums_to_the_total(
    made: tuple[list[Entry], dict[str, int], Decimal],
) -> None:
    """By every key, in all and over time; and the trees' direct costs sum to their requests'."""
    report = build(made[0], {})
    shown = value(report)
    whole = Decimal(shown["total"]["cost"]["amount"])
    for by in BY:
        group = shown["groups"][by]
        rows = [Decimal(row["cost"]) for row in group["rows"]]
        assert sum(rows) + Decimal(group["left_out_cost"]) == whole
        series = [*group["series"], *([group["rest"]] if group["rest"] else [])]
        assert sum((Decimal(cost) for one in series for cost in one), Decimal(0)) == whole
    for one in report.requests:
        scopes = shown["trees"]["by_id"][one.request_id]["scopes"]
        direct = sum((Decimal(scope["direct_cost"]["amount"]) for scope in scopes), Decimal(0))
        assert direct == one.amounts.get("USD", 0)
        assert all(scope.get("parent", -1) < index for index, scope in enumerate(scopes[1:], 1))


@pytest.mark.parametrize("at", [0, 2**62])
def test_a_clock_that_is_far_off_does_not_spoil_the_page(at: int) -> None:
    """One record of 1970 or of 2116 among today's."""
    made = value(charged(("1", NOW), ("2", at)))
    assert len(made["over_time"]["from"]) < 200
    assert made["today"]["cost"] == "1"
