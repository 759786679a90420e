"""Bills in the layouts of their providers: every field that counts, and what cannot be read."""

import gzip
import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from agentmeter.exceptions import SourceError
from agentmeter.model import Usage
from agentmeter.report.reconcile.bill import Bill, BillRow
from agentmeter.store.bills import read_bill

DAY = date(2025, 10, 6)
START = 1_759_708_800
"""2025-10-06T00:00:00Z."""


def bill(folder: Path, content: str | bytes, name: str = "bill") -> Bill:
    """The bill in a file with that content."""
    file = folder / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_bill(file)


def page(*results: dict[str, Any], start: int = START) -> dict[str, Any]:
    """A page of OpenAI's API with one bucket."""
    bucket = {
        "object": "bucket",
        "start_time": start,
        "end_time": start + 86_400,
        "results": list(results),
    }
    return {"object": "page", "data": [bucket], "has_more": False, "next_page": None}


OPENAI_USAGE = {
    "object": "organization.usage.completions.result",
    "input_tokens": 5000,
    "output_tokens": 1000,
    "input_cached_tokens": 4000,
    "input_audio_tokens": 0,
    "output_audio_tokens": 0,
    "num_model_requests": 5,
    "project_id": "proj_abc",
    "user_id": None,
    "api_key_id": "key_abc",
    "model": "gpt-4o-mini-2024-07-18",
    "batch": False,
    "service_tier": "default",
}


def test_openai_usage_pages(tmp_path: Path) -> None:
    """Input contains what was cached; the reasoning in the output is not told apart."""
    batch = {**OPENAI_USAGE, "batch": True, "input_cached_tokens": 0, "input_audio_tokens": 30}
    found = bill(tmp_path, json.dumps(page(OPENAI_USAGE, batch)))
    place = f"{tmp_path / 'bill'}, line 1: data[0].results"
    first = BillRow(
        DAY,
        "openai",
        "gpt-4o-mini-2024-07-18",
        "key_abc",
        Usage(input=1000, cache_read=4000, output_unsplit=1000),
        None,
        "USD",
        f"{place}[0]",
        "default",
    )
    assert (found.layout, found.rows[0], found.days) == ("OpenAI usage", first, {DAY})
    assert found.rows[1].usage == Usage(input=5000, input_audio=30, output_unsplit=1000)
    assert (found.rows[1].tier, found.rows[1].place) == ("batch", f"{place}[1]")


def test_a_bucket_without_results_is_a_day_on_which_nothing_was_used(tmp_path: Path) -> None:
    """Such a day is spoken of; several pages may stand on a line each."""
    lines = [json.dumps(page(OPENAI_USAGE)), json.dumps(page(start=START + 86_400))]
    found = bill(tmp_path, "\n".join(lines))
    assert (len(found.rows), found.days) == (1, {DAY, date(2025, 10, 7)})
    assert found.rows[0].place.endswith("line 1: data[0].results[0]")


@pytest.mark.parametrize(
    ("result", "usage"),
    [
        ({"input_tokens": 16, "num_model_requests": 2, "model": "e"}, Usage(input=16)),
        ({"images": 2, "num_model_requests": 2, "size": "1024x1024"}, Usage(image=2)),
        ({"characters": 45, "num_model_requests": 1}, Usage(character=45)),
        ({"seconds": 10, "num_model_requests": 1}, Usage(audio_second=10)),
        ({"num_sessions": 1, "project_id": "proj_1"}, Usage(code_interpreter=1)),
    ],
)
def test_openai_usage_of_other_endpoints(
    tmp_path: Path, result: dict[str, Any], usage: Usage
) -> None:
    """Embeddings, images, speech, transcription and code interpreter sessions."""
    found = bill(tmp_path, json.dumps(page(result)))
    assert [row.usage for row in found.rows] == [usage]


def test_openai_costs_pages(tmp_path: Path) -> None:
    """A line item is a model and what of it; numbers stay exact decimals."""
    content = json.dumps(page({"amount": 0, "line_item": "gpt-4o-2024-08-06, cached input"}))
    content = content.replace(
        '"amount": 0', '"amount": {"value": 0.8958740000001, "currency": "usd"}'
    )
    found = bill(tmp_path, content)
    (row,) = found.rows
    assert (found.layout, row.model, row.amount) == (
        "OpenAI costs",
        "gpt-4o-2024-08-06",
        Decimal("0.8958740000001"),
    )
    assert (row.usage, row.currency) == (None, "USD")


def test_openai_dashboard_tables(tmp_path: Path) -> None:
    """Tab-separated or not, gzipped or not; counts are written as 59200.0."""
    usage = (
        "start_time\tend_time\tstart_time_iso\tend_time_iso\tproject_id\tnum_model_requests\t"
        "user_id\tapi_key_id\tmodel\tbatch\tservice_tier\tinput_tokens\toutput_tokens\t"
        "input_cached_tokens\tinput_uncached_tokens\tinput_text_tokens\toutput_text_tokens\t"
        "input_cached_text_tokens\tinput_audio_tokens\tinput_cached_audio_tokens\t"
        "output_audio_tokens\n"
        f"{START}\t{START + 86400}\ta\tb\tproj_1\t10.0\tu\t\tgpt-4o-2024-08-06\tFALSE\tdefault\t"
        "59200.0\t10646.0\t5760.0\t53440.0\t59200.0\t10646.0\t5760.0\t0.0\t0.0\t0.0\n"
        f"{START + 86400}\t{START + 2 * 86400}" + "\t" * 19 + "\n"
    )
    found = bill(tmp_path, gzip.compress(usage.encode()))
    (row,) = found.rows
    assert row.usage == Usage(input=53440, cache_read=5760, output_unsplit=10646)
    assert (row.key, row.place) == ("proj_1", f"{tmp_path / 'bill'}, line 2")
    assert found.days == {DAY, date(2025, 10, 7)}
    costs = (
        "start_time,end_time,start_time_iso,end_time_iso,amount_value,amount_currency,line_item,"
        "project_id,organization_id,organization_name\n"
        f"{START},{START + 86400},a,b,0.5617712500000000,usd,,,org-1,Personal\n"
    )
    (row,) = bill(tmp_path, costs).rows
    assert (row.amount, row.model) == (Decimal("0.56177125"), None)


def test_anthropic_usage_report(tmp_path: Path) -> None:
    """Cached input stands beside the uncached; cache writes by their time to live."""
    result = {
        "api_key_id": "apikey_1",
        "cache_creation": {"ephemeral_1h_input_tokens": 1000, "ephemeral_5m_input_tokens": 500},
        "cache_read_input_tokens": 200,
        "context_window": "0-200k",
        "model": "claude-sonnet-4-20250514",
        "output_tokens": 500,
        "server_tool_use": {"web_search_requests": 10},
        "service_tier": "priority",
        "uncached_input_tokens": 1500,
        "workspace_id": "wrkspc_1",
    }
    bucket = {
        "starting_at": "2025-10-06T00:00:00Z",
        "ending_at": "2025-10-07T00:00:00Z",
        "results": [result],
    }
    found = bill(tmp_path, json.dumps({"data": [bucket], "has_more": False, "next_page": None}))
    (row,) = found.rows
    assert (found.layout, row.day, row.key, row.tier) == (
        "Anthropic usage",
        DAY,
        "apikey_1",
        "priority",
    )
    assert row.usage == Usage(
        input=1500,
        cache_read=200,
        cache_write_5m=500,
        cache_write_1h=1000,
        output_unsplit=500,
        web_search=10,
    )


def test_anthropic_cost_report_is_in_cents(tmp_path: Path) -> None:
    """``123.45`` is one dollar and 23.45 cents, and what it leaves out is said."""
    result = {
        "amount": "123.45",
        "currency": "USD",
        "cost_type": "tokens",
        "model": "claude-sonnet-4-20250514",
        "service_tier": "standard",
        "token_type": "output_tokens",
        "workspace_id": None,
    }
    bucket = {"starting_at": "2025-10-06T00:00:00Z", "results": [result]}
    found = bill(tmp_path, json.dumps({"data": [bucket], "has_more": False}))
    assert found.rows[0].amount == Decimal("1.2345")
    assert found.note == "the cost report leaves out Priority Tier"


AWS = (
    "line_item_usage_start_date,line_item_line_item_type,line_item_product_code,"
    "line_item_usage_type,line_item_usage_amount,pricing_unit,line_item_unblended_cost,"
    "line_item_currency_code,line_item_iam_principal\n"
    "2025-10-06T13:00:00Z,Usage,AmazonBedrock,USE1-Claude4.6Sonnet-input-tokens,"
    "23.5,1K tokens,0.0705,USD,arn:aws:iam::1:user/alice\n"
    "2025-10-06T13:00:00Z,Usage,AmazonBedrock,USE1-Claude4.6Sonnet-cache-read-input-token-count,"
    "4000,tokens,0.0012,USD,arn:aws:iam::1:user/alice\n"
    "2025-10-06T13:00:00Z,Usage,AmazonBedrock,EUC1-NovaPro-batch-output-tokens,"
    "0.002,1M tokens,0.0032,USD,arn:aws:iam::1:user/bob\n"
    "2025-10-06T13:00:00Z,Usage,AmazonEC2,BoxUsage:t3.micro,1,Hrs,0.01,USD,\n"
    "2025-10-06T13:00:00Z,Tax,AmazonBedrock,,,,1.00,USD,\n"
)


def test_aws_cost_and_usage_rows(tmp_path: Path) -> None:
    """Bedrock's usage; the rest is counted. Thousands and millions of tokens are tokens."""
    found = bill(tmp_path, AWS)
    rows = [(r.model, r.key, r.usage, r.amount, r.tier, r.region) for r in found.rows]
    alice, bob = "arn:aws:iam::1:user/alice", "arn:aws:iam::1:user/bob"
    assert rows == [
        ("Claude4.6Sonnet", alice, Usage(input=23500), Decimal("0.0705"), None, "USE1"),
        ("Claude4.6Sonnet", alice, Usage(cache_read=4000), Decimal("0.0012"), None, "USE1"),
        ("NovaPro", bob, Usage(output_unsplit=2000), Decimal("0.0032"), "batch", "EUC1"),
    ]
    assert (found.layout, found.skipped) == ("AWS cost and usage", 2)


def test_aws_parquet_is_read_alike(tmp_path: Path) -> None:
    """Data exports come as Parquet, with timestamps and floats."""
    (tmp_path / "rows.csv").write_text(AWS)
    file = tmp_path / "rows.parquet"
    duckdb.sql(f"COPY (FROM read_csv('{tmp_path / 'rows.csv'}')) TO '{file}' (FORMAT parquet)")
    from_csv, from_parquet = read_bill(tmp_path / "rows.csv"), read_bill(file)
    assert [(r.day, r.model, r.usage, r.amount) for r in from_parquet.rows] == [
        (r.day, r.model, r.usage, r.amount) for r in from_csv.rows
    ]
    assert from_parquet.rows[0].place == f"{file}, row 1"


def test_openrouter_activity(tmp_path: Path) -> None:
    """By day from the API, by generation from the CSV; completion contains the reasoning."""
    item = {
        "date": "2025-10-06",
        "model": "openai/gpt-4.1",
        "model_permaslug": "openai/gpt-4.1-2025-04-14",
        "endpoint_id": "550e8400",
        "provider_name": "OpenAI",
        "usage": 0.015,
        "byok_usage_inference": 0.012,
        "requests": 5,
        "prompt_tokens": 50,
        "completion_tokens": 125,
        "reasoning_tokens": 25,
    }
    (row,) = bill(tmp_path, json.dumps({"data": [item]})).rows
    assert (row.model, row.amount, row.day) == (
        "openai/gpt-4.1-2025-04-14",
        Decimal("0.015"),
        DAY,
    )
    assert row.usage == Usage(input_unsplit=50, output=100, reasoning=25)
    log = (
        "generation_id,created_at,cost_total,cost_web_search,cost_cache,tokens_prompt,"
        "tokens_completion,tokens_reasoning,tokens_cached,model_permaslug,provider_name\n"
        "gen-1,2025-10-06 18:54:30.040,0.00102,0,0,900,40,10,600,openai/gpt-4.1,OpenAI\n"
    )
    (row,) = bill(tmp_path, log).rows
    assert row.usage == Usage(input=300, cache_read=600, output=30, reasoning=10)
    assert row.amount == Decimal("0.00102")


def test_focus_of_a_cloud(tmp_path: Path) -> None:
    """Rows about models, whatever else is on the bill; providers by their usual names."""
    content = (
        "BilledCost,BillingCurrency,ChargePeriodStart,ChargeCategory,ConsumedQuantity,ConsumedUnit,"
        "ProviderName,RegionId,ServiceCategory,SkuId,SkuMeter,SubAccountId\n"
        "0.0705,USD,2025-10-06T23:00:00-02:00,Usage,23500,Tokens,Amazon Web Services,us-east-1,"
        "AI and Machine Learning,claude-sonnet-4-6/Input tokens,Input tokens,acct-1\n"
        "9.99,USD,2025-10-06T00:00:00Z,Usage,1,Hours,Amazon Web Services,us-east-1,Compute,x,y,a\n"
    )
    found = bill(tmp_path, content)
    (row,) = found.rows
    assert (row.day, row.provider, row.model, row.key) == (
        date(2025, 10, 7),
        "aws",
        "claude-sonnet-4-6",
        "acct-1",
    )
    assert (row.usage, row.amount, found.skipped) == (Usage(input=23500), Decimal("0.0705"), 1)


def test_an_unknown_layout_is_refused_with_what_is_known(tmp_path: Path) -> None:
    """File and line, the columns there are, and the layouts there could be."""
    with pytest.raises(SourceError) as refused:
        bill(tmp_path, "when,what\n1,2\n")
    assert str(refused.value) == (
        f"{tmp_path / 'bill'}, line 1: a bill in an unknown layout, with the columns what, when; "
        "known are: OpenAI usage, OpenAI costs, Anthropic usage, Anthropic costs, "
        "AWS cost and usage, OpenRouter activity, FOCUS"
    )


def test_rows_that_cannot_be_read_are_named_and_the_others_kept(tmp_path: Path) -> None:
    """File, line and field of each; nothing is guessed."""
    head = "date,usage,prompt_tokens,completion_tokens,model\n"
    rows = ["2025-10-06,0.5,10,1,m", "yesterday,1,1,1,m", "2025-10-06,many,1,1,m"]
    rows += ["2025-10-06,1,1.5,1,m", "2025-10-06,1,-1,1,m", ",1,1,1,m"]
    found = bill(tmp_path, head + "\n".join(rows) + "\n")
    file = tmp_path / "bill"
    assert len(found.rows) == 1
    assert found.problems == (
        f"{file}, line 3: date: expected Unix seconds or a date such as 2026-01-31, "
        "got 'yesterday'",
        f"{file}, line 4: usage: expected a number: amount: 'many' is not a decimal number",
        f"{file}, line 5: prompt_tokens: expected a count, got 1.5",
        f"{file}, line 6: prompt_tokens: expected a count, got -1",
        f"{file}, line 7: date: is missing",
    )


def test_a_part_larger_than_its_whole_is_refused(tmp_path: Path) -> None:
    """More cached than there was input; as it is the only row, the file is refused."""
    wrong = {**OPENAI_USAGE, "input_cached_tokens": 6000}
    with pytest.raises(SourceError, match="input: a part is larger than its whole"):
        bill(tmp_path, json.dumps(page(wrong)))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"data": [', "line 1, column 11: not JSON"),
        (b'{"data": [1]}', r"line 1: data\[0\]: expected an object, got int"),
        (b"\xff\xfe\x00", "cannot be read"),
        (b"PAR1 and nothing", "not Parquet"),
        (b"\x1f\x8b short", "cannot be read"),
        (b"", "a bill in an unknown layout, with the columns none"),
    ],
)
def test_what_is_no_bill_at_all_is_said(tmp_path: Path, content: bytes, said: str) -> None:
    """Cut off, of another kind, or empty."""
    with pytest.raises(SourceError, match=said):
        bill(tmp_path, content)


def test_an_absent_file_is_said(tmp_path: Path) -> None:
    """With its name."""
    with pytest.raises(SourceError, match=f"{tmp_path / 'none'}: cannot be read: "):
        read_bill(tmp_path / "none")
