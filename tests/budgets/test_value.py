"""Budgets and rules as values: what can be one, and what is refused where it is written."""

import pickle
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import agentmeter as am
from agentmeter.runtime.budget.account import period
from agentmeter.runtime.budget.rules import read_rules
from agentmeter.runtime.state import STATE
from agentmeter.testing import Kept

BAD = {
    "no limit": ({}, "usd: a budget needs at least one limit"),
    "negative money": ({"usd": "-1"}, "usd: a limit cannot be negative, got '-1'"),
    "negative tokens": ({"tokens": -1}, "tokens: a limit cannot be negative, got -1"),
    "money that is no number": ({"usd": "much"}, "usd: 'much' is not a decimal number"),
    "an unknown action": ({"calls": 1, "action": "stop"}, "action: expected one of raise, clamp"),
    "an unknown choice": ({"calls": 1, "unknown": "guess"}, "unknown: expected one of allow"),
    "nobody to ask": ({"calls": 1, "action": "ask"}, "ask: action='ask' and the callable"),
    "an answer that nobody asks for": ({"calls": 1, "ask": print}, "ask: action='ask' and"),
    "money that nobody has": ({"usd": "1e400"}, "usd: expected a limit below 10^15, got '1e400'"),
    "nothing to clamp to": ({"calls": 1, "action": "clamp"}, "action: how far to clamp an answer"),
    "nowhere to cut": ({"calls": 1, "cut_streams": True}, "cut_streams: where a stream is cut"),
    "a name that is no text": ({"calls": 1, "name": 3}, "name: expected text, got 3"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_budget_that_cannot_be_is_refused_with_its_field(case: str) -> None:
    """The message begins with the field's name."""
    given, message = BAD[case]
    with pytest.raises(am.ConfigurationError, match=re.escape(message)):
        am.Budget(**given)


@pytest.mark.parametrize(
    "given", [{"usd": 0.5}, {"tokens": 1.5}, {"calls": True}, {"seconds": 1.0}]
)
def test_a_float_is_no_limit(given: dict[str, Any]) -> None:
    """Binary fractions hold no money, and a count is whole."""
    with pytest.raises(TypeError):
        am.Budget(**given)


def test_money_is_text_integer_or_decimal() -> None:
    """All three are the same exact amount."""
    assert am.Budget(usd="5").usd == am.Budget(usd=5).usd == am.Budget(usd=Decimal(5)).usd


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"by": "person"}, "by: expected one of user, tenant, feature, plan or a tag"),
        ({"per": "fortnight"}, "per: expected one of hour, day, week, month, year, ever"),
        ({"where": {"colour": "red"}}, "where: expected one of user, tenant"),
        ({"where": {"plan": 3}}, "where: plan is text, got 3"),
        ({"by": "tag:"}, "by: expected one of user, tenant"),
        ({"seconds": 3}, "seconds: time passes for a scope, not for a period"),
    ],
)
def test_a_rule_that_cannot_be_is_refused_with_its_field(
    given: dict[str, Any], message: str
) -> None:
    """By, per, where and seconds are checked as well."""
    with pytest.raises(am.ConfigurationError, match=message):
        am.BudgetRule(**{"usd": 1, **given})


def test_a_rule_is_no_budget_of_a_scope(meter: Kept) -> None:
    """The message says where rules belong, and what a scope takes."""
    with pytest.raises(am.ConfigurationError, match=r"configure\(budgets="):
        am.request(budget=am.BudgetRule(usd="1"))
    with pytest.raises(am.ConfigurationError, match=r"expected agentmeter\.Budget"):
        am.step(budget="0.50")  # type: ignore[arg-type]


def test_rules_are_pickled_to_other_processes() -> None:
    """A rule comes out as it went in."""
    rule = am.BudgetRule(by="tenant", per="day", usd="5", where={"plan": "free"})
    assert pickle.loads(pickle.dumps(rule)) == rule


def test_the_error_is_pickled_to_other_processes() -> None:
    """With its figures and its message."""
    over = am.BudgetExceeded(
        budget="b", scope="request r", measure="usd", limit=Decimal("0.5"), spent=Decimal("0.4"),
        reserved=Decimal("0.05"), needed=Decimal("0.1"),
    )  # fmt: skip
    again = pickle.loads(pickle.dumps(over))
    assert (
        str(again)
        == str(over)
        == (
            "budget 'b' of request r: the call may take 0.1 USD and 0.05 is left "
            "(of 0.5 USD 0.4 spent, 0.05 reserved)"
        )
    )
    assert (again.left, again.needed, again.measure) == (Decimal("0.05"), Decimal("0.1"), "usd")


TOML = """
[tool.agentmeter]
journal = false

[[tool.agentmeter.budget]]
by = "user"
per = "day"
usd = "5.00"
where = { plan = "free" }
action = "clamp"

[[tool.agentmeter.budget]]
by = "tag:team"
per = "month"
tokens = 2_000_000
"""


def test_rules_are_read_from_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, meter: Kept
) -> None:
    """``configure`` takes them from ``[[tool.agentmeter.budget]]``."""
    (tmp_path / "pyproject.toml").write_text(TOML)
    monkeypatch.chdir(tmp_path)
    am.configure()
    STATE.sink = meter
    assert STATE.settings["budgets"] == (
        am.BudgetRule(by="user", per="day", usd="5.00", where={"plan": "free"}, action="clamp"),
        am.BudgetRule(by="tag:team", per="month", tokens=2_000_000),
    )
    with am.request(user="u", plan="free", tags={"team": "x"}) as request:
        left = request.remaining()
        assert (left.usd, left.tokens) == (Decimal("5.00"), 2_000_000)
    with am.request(user="u", plan="pro") as request:
        assert request.remaining() == am.Remaining()


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("usd = 5.0", r"line 5: usd: money is str, int or Decimal"),
        ("usd = '-5'", r"line 5: usd: a limit cannot be negative"),
        ("usd = '5'\naction = 'ask'", r"line 6: action: a callable is needed"),
        ("usd = '5'\nseconds = 3", r"line 6: seconds: time passes for a scope"),
        ("dollars = '5'", r"line 5: dollars: unknown field"),
        ("usd = '5'\nwhere = { colour = 'red' }", r"line 6: where: expected one of user"),
        ("", r"line 2: usd: a budget needs at least one limit"),
    ],
)
def test_a_bad_rule_names_file_line_and_field(line: str, problem: str) -> None:
    """As every file that a user writes."""
    text = f"\n[[tool.agentmeter.budget]]\nby = 'user'\nper = 'day'\n{line}\n"
    with pytest.raises(am.ConfigurationError, match=f"pyproject.toml, {problem}"):
        read_rules(text, "pyproject.toml")


def test_periods_are_calendar_periods_in_utc() -> None:
    """2026-11-24 was a Tuesday: each period's start, and the instant after its end."""
    at = 1_795_563_000_000_000_000  # 2026-11-24T23:30:00Z
    assert {per: period(per, at) for per in ("hour", "day", "week", "month", "year", "ever")} == {
        "hour": ("2026-11-24T23", 1_795_564_800_000_000_000),
        "day": ("2026-11-24T00", 1_795_564_800_000_000_000),
        "week": ("2026-11-23T00", 1_795_996_800_000_000_000),
        "month": ("2026-11-01T00", 1_796_083_200_000_000_000),
        "year": ("2026-01-01T00", 1_798_761_600_000_000_000),
        "ever": ("ever", None),
    }
