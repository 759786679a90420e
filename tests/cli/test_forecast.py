"""``agentmeter forecast``, as a person runs it."""

import json
from pathlib import Path

import pytest
from tests.cli.test_commands import agentmeter

import agentmeter as am
from agentmeter.runtime.state import STATE
from agentmeter.store.journal import Journal
from agentmeter.testing import Kept


@pytest.fixture
def folder(meter: Kept, tmp_path: Path) -> Path:
    """Forty-two requests of one, two or three iterations, 1,000 input tokens each."""
    STATE.sink = journal = Journal(tmp_path / ".agentmeter", lambda *fault: pytest.fail(str(fault)))
    for turns in [1, 2, 3] * 14:
        with am.request(feature="research", user="u-1", tags={"team": "a"}):
            for _ in range(turns):
                with am.call(provider="openai", model="gpt-5") as call:
                    call.record(am.Usage(input=1_000))
    assert journal.flush()
    return tmp_path


def test_a_forecast_in_plain_language(folder: Path) -> None:
    """Without options it is of any request; the table names shares of a hundred."""
    shown = agentmeter("forecast", cwd=folder).stdout.splitlines()
    assert shown[0] == "A request, from 42 requests like it (2026-09-21 to 2026-09-21):"
    assert [" ".join(line.split()) for line in shown[2:]] == [
        "cost tokens",
        "on average $0.002500 2,000",
        "50 of 100 at most $0.002500 2,000",
        "90 of 100 at most $0.003750 3,000",
        "95 of 100 at most $0.003750 3,000",
        "99 of 100 at most not known not known",
        "50 of 100 between $0.001250 and $0.003750 1,000 and 3,000",
        "80 of 100 between $0.001250 and $0.003750 1,000 and 3,000",
        "95 of 100 between $0.001250 and $0.003750 1,000 and 3,000",
        "",
        "These shares hold at the least, as long as requests come as the recorded ones did.",
    ]


def test_every_option_reaches_the_forecast(folder: Path) -> None:
    """Conditions and the state mid-run come back in the document, with what they led to."""
    options = [
        "--feature",
        "research",
        "--model",
        "gpt-5",
        "--user",
        "u-1",
        "--tag",
        "team=a",
        "--iteration",
        "2",
    ]
    done = agentmeter("forecast", *options, "--spent", "0.0025", "--json", cwd=folder)
    made = json.loads(done.stdout)
    assert made["asked"] == {
        "feature": "research",
        "model": "gpt-5",
        "input_tokens": None,
        "user": "u-1",
        "tenant": None,
        "plan": None,
        "iteration": 2,
        "spent": "0.0025",
        "tags": {"team": "a"},
    }
    assert (made["n"], made["remaining"], made["cold_start"]) == (28, True, True)
    assert made["tokens"]["quantiles"] == {"p50": 1000, "p90": 1000, "p95": 1000, "p99": None}
    assert made["basis"]["conditions"] == {"feature": "research", "model": "gpt-5"}
    wide = agentmeter("forecast", "--input-tokens", "2000", cwd=folder).stdout
    assert (
        "No request like this one had 2,000 input tokens; the figures are of the nearest." in wide
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--input-tokens", "-3"), "input_tokens: must be 0 or more, got -3"),
        (("--spent", "much", "--iteration", "1"), "spent: 'much' is not a decimal number"),
        (("--spent", "1"), "spent: say with 'iteration' by which iteration it was spent"),
        (("--tag", "team"), "--tag team: write it as NAME=VALUE"),
        (("nowhere",), "nowhere: no such file or folder"),
    ],
)
def test_what_cannot_be_asked_is_said(tmp_path: Path, options: tuple[str, ...], said: str) -> None:
    """Bad figures and an absent source end the command with a sentence."""
    done = agentmeter("forecast", *options, cwd=tmp_path)
    assert done.returncode == 1
    assert said in done.stderr


def test_a_feature_never_seen(folder: Path) -> None:
    """That nothing is known is an answer, and no error."""
    done = agentmeter("forecast", "--feature", "poetry", cwd=folder)
    assert done.returncode == 0
    assert done.stdout == "No recorded request has feature poetry; nothing can be said yet.\n"
