"""The options of ``agentmeter report`` that adjust it, as a person runs them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import agentmeter as am
am.configure()
for user in ("u-1", "u-2", "u-3"):
    with am.request(user=user):
        am.charge("ocr", usd="0.335")
am.flush()
"""
FILES = {
    "rates.toml": '[[currency]]\nfrom = "USD"\nto = "EUR"\non = 2020-01-01\nrate = "0.92"\nsource = "ECB"\n',
    "rules.toml": '[[allocation]]\nname = "index"\nkind = "fixed"\namount = "3"\nby = "requests"\n'
    "from = 2020-01-01\nuntil = 2100-01-01\n",
    "bad.toml": '[[allocation]]\nname = "index"\nkind = "fixd"\n',
}


def run(*args: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("AGENTMETER")}
    return subprocess.run(
        [sys.executable, *args],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**kept, **env},
        timeout=120,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("edge")
    for name, text in FILES.items():
        (path / name).write_text(text, "utf-8")
    done = run("-c", PROGRAM, cwd=path)
    assert done.returncode == 0, done.stderr
    return path


def report(folder: Path, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    return run("-m", "agentmeter.cli", "report", *args, cwd=folder, **env)


EDGE = ("--currency", "eur", "--rates", "rates.toml", "--round", "2", "--rounding", "half-up")


def test_allocated_converted_rounded_and_taxed(folder: Path) -> None:
    """3 x 0.335 + 3 = 4.005 dollars are 3.6846 euros: 3.68, of it 1.23, 1.23 and 1.22."""
    done = report(folder, "--allocations", "rules.toml", *EDGE, "--tax", "19", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["total"]["stated"] == {
        "currency": "EUR",
        "net": "3.68",
        "tax": "0.70",
        "gross": "4.38",
        "places": 2,
        "rounding": "half-up",
        "tax_percent": "19",
    }
    nets = sorted(one["stated"]["net"] for one in document["requests"])
    assert nets == ["1.22", "1.23", "1.23"]
    assert document["exchange"][0]["rate"] == "0.92"
    assert {one["allocated"]["amount"] for one in document["requests"]} == {"0.92"}


def test_neither_locale_nor_time_zone_nor_repetition_changes_a_digit(folder: Path) -> None:
    """The same bytes in Kiritimati in German."""
    args = ("--allocations", "rules.toml", *EDGE, "--json")
    first = report(folder, *args, TZ="UTC", LC_ALL="C")
    other = report(folder, *args, TZ="Pacific/Kiritimati", LC_ALL="de_DE.UTF-8")
    assert first.stdout
    assert first.stdout == other.stdout


def test_one_request_keeps_its_part_of_the_whole(folder: Path) -> None:
    """It is stated as it is among the others, not rounded anew."""
    every = json.loads(report(folder, *EDGE, "--json").stdout)["requests"]
    for one in every:
        text = report(folder, *EDGE, "--request", one["request_id"]).stdout
        assert f"stated: {one['stated']['net']} EUR, rounded half-up" in text
    listing = report(folder, *EDGE).stdout
    assert "0.92 EUR, rounded half-up" in listing
    assert "at 0.92 EUR for 1 USD of 2020-01-01 (ECB)" in listing


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--currency", "EUR"), "no --rates: no rate from USD to EUR"),
        (("--currency", "JPY", "--rates", "rates.toml"), "rates.toml: no rate from USD to JPY"),
        (("--allocations", "bad.toml"), "bad.toml, line 3: kind: expected one of volume"),
        (("--tax", "viel"), "tax: 'viel' is not a decimal number"),
        (("--by", "model", "--tax", "19"), "--by breaks the direct cost down"),
    ],
)
def test_what_cannot_be_done_is_told_and_nothing_is_shown(
    folder: Path, args: tuple[str, ...], message: str
) -> None:
    """Not a half-converted report."""
    done = report(folder, *args)
    assert done.returncode != 0
    assert message in done.stderr
    assert done.stdout == ""


def test_a_breakdown_can_be_in_another_currency(folder: Path) -> None:
    """1.005 dollars are 0.9246 euros."""
    done = report(folder, "--by", "model", "--currency", "EUR", "--rates", "rates.toml", "--json")
    (row,) = json.loads(done.stdout)["rows"]
    assert row["cost"] == {"amount": "0.9246", "currency": "EUR"}
