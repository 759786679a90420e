"""A thousand requests at once: what was billed is on the requests, each token on its own."""

import json
import subprocess
import sys
from pathlib import Path

from agentmeter.report.report import build
from agentmeter.store.reader import read
from tests.stress.program import CALLS

ROOT = Path(__file__).parents[2]


def test_a_thousand_requests_at_once_are_billed_to_the_token(tmp_path: Path) -> None:
    """Threads, tasks, generators, processes and an HTTP hop, with three instrumentations on."""
    command = [sys.executable, "-m", "tests.stress.program", str(tmp_path / "j"), "1000"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    billed = json.loads(done.stdout.splitlines()[-1])
    contents = read(tmp_path / "j")
    assert contents.problems == []
    report = build(contents.entries, contents.tariffs)
    assert report.unattributed is not None
    assert report.unattributed.calls == 1
    assert len(report.requests) == 1000
    for one in report.requests:
        kind = str(one.view.owner.user).rpartition("-")[0]
        assert one.calls == CALLS[kind], str(report.only(one.request_id))
        assert one.usage.total_tokens == 107 * CALLS[kind]
        assert one.missing == ()
        assert one.view.missing == ()
    usage = report.usage
    assert (usage.total_input, usage.total_output) == (billed["input"], billed["output"])
    assert sum(one.attempts - one.calls for one in report.requests) == 20
