"""``agentmeter plans``, as a person runs it."""

import json
from decimal import Decimal
from pathlib import Path

from tests.cli.test_commands import agentmeter

PLANS = """
[[plan]]
name = "free"
[[plan.charge]]
for = "requests"
price = "0.03"

[[plan]]
name = "pro"
tax = 19
[[plan.fee]]
amount = 20
[[plan.charge]]
for = "tokens"
input = 2
output = 10
"""


def test_the_demo_under_plans(tmp_path: Path) -> None:
    """Shown, compared and invoiced from the demo's journal, with a picture."""
    agentmeter("demo", cwd=tmp_path)
    (tmp_path / "plans.toml").write_text(PLANS)
    plans = ("--plans", "plans.toml")
    shown = agentmeter("plans", "show", *plans, cwd=tmp_path)
    assert "pro: an invoice for each user, by month\n  Subscription: 20 USD\n" in shown.stdout
    made = agentmeter("plans", "compare", *plans, "--json", "--svg", "plans.svg", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    document = json.loads(made.stdout)
    assert (document["requests"], document["users"]) == (3, 3)
    assert document["lower_bound"] is True
    assert document["plans"][0]["revenue"] == "0.09"
    assert document["today"]["told"] == 3
    assert (tmp_path / "plans.svg").read_text().startswith("<svg ")
    text = agentmeter("plans", "compare", *plans, "--plan", "free", cwd=tmp_path).stdout
    assert "3 requests of 3 users" in text
    assert "pro" not in text
    mixed = agentmeter(
        "plans", "compare", *plans, "--mix", "feature=research:3", "--json", cwd=tmp_path
    )
    assert json.loads(mixed.stdout)["plans"][0]["revenue"] == "0.15"
    swap = ("--model", "gpt-5-mini=gpt-5-nano")
    swapped = agentmeter("plans", "compare", *plans, *swap, "--json", cwd=tmp_path)
    again = json.loads(agentmeter("reprice", *swap, "--json", cwd=tmp_path).stdout)
    cost = json.loads(swapped.stdout)["cost"]
    assert Decimal(cost) == Decimal(again["total"]["after"]["amount"])
    assert Decimal(cost) < Decimal(document["cost"])
    invoice = agentmeter(
        "plans", "invoice", *plans, "--plan", "pro", "--account", "u-1", cwd=tmp_path
    )
    assert "Tax, 19 %" in invoice.stdout
    bills = agentmeter("plans", "invoice", *plans, "--plan", "free", "--json", cwd=tmp_path)
    assert [one["total"] for one in json.loads(bills.stdout)] == ["0.03", "0.03", "0.03"]


def test_compacted_records_compare_and_bill_the_same(tmp_path: Path) -> None:
    """Byte for byte, whether the journals are read or the Parquet is asked."""
    agentmeter("demo", cwd=tmp_path)
    (tmp_path / "plans.toml").write_text(PLANS)
    commands = (
        ("compare", "--json"),
        ("compare", "--period", "day", "--mix", "feature=research:3", "--json"),
        ("invoice", "--plan", "pro", "--json"),
    )
    before = [agentmeter("plans", *one, "--plans", "plans.toml", cwd=tmp_path) for one in commands]
    assert agentmeter("compact", cwd=tmp_path).returncode == 0
    assert not list((tmp_path / ".agentmeter").glob("*.jsonl"))
    after = [agentmeter("plans", *one, "--plans", "plans.toml", cwd=tmp_path) for one in commands]
    assert [one.stdout for one in after] == [one.stdout for one in before]
    assert json.loads(after[0].stdout)["requests"] == 3


def test_what_cannot_be_is_told_plainly(tmp_path: Path) -> None:
    """Plans, shifts, accounts and sources: one line, no traceback."""
    (tmp_path / "plans.toml").write_text(PLANS)
    (tmp_path / "bad.toml").write_text(PLANS.replace("amount = 20", "amount = -20"))
    bad = agentmeter("plans", "show", "--plans", "bad.toml", cwd=tmp_path)
    assert bad.returncode == 1
    assert "bad.toml, line 12: amount: cannot be negative, got -20" in bad.stderr
    (tmp_path / "typo.toml").write_text(PLANS + 'model = "gtp-5"\n')
    typo = agentmeter("plans", "show", "--plans", "typo.toml", cwd=tmp_path)
    assert "typo.toml, line 17: model: no model that has a price matches 'gtp-5'" in typo.stderr
    absent = agentmeter("plans", "show", "--plans", "absent.toml", cwd=tmp_path)
    assert "absent.toml: cannot be read as text" in absent.stderr
    none = agentmeter("plans", "compare", "--plans", "plans.toml", cwd=tmp_path)
    assert "no such file or folder; run an instrumented program first" in none.stderr
    agentmeter("demo", cwd=tmp_path)
    for options, said in (
        (("compare", "--mix", "research:2"), "mix: expected FIELD=GLOB:FACTOR"),
        (("compare", "--mix", "feature=resaerch:2"), "no request has feature=resaerch; there are"),
        (("compare", "--model", "gpt-7=gpt-5"), "no call was made of 'gpt-7'"),
        (("compare", "--plan", "max"), "there is no plan 'max'; there are free, pro"),
        (
            ("invoice", "--plan", "pro", "--account", "x"),
            "no account 'x'; there are: u-1, u-2, u-3",
        ),
    ):
        done = agentmeter("plans", *options, "--plans", "plans.toml", cwd=tmp_path)
        assert done.returncode == 1
        assert said in done.stderr, done.stderr
