"""The command line, as a person runs it."""

import json
import os
import subprocess
import sys
from pathlib import Path


def agentmeter(*args: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    env = {key: value for key, value in os.environ.items() if not key.startswith("AGENTMETER")}
    return subprocess.run(
        [sys.executable, "-m", "agentmeter.cli", *args],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=env,
        timeout=120,
    )


def test_the_demo_and_its_report(tmp_path: Path) -> None:
    """The demo shows three requests of very different size, and the journal reports the same."""
    demo = agentmeter("demo", cwd=tmp_path)
    assert demo.returncode == 0, demo.stderr
    assert "2 attempts (503, 200)" in demo.stdout
    assert "The journal is in .agentmeter/" in demo.stdout
    document = json.loads(agentmeter("report", "--json", cwd=tmp_path).stdout)
    by_user = {one["user"]: one for one in document["requests"]}
    assert by_user["u-1"]["usage"] == {"input": 840, "output": 192}
    assert by_user["u-2"]["calls"] == 12
    assert by_user["u-2"]["attempts"] == 13
    assert by_user["u-3"]["evidence"] == {"at_least": 1}
    cost = by_user["u-3"]["cost"]
    assert by_user["u-3"]["waste"] == {**cost, "by_reason": {"cancelled call": cost}}
    assert document["faults"] == {}
    one = agentmeter("report", "--request", by_user["u-2"]["request_id"][:10], cwd=tmp_path)
    assert "branch history" in one.stdout
    assert "discarded" in one.stdout
    rows = json.loads(agentmeter("report", "--by", "tool", "--json", cwd=tmp_path).stdout)["rows"]
    assert sum(row["calls"] for row in rows) == sum(one["calls"] for one in by_user.values())
    assert "researcher #2" in agentmeter("report", "--by", "iteration", cwd=tmp_path).stdout
    refused = agentmeter("report", "--by", "mood", cwd=tmp_path)
    assert "cannot break down by 'mood'; there are agent, step" in refused.stderr


def test_no_journal_is_said_plainly(tmp_path: Path) -> None:
    """Without a journal the command says what to do and fails."""
    done = agentmeter("report", cwd=tmp_path)
    assert done.returncode == 1
    assert "no such file or folder; run an instrumented program first" in done.stderr


def test_an_unknown_request_is_said(tmp_path: Path) -> None:
    """A request that is not there is refused, with where to look for those that are."""
    agentmeter("demo", cwd=tmp_path)
    done = agentmeter("report", "--request", "zzz", cwd=tmp_path)
    assert done.returncode == 1
    assert "no request's id is or begins with 'zzz'; agentmeter report lists" in done.stderr


def test_faults_of_ended_processes_and_the_projects_folder(tmp_path: Path) -> None:
    """The doctor shows what a process that has ended counted, from the folder the project names."""
    (tmp_path / "pyproject.toml").write_text('[tool.agentmeter]\ndirectory = "kept"\n')
    program = (
        "import agentmeter as am\n"
        "from agentmeter.runtime.faults import FAULTS\n"
        "with am.request(user=lambda: 1 / 0):\n"
        "    FAULTS.count('planned', times=3)\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True, timeout=60)
    assert list((tmp_path / "kept").glob("*.jsonl"))
    doctor = agentmeter("doctor", cwd=tmp_path)
    assert "journal: kept, 2 entries" in doctor.stdout
    assert "  3 x planned" in doctor.stdout
    assert "  1 x owner field 'user': a callable needs a decorated function" in doctor.stdout


def test_a_bad_setting_is_left_out_and_the_journal_stays(tmp_path: Path) -> None:
    """Two settings that cannot be used are told by the doctor; what was metered is on record."""
    (tmp_path / "r.toml").write_text('[[rate]]\nmodel = "m"\ninptu = "1"\n')
    program = (
        "import agentmeter as am\n"
        "with am.request(user='u'), am.call(provider='openai', model='gpt-5') as call:\n"
        "    call.record(am.Usage(input=8))\n"
    )
    env = {**os.environ, "AGENTMETER_RATE_CARD": "r.toml", "AGENTMETER_PROVENANCE": "maybe"}
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True, timeout=60, env=env)
    document = json.loads(agentmeter("report", "--json", cwd=tmp_path).stdout)
    assert document["requests"][0]["cost"] == {"amount": "0.00001", "currency": "USD"}
    doctor = agentmeter("doctor", cwd=tmp_path).stdout
    assert "r.toml, line 3: inptu: unknown field" in doctor
    assert "provenance (AGENTMETER_PROVENANCE): 'maybe' is neither true nor false" in doctor
