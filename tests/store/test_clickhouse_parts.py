"""What of the reports over ClickHouse needs no engine: addresses, layouts, rates, bound values."""

import pytest
from tests.store.folders import PRICER

from agentmeter.exceptions import ConfigurationError, SourceError
from agentmeter.model import Call
from agentmeter.pricing import PriceKey, Tariff
from agentmeter.pricing.keys import key_of
from agentmeter.semconv import names
from agentmeter.store.clickhouse.address import Address, address, is_address
from agentmeter.store.clickhouse.layout import COLUMNS, described, from_json, from_map
from agentmeter.store.clickhouse.prices import rate_table
from agentmeter.store.clickhouse.server import bound


def test_an_address_has_defaults_and_keeps_its_password_to_itself() -> None:
    """Every part may be left out but the host; what is shown has no password in it."""
    assert address("clickhouse://h") == Address("h", 8123)
    full = address("clickhouses://me:p%40ss@h:9443/otel?table=spans")
    assert full == Address("h", 9443, "me", "p@ss", "otel", "spans", True)
    assert str(full) == "clickhouses://me@h:9443/otel?table=spans"
    assert "p@ss" not in repr(full)
    assert full.relation == "`otel`.`spans`"
    assert is_address("clickhouse://h")
    assert not is_address(".agentmeter")


@pytest.mark.parametrize("text", ["clickhouse://", "clickhouse://h:x/", "clickhouse://h?tabel=a"])
def test_what_is_no_address_is_said(text: str) -> None:
    """A missing host, a port that is none and an option that is not known."""
    with pytest.raises(ConfigurationError, match="clickhouse://user@host:8123/database"):
        address(text)


@pytest.mark.parametrize(
    "text",
    ["clickhouse://me:sEcret@h:x/", "clickhouse://me:sEcret/1@h/", "clickhouse://me:sEc@ret@h?a=b"],
)
def test_no_error_of_an_address_repeats_its_password(text: str) -> None:
    """Commands print it, and CI keeps what is printed."""
    with pytest.raises(ConfigurationError, match="'clickhouse://me@h") as refused:
        address(text)
    assert "ret" not in str(refused.value)


def test_text_in_a_map_becomes_what_it_was() -> None:
    """Numbers, switches and lists by their names; a tag or an id that looks like one stays text."""
    told = {
        names.USAGE + "input": "12",
        names.CALLS: "3",
        names.LATE: "true",
        names.SHARES: '["2:a","1:b"]',
        names.ATTEMPTS: '{"values":[{"stringValue":"1|2|||"}]}',
        names.TAG + "token": "7",
        names.USER: "42",
        "gen_ai.usage.input_tokens": "9",
        "llm.token_count.prompt": "8",
        "gen_ai.response.id": "1234",
    }
    assert from_map(told) == {
        names.USAGE + "input": 12,
        names.CALLS: 3,
        names.LATE: True,
        names.SHARES: ("2:a", "1:b"),
        names.ATTEMPTS: ("1|2|||",),
        names.TAG + "token": "7",
        names.USER: "42",
        "gen_ai.usage.input_tokens": 9,
        "llm.token_count.prompt": 8,
        "gen_ai.response.id": "1234",
    }


def test_an_object_is_flat_again() -> None:
    """A name may be that of a value and the beginning of another's."""
    text = (
        '{"agentmeter":{"discarded":true,"discarded":{"reason":"x"},"usage":{"acme":{"page":3}}}}'
    )
    assert from_json(text) == {
        "agentmeter.discarded": True,
        "agentmeter.discarded.reason": "x",
        "agentmeter.usage.acme.page": 3,
    }


class Describing:
    """A server that knows one table."""

    def __init__(self, columns: dict[str, str]) -> None:
        self.columns = columns

    def rows(self, sql: str, values: object = None, told: object = None) -> list[tuple[str, str]]:
        return list(self.columns.items())


def test_a_layout_is_told_by_its_columns() -> None:
    """Map and JSON are known by the type of the attributes; anything else is refused."""
    plain = dict.fromkeys(COLUMNS, "String")
    where = Address("h", 1)
    layouts = [
        described(Describing({**plain, "SpanAttributes": kind}), where)  # type: ignore[arg-type]
        for kind in ("Map(LowCardinality(String), String)", "JSON(max_dynamic_paths=256)")
    ]
    assert [one.text("a.b'c") for one in layouts] == [
        "SpanAttributes['a.b\\'c']",
        "CAST(SpanAttributes.`a.b'c` AS String)",
    ]
    with pytest.raises(SourceError, match="SpanAttributes is String"):
        described(Describing(plain), where)  # type: ignore[arg-type]


def test_values_are_bound_by_their_types() -> None:
    """``$name`` becomes what the server binds; what is no value stays."""
    assert bound("a > $v0 AND b = $v1 AND $c", {"v0": 1, "v1": "x"}) == (
        "a > {v0:Int64} AND b = {v1:String} AND $c"
    )


def test_the_cells_of_a_tariff_cover_everything_once() -> None:
    """At any total input exactly one row of a tariff with steps holds, with the price of Python."""
    tariff = PRICER.tariff(key_of(Call("google", "gemini-2.5-pro")))
    assert isinstance(tariff, Tariff)
    told, refused = rate_table([tariff], ["input"])
    assert refused == []
    at = 1_780_000_000_000_000_000
    for total in (1, 200_000, 200_001, 10**6):
        (row,) = [
            row
            for row in told.rows
            if row["from_total"] <= total < row["until_total"]
            and row["from_ns"] <= at < row["until_ns"]
        ]
        price = tariff.quote(at, total).rates["input"].price
        assert row["price input"] == f"{price:f}"
    assert PriceKey("google", "gemini-2.5-pro").provider == "google"
