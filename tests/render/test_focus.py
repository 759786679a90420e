"""FOCUS rows: exact values, nothing invented for what has no price, and both file formats."""

import csv
import io
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from tests.render.focus_sample import ONE, TARIFF, sample

from agentmeter.exceptions import MoneyError
from agentmeter.model import METERS
from agentmeter.render.focus import csv_lines, write_parquet
from agentmeter.report.focus import COLUMNS, UNITS, focus_rows, left_out

ROWS = list(focus_rows(sample()))
TAGS = (
    '{"agentmeter:feature": "chat", "agentmeter:request_id": "' + ONE + '", '
    '"agentmeter:tenant": "acme", "agentmeter:user": "u-1", "team": "blue"}'
)


def test_a_meter_of_a_call_is_a_row() -> None:
    """Every column of it, to the digit; the period is widened to whole seconds."""
    amount, price = Decimal("0.00077"), Decimal("0.00001")
    (row,) = [row for row in ROWS if row["SkuId"] == "gpt-5/output"]
    assert row == {
        "BilledCost": amount,
        "BillingAccountId": "openai",
        "BillingAccountName": None,
        "BillingCurrency": "USD",
        "BillingPeriodEnd": datetime(2026, 12, 1, tzinfo=UTC),
        "BillingPeriodStart": datetime(2026, 11, 1, tzinfo=UTC),
        "ChargeCategory": "Usage",
        "ChargeClass": None,
        "ChargeDescription": "gpt-5: output",
        "ChargeFrequency": "Usage-Based",
        "ChargePeriodEnd": datetime(2026, 12, 1, 0, 0, 1, tzinfo=UTC),
        "ChargePeriodStart": datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC),
        "CommitmentDiscountStatus": None,
        "ConsumedQuantity": Decimal(77),
        "ConsumedUnit": "Tokens",
        "ContractedCost": amount,
        "ContractedUnitPrice": price,
        "EffectiveCost": amount,
        "InvoiceId": None,
        "InvoiceIssuerName": "openai",
        "ListCost": amount,
        "ListUnitPrice": price,
        "PricingCategory": "Standard",
        "PricingCurrency": "USD",
        "PricingCurrencyContractedUnitPrice": price,
        "PricingCurrencyEffectiveCost": amount,
        "PricingCurrencyListUnitPrice": price,
        "PricingQuantity": Decimal(77),
        "PricingUnit": "Tokens",
        "ProviderName": "openai",
        "PublisherName": "openai",
        "RegionId": "eu",
        "RegionName": "eu",
        "ServiceCategory": "AI and Machine Learning",
        "ServiceName": "openai",
        "ServiceSubcategory": "Generative AI",
        "SkuId": "gpt-5/output",
        "SkuMeter": "output",
        "SkuPriceDetails": '{"x_ServiceTier": "flex"}',
        "SkuPriceId": f"gpt-5/output@{TARIFF.digest}",
        "Tags": TAGS,
        "x_RateAssumption": "supposed",
        "x_RateSource": "list",
        "x_ScopeId": f"{2:016x}",
    }
    assert list(row) == list(COLUMNS)


def test_a_minimum_is_billed_and_what_was_used_is_consumed() -> None:
    """Three seconds are used and ten are priced."""
    (row,) = [row for row in ROWS if row["SkuMeter"] == "audio_second"]
    assert (row["ConsumedQuantity"], row["PricingQuantity"]) == (3, 10)
    assert (row["ConsumedUnit"], row["BilledCost"]) == ("Seconds", Decimal("0.001"))


def test_every_meter_has_a_unit() -> None:
    """A meter that is added needs a word for its unit."""
    assert {meter.unit for meter in METERS.values()} | {"unit"} == set(UNITS)


def test_a_charge_names_its_provider_before_the_dot() -> None:
    """It is one unit of a product of its own."""
    (row,) = [row for row in ROWS if row["SkuId"] == "serpapi.search"]
    assert (row["ProviderName"], row["ServiceCategory"], row["BilledCost"]) == (
        "serpapi",
        "Other",
        Decimal("0.005"),
    )
    assert (row["PricingQuantity"], row["PricingUnit"]) == (1, "Units")


def test_a_discount_is_in_the_row_and_not_in_its_list_cost() -> None:
    """An uplift is in both: 0.000001 before any, 0.0000011 on the list, 0.0000009 by contract."""
    (row,) = [row for row in ROWS if row["SkuMeter"] == "cache_read"]
    assert (row["ListCost"], row["ListUnitPrice"]) == (Decimal("0.0011"), Decimal("0.0000011"))
    assert (row["BilledCost"], row["ContractedUnitPrice"]) == (
        Decimal("0.0009"),
        Decimal("0.0000009"),
    )
    assert row["EffectiveCost"] == row["ContractedCost"] == row["BilledCost"]


def test_shares_of_a_call_sum_to_it_and_have_no_unit_price() -> None:
    """A share of the amount is no product of a share of the tokens and the price."""
    shares = [row for row in ROWS if row["x_ScopeId"] == f"{5:016x}"]
    assert sum(row["BilledCost"] for row in shares) == Decimal("0.0000125")
    assert [row["ListUnitPrice"] for row in shares] == [None, None]


def test_what_has_no_price_is_counted_and_has_no_row() -> None:
    """The two searches have no rate: a cost of zero would be a lie."""
    assert [row for row in ROWS if row["SkuMeter"] == "web_search"] == []
    assert left_out(sample()) == 1


def test_csv_reads_back_as_it_was() -> None:
    """Decimals with a point, instants in UTC with a Z, nothing for what is not known."""
    read = list(csv.DictReader(io.StringIO("".join(csv_lines(iter(ROWS))))))
    (row,) = [row for row in read if row["SkuId"] == "gpt-5/output"]
    assert (row["BilledCost"], row["PricingQuantity"]) == ("0.00077", "77.0")
    assert (row["ChargePeriodStart"], row["InvoiceId"]) == ("2026-11-30T23:59:59Z", "")
    assert (row["Tags"], len(read)) == (TAGS, len(ROWS))


def test_no_rows_are_a_header() -> None:
    """An empty export is still a file of the specification."""
    assert "".join(csv_lines([])) == ",".join(COLUMNS) + "\n"


def test_parquet_has_the_same_rows_with_their_types(tmp_path: Path) -> None:
    """Decimals hold every digit and instants are instants."""
    file = tmp_path / "made.parquet"
    write_parquet(ROWS, file)
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    found = connection.read_parquet(str(file))
    types = dict(zip(found.columns, map(str, found.types), strict=True))
    assert (types["BilledCost"], types["ChargePeriodStart"], types["Tags"]) == (
        "DECIMAL(38,12)",
        "TIMESTAMP WITH TIME ZONE",
        "VARCHAR",
    )
    amounts = connection.sql(f"SELECT sum(BilledCost), count(*) FROM '{file}'").fetchall()
    assert amounts == [(sum(row["BilledCost"] for row in ROWS), len(ROWS))]
    query = f"SELECT DISTINCT epoch(ChargePeriodStart) FROM '{file}'"
    assert connection.sql(query).fetchall() == [(1_796_083_199.0,)]


def test_an_amount_that_parquet_cannot_hold_is_refused(tmp_path: Path) -> None:
    """Nothing is rounded to fit, and no file is left."""
    fine = {**ROWS[0], "BilledCost": Decimal("1E-30")}
    dear = {**ROWS[0], "BilledCost": Decimal("123456789")}
    with pytest.raises(MoneyError, match="123456789 does not fit into 38 digits beside an amount"):
        write_parquet([fine, dear], tmp_path / "made.parquet")
    assert list(tmp_path.iterdir()) == []


def test_the_command_writes_a_journal(tmp_path: Path) -> None:
    """To standard output, to a file, and as Parquet only to a file."""
    command = [sys.executable, "-m", "agentmeter.cli"]
    subprocess.run([*command, "demo"], cwd=tmp_path, capture_output=True, check=True)

    def export(*options: str) -> subprocess.CompletedProcess[str]:
        full = [*command, "export", "focus", "--billing-account", "org-1", *options]
        return subprocess.run(full, cwd=tmp_path, capture_output=True, text=True)

    shown = export()
    export("-o", "made.csv")
    assert shown.stdout == (tmp_path / "made.csv").read_text()
    rows = list(csv.DictReader(io.StringIO(shown.stdout)))
    assert {row["BillingAccountId"] for row in rows} == {"org-1"}
    export("--format", "parquet", "-o", "made.parquet")
    counted = duckdb.sql(f"SELECT count(*) FROM '{tmp_path / 'made.parquet'}'").fetchall()
    assert counted == [(len(rows),)]
    assert "name the file with -o FILE" in export("--format", "parquet").stderr
