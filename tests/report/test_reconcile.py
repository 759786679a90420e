"""Bills beside what was metered: leaks, phantoms, price differences, their causes and requests."""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmeter.model import (
    REPORTED,
    Call,
    Entry,
    Evidence,
    Extent,
    Kind,
    Money,
    Owner,
    Record,
    Source,
    Usage,
)
from agentmeter.pricing import PriceKey, Rate, Tariff
from agentmeter.report.breakdown import leaf_key
from agentmeter.report.reconcile.bill import Bill, BillRow
from agentmeter.report.reconcile.compare import Finding, Reconciled, reconcile
from agentmeter.report.reconcile.names import family, paired
from agentmeter.report.reconcile.text import reconciled_document, reconciled_text
from agentmeter.report.report import build
from agentmeter.semconv.writing import fields_of
from agentmeter.store.lines import line_of, tariff_fields

DAY = date(2025, 10, 6)
START = 1_759_708_800
"""2025-10-06T00:00:00Z."""
MODEL = "gpt-5-2025-08-07"
RATES = {"input": "2", "cache_read": "0.5", "output": "10", "web_search": "100"}
TARIFF = Tariff(
    PriceKey("openai", MODEL),
    "USD",
    "1",
    tuple(Rate(meter=name, price=Decimal(text), source="list") for name, text in RATES.items()),
)


def asked(number: int, hour: int = 12, **more: Any) -> list[Entry]:
    """A request with one call: 100 input and 10 output at noon of the day, unless said."""
    usage = Usage(more.pop("usage", {"input": 100, "output": 10}))
    evidence = more.pop("evidence", dict.fromkeys(usage, REPORTED))
    fields = {"provider": "openai", "model": MODEL, "tariff": TARIFF.digest, **more}
    call = Call(usage=usage, evidence=evidence, **fields)
    at = (START + hour * 3600) * 1_000_000_000
    owner = Owner(tags={"project": f"proj_{number % 2}"})
    root = Record(f"{number:032x}", f"{number:08x}{0:08x}", None, Kind.REQUEST, "r", owner, at, at)
    leaf = Record(
        root.request_id, f"{number:08x}{1:08x}", root.scope_id, Kind.CALL, "c", owner, at, at,
        call=call,
    )  # fmt: skip
    return [root, leaf]


def row(
    usage: dict[str, int] | None = None,
    amount: str | None = None,
    model: str | None = MODEL,
    **more: Any,
) -> BillRow:
    """A row of the day."""
    given = {"day": DAY, "provider": "openai", "key": None, "currency": "USD", "place": "bill"}
    return BillRow(
        model=model,
        usage=None if usage is None else Usage(usage),
        amount=None if amount is None else Decimal(amount),
        **{**given, **more},
    )


def held(entries: list[list[Entry]], *rows: BillRow, **more: Any) -> Reconciled:
    """The requests held against one bill of these rows."""
    days = frozenset(more.pop("days", {row.day for row in rows} | {DAY}))
    report = build([one for some in entries for one in some], {TARIFF.digest: TARIFF})
    return reconcile(report, [Bill("test", "openai", rows, days)], **more)


def only(made: Reconciled) -> Finding:
    """The one finding."""
    (finding,) = made.findings
    return finding


def short(made: Reconciled) -> list[tuple[str, int, dict[str, int], dict[str, Decimal]]]:
    """Kind, day, surplus and difference of the findings."""
    return [(f.kind.value, f.key.day.day, dict(f.usage), f.difference) for f in made.findings]


TWO = [asked(1), asked(2)]
SAME = {"input": 200, "output_unsplit": 20}


def test_what_agrees_has_no_finding() -> None:
    """Tokens where the bill splits less, and money to the last digit."""
    made = held(TWO, row(SAME), row(None, "600"))
    assert (made.findings, made.agreed, made.outside) == ((), 1, 0)
    assert (made.charged, made.priced) == ({"USD": Decimal(600)}, {"USD": Decimal(600)})


def test_a_model_that_was_never_metered_is_a_leak() -> None:
    """All of it, with the places in the bill that say so."""
    made = held(TWO, row(SAME, "600"), row({"input": 7}, "14", "o3", place="bill, line 3"))
    finding = only(made)
    assert short(made) == [("leak", 6, {"input": 7}, {"USD": Decimal(14)})]
    assert finding.causes == (
        "no call of it was metered: a program without agentmeter, or somebody else's key",
    )
    assert (finding.requests, finding.places, made.agreed) == ((), ("bill, line 3",), 1)


def test_more_billed_than_metered_points_at_the_calls_that_were_cut() -> None:
    """The cut call's request comes first among those concerned."""
    cut = {"input": REPORTED, "output": Evidence(Source.ESTIMATED, Extent.AT_LEAST)}
    made = held([asked(1), asked(2, evidence=cut)], row({**SAME, "output_unsplit": 33}, "730"))
    finding = only(made)
    assert short(made) == [("leak", 6, {"output_unsplit": 13}, {"USD": Decimal(130)})]
    assert finding.causes == (
        "1 calls were cut, retried or never closed: what was used after that is billed and not "
        "known here",
    )
    assert finding.requests == (f"{2:032x}", f"{1:032x}")


def test_metered_and_not_billed_is_a_phantom() -> None:
    """A day that the bill speaks of, without a row for the model."""
    made = held(TWO)
    assert made.findings == ()  # nothing is counted or charged, so nothing can be missing
    made = held(TWO, row({"input": 1}, "2", "o3"))
    kinds = {finding.key.model: finding.kind.value for finding in made.findings}
    assert kinds == {"o3": "leak", MODEL: "phantom"}
    phantom = next(one for one in made.findings if one.kind == "phantom")
    assert phantom.usage == Usage(input=200, output=20)
    assert phantom.difference == {"USD": Decimal(-600)}
    assert phantom.causes == ("the bill has no row for it: not billed yet, or on another account",)
    assert len(phantom.requests) == 2


def test_days_that_are_not_utc_show_at_their_edge() -> None:
    """What is billed a day early is missing there: one cause on both sides."""
    late = asked(2, hour=47)  # 23:00 of the next day
    first, second = row({"input": 200, "output_unsplit": 20}), row({}, day=DAY + timedelta(days=1))
    made = held([asked(1), late], first, second)
    assert short(made) == [
        ("leak", 6, {"input": 100, "output_unsplit": 10}, {}),
        ("phantom", 7, {"input": 100, "output": 10}, {}),
    ]
    edge = "calls near midnight, or days of the bill that are not in UTC"
    assert [finding.causes[0] for finding in made.findings] == [
        f"the same quantity is metered too much on 2025-10-07: {edge}",
        f"the same quantity is billed too much on 2025-10-06: {edge}",
    ]


def test_a_dated_name_is_an_alias_of_the_other() -> None:
    """Compared as one model; told where something else differs."""
    entries = [asked(1, model="gpt-5"), asked(2, model="gpt-5")]
    assert held(entries, row(SAME, "600")).findings == ()
    finding = only(held(entries, row(SAME, "500")))
    assert finding.causes[-1] == f"billed as {MODEL} and metered as gpt-5: an alias of it"


@pytest.mark.parametrize(
    ("charged", "cause"),
    [
        ("300", "billed at half of what was metered: the batch discount"),
        (
            "660",
            "billed at 1.1 times what was metered: the uplift of a region or of data residency",
        ),
        ("510", "billed at 85 % of what was metered: a discount, or another price list"),
    ],
)
def test_a_round_factor_names_its_likely_cause(charged: str, cause: str) -> None:
    """The same tokens at another amount."""
    made = held(TWO, row(SAME, charged))
    assert only(made).kind.value == "price"
    assert only(made).causes == (cause,)
    assert only(made).difference == {"USD": Decimal(charged) - 600}
    assert len(only(made).requests) == 2


def test_an_odd_factor_names_none() -> None:
    """No cause is made up."""
    assert only(held(TWO, row(SAME, "433.1"))).causes == ()


def test_rounding_to_cents_is_told_as_such() -> None:
    """Half a unit of the bill's amounts for each of its rows, and no more."""
    rate = Rate(meter="output", price=Decimal("1.234"), source="list")
    tariff = Tariff(TARIFF.key, "USD", "1", (rate,))
    entries = [asked(1, usage={"output": 1}, tariff=tariff.digest)]
    report = build(entries[0], {tariff.digest: tariff})

    def causes(amount: str) -> tuple[str, ...]:
        return only(
            reconcile(report, [Bill("b", "openai", (row(None, amount),), frozenset({DAY}))])
        ).causes

    assert causes("1.23") == ("rounding: the bill gives amounts to 0.01",)
    assert causes("1.22") == ()  # 1.4 cents away; and cents are too coarse to tell 99 %


def test_noise_of_binary_fractions_agrees() -> None:
    """A provider that writes 600.0000000000001 means 600."""
    assert held(TWO, row(SAME, "600.0000000000001")).findings == ()


def test_tiers_that_only_one_side_knows_are_named() -> None:
    """The bill's batch rows, and the record's flex."""
    assert only(held(TWO, row(SAME, "300", tier="batch"))).causes[0] == (
        "billed at batch, and recorded at the standard tier"
    )
    flex = [asked(1, service_tier="flex"), asked(2, service_tier="flex")]
    assert only(held(flex, row(SAME, "1200", tier="default"))).causes[0] == (
        "recorded at flex, and not billed at it"
    )


def test_priority_tier_is_not_in_anthropics_cost_report() -> None:
    """Metered at a price, and in the bill at none."""
    entries = [asked(1, provider="anthropic", service_tier="priority")]
    report = build(entries[0], {TARIFF.digest: TARIFF})
    rows = (row(None, "3", "claude-x", provider="anthropic"),)
    made = reconcile(report, [Bill("b", "anthropic", rows, frozenset({DAY}))])
    phantom = next(one for one in made.findings if one.kind == "phantom")
    assert phantom.causes[1] == (
        "1 calls were served at Priority Tier, which the cost report leaves out"
    )


def test_a_cache_split_that_was_not_recorded_is_told() -> None:
    """All input is priced as uncached, and the bill knows better."""
    entries = [asked(1, usage={"input_unsplit": 100, "output": 10})]
    made = held(entries, row({"input": 20, "cache_read": 80, "output_unsplit": 10}, "180"))
    assert only(made).kind.value == "price"
    assert only(made).causes[0] == (
        "the cache split was not recorded: all input is priced as uncached"
    )
    made = held(
        [asked(1, usage={"input": 90, "cache_read": 10, "output": 10})],
        row({"input": 20, "cache_read": 80, "output_unsplit": 10}, "180"),
    )
    assert only(made).causes[0] == (
        "the input is split otherwise: cache_read 80 billed and 10 metered, "
        "input 20 billed and 90 metered"
    )


def test_usage_without_a_price_is_told() -> None:
    """The difference is what was not priced."""
    entries = [asked(1, usage={"input": 100, "reasoning": 10})]
    finding = only(held(entries, row({"input": 100, "output_unsplit": 10}, "300")))
    assert finding.causes == (
        "not all that was metered has a price: the tariff has no rate for this meter at that time",
    )


def test_another_currency_is_told_and_not_added() -> None:
    """Two amounts side by side."""
    finding = only(held(TWO, row(SAME, "550", currency="EUR")))
    assert finding.difference == {"EUR": Decimal(550), "USD": Decimal(-600)}
    assert finding.causes == ("billed in EUR and priced in USD",)


def test_fees_that_a_bill_lists_under_no_model_meet_the_fees_of_the_calls() -> None:
    """The tokens of the model are compared with its tokens alone."""
    entries = [asked(1, usage={"input": 100, "output": 10, "web_search": 2})]
    assert held(entries, row(None, "300"), row(None, "200", model=None)).findings == ()
    made = held(entries, row(None, "300"), row(None, "250", model=None))
    assert (only(made).key.model, only(made).difference) == (None, {"USD": Decimal(50)})


def test_keys_are_told_apart_where_records_name_them() -> None:
    """By a tag; without it the rows of all keys are one."""
    rows = (
        row({"input": 100, "output_unsplit": 10}, key="proj_0"),
        row({"input": 150, "output_unsplit": 10}, key="proj_1"),
    )
    by_tag = held(TWO, *rows, key=leaf_key("tag:project"))
    assert [(f.key.key, dict(f.usage)) for f in by_tag.findings] == [("proj_1", {"input": 50})]
    assert by_tag.findings[0].requests == (f"{1:032x}",)
    assert [f.key.key for f in held(TWO, *rows).findings] == [None]


def test_usage_by_model_and_costs_by_day_are_compared_each_at_its_own_level() -> None:
    """Neither is a leak of the other, and the totals count every call once."""
    report = build([one for some in TWO for one in some], {TARIFF.digest: TARIFF})
    days = frozenset({DAY})
    usage = Bill("u", "openai", (row(SAME),), days)
    costs = Bill("c", "openai", (row(None, "600", model=None),), days)
    made = reconcile(report, [usage, costs])
    assert (made.findings, made.agreed) == ((), 2)
    assert (made.metered.total_tokens, made.billed.total_tokens) == (220, 220)
    wrong = reconcile(report, [usage, Bill("c", "openai", (row(None, "9", model=None),), days)])
    assert [(f.key.model, f.kind.value) for f in wrong.findings] == [(None, "price")]


def test_what_no_bill_speaks_of_is_counted_and_charges_are_left_out() -> None:
    """Other days and other providers; an application's own charge is no provider's business."""
    charge = asked(9, usage={}, charge=Money(Decimal(5)), tariff=None)
    entries = [*TWO, asked(3, hour=36), asked(4, provider="mistral"), charge]
    made = held(entries, row(SAME, "600"))
    assert (made.findings, made.outside, made.priced) == ((), 2, {"USD": Decimal(600)})


NAMES = [
    ("USE1-Claude4.6Sonnet".partition("-")[2], "us.anthropic.claude-sonnet-4-6-20260101-v1:0"),
    ("gpt-4o-2024-08-06", "gpt-4o"),
    ("openai/gpt-4.1-2025-04-14", "gpt-4.1"),
    ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
    ("NovaPro", "amazon.nova-pro-v1:0"),
]


@pytest.mark.parametrize(("one", "other"), NAMES)
def test_names_of_one_model_are_of_one_family(one: str, other: str) -> None:
    """Usage types, snapshots, profiles and makers."""
    assert paired([one], [other]) == {other: one}


def test_names_of_other_models_are_not() -> None:
    """Sizes and generations count; two snapshots of one alias are left alone."""
    assert family("gpt-5") != family("gpt-5-mini")
    assert family("claude-sonnet-4") != family("claude-sonnet-4-5")
    assert paired(["gpt-4o-2024-05-13", "gpt-4o-2024-08-06"], ["gpt-4o"]) == {}
    assert paired(["gpt-4o", "gpt-4o-2024-08-06"], ["gpt-4o-2024-08-06", "gpt-4o"]) == {
        "gpt-4o": "gpt-4o",
        "gpt-4o-2024-08-06": "gpt-4o-2024-08-06",
    }


METERED = st.fixed_dictionaries(
    {}, optional={name: st.integers(0, 50) for name in ("input", "cache_read", "output")}
)


@given(st.lists(st.tuples(METERED, st.integers(0, 60)), min_size=1, max_size=5))
def test_a_bill_of_what_was_metered_has_no_finding(
    traffic: list[tuple[dict[str, int], int]],
) -> None:
    """Whatever was used and when: the report as a bill agrees with itself, in any context."""
    entries = [asked(n, hour, usage=used) for n, (used, hour) in enumerate(traffic)]
    rows = [
        row(
            used,
            str(sum(count * Decimal(RATES[meter]) for meter, count in used.items())),
            day=DAY + timedelta(days=hour // 24),
        )
        for used, hour in traffic
    ]
    with localcontext(prec=3):
        made = held(entries, *rows)
    assert made.findings == ()
    assert made.metered == made.billed


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The command over a journal of two requests, in a folder of its own."""
    lines = [line_of(tariff_fields(TARIFF))]
    lines += [line_of(fields_of(entry)) for some in TWO for entry in some]
    (tmp_path / "made.jsonl").write_bytes(b"".join(lines))
    command = [sys.executable, "-m", "agentmeter.cli", "reconcile", "made.jsonl"]

    def runs(*options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*command, *options], cwd=tmp_path, capture_output=True, text=True)

    return runs


def openai_pages(folder: Path) -> None:
    """Usage and costs of the day, of which the costs are ten per cent too high."""

    def page(name: str, result: dict[str, Any]) -> None:
        bucket = {"start_time": START, "end_time": START + 86_400, "results": [result]}
        (folder / name).write_text(json.dumps({"object": "page", "data": [bucket]}))

    page(
        "usage.json",
        {"input_tokens": 200, "input_cached_tokens": 0, "output_tokens": 20,
         "num_model_requests": 2, "model": MODEL, "batch": False, "project_id": "proj_0"},
    )  # fmt: skip
    amount = {"value": 660.0, "currency": "usd"}
    page("costs.json", {"amount": amount, "line_item": f"{MODEL}, all", "project_id": "proj_0"})


def test_the_command_holds_two_exports_against_a_journal(
    tmp_path: Path, run: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """Usage and costs together, as JSON and as text."""
    openai_pages(tmp_path)
    document = json.loads(run("--bill", "usage.json", "--bill", "costs.json", "--json").stdout)
    (finding,) = document["findings"]
    assert finding == {
        "kind": "price",
        "day": "2025-10-06",
        "provider": "openai",
        "model": MODEL,
        "key": None,
        "usage": {},
        "billed": {
            "usage": {"input": 200, "output_unsplit": 20},
            "cost": {"amount": "660", "currency": "USD"},
        },
        "metered": {
            "usage": {"input": 200, "output": 20},
            "cost": {"amount": "600", "currency": "USD"},
        },
        "difference": {"amount": "60", "currency": "USD"},
        "causes": [
            "billed at 1.1 times what was metered: the uplift of a region or of data residency"
        ],
        "requests": [f"{1:032x}", f"{2:032x}"],
        "places": [
            "usage.json, line 1: data[0].results[0]",
            "costs.json, line 1: data[0].results[0]",
        ],
    }
    assert document["total"]["difference"] == {"amount": "60", "currency": "USD"}
    text = run("--bill", "usage.json", "--bill", "costs.json").stdout
    assert f"price  2025-10-06  openai {MODEL}  (priced otherwise)" in text
    assert "  billed $660.000000, metered $600.000000, difference +$60.000000" in text


def test_the_command_names_what_is_wrong(
    tmp_path: Path, run: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """An unknown layout, an unknown key; rows that cannot be read are shown and the rest kept."""
    (tmp_path / "odd.csv").write_text("a,b\n1,2\n")
    refused = run("--bill", "odd.csv")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "odd.csv, line 1: a bill in an unknown layout, with the columns a, b" in refused.stderr
    openai_pages(tmp_path)
    assert "cannot break down by 'mood'" in run("--bill", "usage.json", "--key-by", "mood").stderr
    (tmp_path / "log.csv").write_text(
        "date,usage,prompt_tokens,completion_tokens,model\n2025-10-06,1,1,1,m\nnever,1,1,1,m\n"
    )
    shown = run("--bill", "log.csv")
    assert "  1 rows could not be read:\n    log.csv, line 3: date: expected" in shown.stdout
    assert "2 metered calls are on days or of providers not in the bill" in shown.stdout


def test_our_own_focus_export_agrees_with_its_journal(
    tmp_path: Path, run: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """Written and read back: nothing is too much on either side."""
    export = [sys.executable, "-m", "agentmeter.cli", "export", "focus", "made.jsonl", "-o"]
    for name, kind in (("made.csv", "csv"), ("made.parquet", "parquet")):
        subprocess.run([*export, name, "--format", kind], cwd=tmp_path, check=True)
        document = json.loads(run("--bill", name, "--json").stdout)
        assert (document["findings"], document["agreed"]) == ([], 1)
        assert document["total"]["billed"]["cost"] == {"amount": "600", "currency": "USD"}


def test_the_documents_say_what_was_read() -> None:
    """Layout, rows, days, what was skipped, and the note of the layout."""
    bill = Bill("L", "openai", (row(SAME),), frozenset({DAY}), ("p",), 3, "n")
    report = build([one for some in TWO for one in some], {TARIFF.digest: TARIFF})
    made = reconcile(report, [bill])
    assert reconciled_document(made)["bills"] == [
        {"layout": "L", "rows": 1, "days": ["2025-10-06"], "skipped": 3, "problems": ["p"],
         "note": "n"}
    ]  # fmt: skip
    assert reconciled_text(made).startswith(
        "L: 1 rows, 2025-10-06 to 2025-10-06\n  3 rows about something else\n  n\n"
        "  1 rows could not be read:\n    p\n"
    )
