"""An application's own decimal context: whatever it is, the figures are the same."""

import subprocess
import sys
from pathlib import Path

HOSTILE = """
import decimal
decimal.setcontext(decimal.Context(prec=1, rounding=decimal.ROUND_UP, traps=[
    decimal.Inexact, decimal.Rounded, decimal.FloatOperation, decimal.InvalidOperation]))
decimal.DefaultContext.prec = 1
"""
PROGRAM = """
import json
from pathlib import Path
import agentmeter as am
from agentmeter.cli.app import app
from agentmeter.runtime.faults import FAULTS
from agentmeter.testing import metered
from agentmeter.web.cost import cost_headers

PLANS = '''
[exchange]
EUR = "1.0837"
[[plan]]
name = "pro"
tax = "19"
included = "0.01"
[[plan.fee]]
amount = "20"
[[plan.charge]]
for = "tokens"
input = "3.3333333"
output = "7.77777"
[[plan.charge]]
name = "Answers"
for = "requests"
allowance = "1.5"
price = "0.0512345"
[[plan]]
name = "eu"
currency = "EUR"
[[plan.charge]]
for = "cost"
markup = "33.3"
'''
SHOWN = dict(show_cost=True, show_margin=True, show_prices=True)
Path("plans.toml").write_text(PLANS)
am.configure(directory="journal", plans="plans.toml")
for number, plan in enumerate(("pro", "eu", "pro")):
    budget = am.Budget(usd="0.01234567", tokens=12_345)
    with am.request("ask", id=f"r-{number}", user="u", plan=plan, budget=budget) as request:
        with am.call(provider="openai", model="gpt-5") as call:
            call.record(am.Usage(input=1234, cache_read=567, output=891))
        am.charge("x", usd="0.00123456789")
        print(request.remaining(), request.cost, request.amounts)
        try:
            am.charge("x", usd="0.00123456789")
        except am.BudgetExceeded as error:
            print(error, error.left)
    receipt = request.receipt(**SHOWN).to_json()
    print(json.dumps([receipt[one] for one in ("charge", "cost", "margin", "prices")]))
    print([told for told in cost_headers(request, "charge") if told[0] == "X-Request-Cost"])
    print(str(request.receipt(**SHOWN)).partition("What it cost you")[2])
    print(am.forecast(iteration=1, spent="0.00123456").to_json()["cost"])
am.flush()
PLANS = ("--plans", "plans.toml")
for command in (
    ("plans", "compare", "journal", *PLANS, "--period", "day", "--svg", "plans.svg"),
    ("plans", "compare", "journal", *PLANS, "--json", "--mix", "user=u:1.5"),
    ("plans", "invoice", "journal", *PLANS, "--plan", "pro", "--json"),
    ("plans", "invoice", "journal", *PLANS, "--plan", "eu"),
    ("plans", "show", *PLANS),
    ("forecast", "journal"),
    ("report", "journal", "--by", "origin"),
    ("report", "journal", "--html", "cost.html"),
):
    app(command, standalone_mode=False)
print(Path("plans.svg").read_text())
print(FAULTS.counts())
"""


def test_no_figure_depends_on_the_ambient_context(tmp_path: Path) -> None:
    """One digit, always up, and every inexact result an error: from the call to the invoice."""
    told = []
    for name, program in (("plain", PROGRAM), ("hostile", HOSTILE + PROGRAM)):
        folder = tmp_path / name
        folder.mkdir()
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        told.append(done.stdout)
    assert "is left (of 0.01234567 USD" in told[0]
    assert told[0] == told[1]
