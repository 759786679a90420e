"""One request through every floor: scopes, records, journal, attribution, tariffs, report."""

from pathlib import Path

import pytest

import agentmeter as am
from agentmeter.report.report import build
from agentmeter.runtime.state import STATE
from agentmeter.store.journal import Journal
from agentmeter.store.reader import read
from agentmeter.testing import Kept


@am.agent
def plan() -> None:
    """One call of 1,200 input, 1,000 of it cached, and 60 output, 16 of it reasoning."""
    with am.call(provider="openai", model="gpt-5") as call:
        call.record(
            {
                "prompt_tokens": 1200,
                "completion_tokens": 60,
                "prompt_tokens_details": {"cached_tokens": 1000},
                "completion_tokens_details": {"reasoning_tokens": 16},
            }
        )
    am.charge("serpapi.search", usd="0.005")


def test_live_figures_equal_the_report(meter: Kept) -> None:
    """What ``request.cost`` says live is what the report says, to the last digit."""
    with am.request(user="u-17", tenant="acme") as request:
        plan()
    # 200 x 1.25/M + 1000 x 0.125/M + 60 x 10/M + 0.005
    assert str(request.cost) == "0.005975 USD"
    document = request.report().to_json()["requests"][0]
    assert document["cost"] == {"amount": "0.005975", "currency": "USD"}
    assert document["usage"] == {"cache_read": 1000, "input": 200, "output": 44, "reasoning": 16}
    assert document["evidence"] == {"charged": 1, "reported": 1}
    assert meter.report().to_json()["requests"][0] == document


def test_the_journal_gives_the_same_report(meter: Kept, tmp_path: Path) -> None:
    """The report from the journal's file equals the one in process."""
    journal = Journal(tmp_path, lambda where, error, count: pytest.fail(f"{where} {error} {count}"))
    STATE.sink = journal
    with am.request("ask", user="u", tags={"a": "b"}) as request:
        plan()
        with am.branch("other") as branch:
            plan()
        branch.discard()
    assert journal.flush()
    contents = read(tmp_path)
    assert contents.problems == []
    assert build(contents.entries, contents.tariffs).to_json() == request.report().to_json()
    assert request.report().to_json()["requests"][0]["waste"]["amount"] == "0.005975"


def test_work_outside_of_a_request_is_unattributed(meter: Kept) -> None:
    """A call without a request is counted as unattributed, with its cost."""
    with am.call(provider="openai", model="gpt-5") as call:
        call.record(am.Usage(input=1000))
    document = meter.report().to_json()
    assert document["requests"] == []
    assert document["unattributed"]["usage"] == {"input": 1000}
    assert document["unattributed"]["cost"]["amount"] == "0.00125"
