"""Requests and leaves as CSV."""

import csv
import io
from decimal import Decimal

from hypothesis import given
from tests.property.strategies import traffic

import agentmeter as am
from agentmeter.model import Entry
from agentmeter.render.csv import csv_lines
from agentmeter.report.flat import Table, leaf_table, request_table
from agentmeter.report.report import build
from agentmeter.testing import metered


def read(table: Table) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO("".join(csv_lines(table)), newline="")))


def test_leaves_and_requests_by_hand() -> None:
    """Every column of a small request, its unpriced call with an empty cost."""
    with (
        metered() as meter,
        am.request("ask", user="u-1", tags={"b": "2", "a": "1"}),
        am.agent("x"),
    ):
        with am.tool("look up"):
            am.charge("search", usd="0.005")
        with am.call(provider="acme", model="m-1") as call:
            call.record(am.Usage(input=7))
    (request,) = read(request_table(meter.report()))
    assert request == {
        "request_id": "00000000000000000000000000000002",
        "parent_request_id": "",
        "name": "ask",
        "started_at": request["started_at"],
        "duration_ms": request["duration_ms"],
        "status": "ok",
        "user": "u-1",
        "tenant": "",
        "feature": "",
        "plan": "",
        "tags": "a=1; b=2",
        "calls": "2",
        "attempts": "2",
        "tokens": "7",
        "cost": "0.005",
        "currency": "USD",
        "other_costs": "",
        "waste": "0",
        "allocated": "0",
        "lower_bound": "true",
        "unpriced": "1",
        "evidence": "charged=1; reported=1",
        "usage.input": "7",
    }
    search, unknown = read(leaf_table(meter.report()))
    assert (search["name"], search["agent"], search["tool"]) == ("search", "x", "look up")
    assert (search["cost"], unknown["cost"]) == ("0.005", "")
    assert unknown["unpriced"].startswith("input: ")
    assert (unknown["model"], unknown["usage.input"]) == ("m-1", "7")


def test_a_name_is_no_formula_and_breaks_no_line() -> None:
    """Quotes, line ends and what a spreadsheet would reckon with."""
    names = ("=HYPERLINK(1)", "+1", "-1", "@sum", "a,b", 'say "so"', "two\nlines", "\tx")
    table = Table(("name", "cost"), tuple((name, "-0.5") for name in names))
    rows = read(table)
    assert [row["name"] for row in rows] == [
        "'=HYPERLINK(1)",
        "'+1",
        "'-1",
        "'@sum",
        "a,b",
        'say "so"',
        "two\nlines",
        "'\tx",
    ]
    assert {row["cost"] for row in rows} == {"-0.5"}


@given(traffic())
def test_rows_sum_to_the_report(made: tuple[list[Entry], dict[str, int], Decimal]) -> None:
    """Both tables hold the whole cost and the whole usage, once."""
    report = build(made[0], {})
    for table in (request_table(report), leaf_table(report)):
        rows = read(table)
        cost = sum((Decimal(row["cost"] or 0) for row in rows), Decimal(0))
        assert cost == report.amounts.get("USD", 0)
        for meter, quantity in report.usage.items():
            assert sum(int(row[f"usage.{meter}"] or 0) for row in rows) == quantity
