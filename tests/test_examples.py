"""Every example runs as it stands, offline."""

import runpy
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from agentmeter.testing.conformance import Case, cases

EXAMPLES = Path(__file__).parents[1] / "examples"
OWN = runpy.run_path(str(EXAMPLES / "own_integration.py"))


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.py")), ids=lambda file: file.stem)
def test_it_runs(file: Path, tmp_path: Path) -> None:
    """It ends well, says something, and complains of nothing."""
    done = subprocess.run([sys.executable, file], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


@pytest.mark.parametrize("case", cases(OWN["SUBJECT"]), ids=str)
def test_an_integration_of_ones_own_conforms(case: Case) -> None:
    """The third party's integration holds what ours hold."""
    case.run()


def test_the_suite_notices_what_does_not_conform(monkeypatch: pytest.MonkeyPatch) -> None:
    """An integration that loses the cached tokens fails, and is told by how much."""
    facts = OWN["facts"]

    def lossy(answer: dict, provider: str) -> object:
        return facts({**answer, "tokens": {**answer["tokens"], "reused": 0}})

    (plain,) = [case for case in cases(OWN["SUBJECT"]) if str(case) == "plain"]
    endpoint = replace(OWN["GENERATE"], facts=lossy)
    monkeypatch.setitem(OWN["_begin"].__globals__, "GENERATE", endpoint)
    with pytest.raises(AssertionError, match=r"metered \(0, .* wanted \(1000, "):
        plain.run()


def test_what_should_we_charge(tmp_path: Path) -> None:
    """The day is the same every time, and the answer with it."""
    file = EXAMPLES / "what_should_we_charge.py"
    said, again = (
        subprocess.run([sys.executable, file], cwd=tmp_path, capture_output=True, text=True).stdout
        for _ in range(2)
    )
    assert "600 requests of 59 users" in said
    assert "What should we charge? 0.023337 a request for a margin of 20 %" in said
    assert said == again


def test_the_live_service(tmp_path: Path) -> None:
    """Three users under three plans see what they are charged, live and on a receipt."""
    file = EXAMPLES / "live_service.py"
    done = subprocess.run([sys.executable, file], cwd=tmp_path, capture_output=True, text=True)
    work = "Worked on your question x 1, Searched the handbook x 2"
    told = [line for line in done.stdout.splitlines() if "receipt: " not in line]
    assert told == [
        "ann (free): X-Request-Cost: 0 USD",
        f"  live: end, 0 USD, {work}",
        "ben (pro): X-Request-Cost: 0 USD",
        f"  live: end, 0 USD, {work}",
        "cleo (usage): X-Request-Cost: 0.0204 USD",
        f"  live: end, 0.0204 USD, {work}",
        "a forged token: 404 this token is none that was given out for a request",
    ]
