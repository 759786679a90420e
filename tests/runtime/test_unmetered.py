"""The hint that a client is there and not metered."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

NOTICE = (
    "openai is imported and not metered, and a request ended without a call: "
    "call agentmeter.instrument()"
)
PROGRAM = """
import json, openai
import agentmeter as am
from agentmeter.runtime.faults import FAULTS
from agentmeter.testing import ModelServer, Reply

am.configure(journal=False)
{before}
with ModelServer(default=Reply(input=7, output=1)) as server:
    client = openai.OpenAI(base_url=server.base_url, api_key="test")
    for _ in range(2):
        with am.request(user="u"):
            {inside}
print(json.dumps(FAULTS.counts()))
"""
ASKS = "client.chat.completions.create(model='gpt-5', messages=[])"


@pytest.mark.parametrize(
    ("before", "inside", "faults"),
    [
        ("", ASKS, {NOTICE: 1}),
        ("am.instrument('anthropic')", ASKS, {NOTICE: 1}),
        ("am.instrument()", ASKS, {}),
        ("am.instrument()", "pass", {}),
        ("", "am.charge('search', usd='1')", {}),
    ],
)
def test_a_request_without_a_call_beside_a_client_that_is_not_metered_is_noted_once(
    before: str, inside: str, faults: dict[str, int], tmp_path: Path
) -> None:
    """Counted and logged once in the process, and not where all is well."""
    program = PROGRAM.format(before=before, inside=inside)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == faults
    assert done.stderr.count(NOTICE) == len(faults)


def test_a_request_that_failed_is_not_looked_at(tmp_path: Path) -> None:
    """It may have failed before it came to its call."""
    program = (
        PROGRAM.format(before="import contextlib", inside="")
        .replace(
            'with am.request(user="u"):',
            'with contextlib.suppress(KeyError), am.request(user="u"):',
        )
        .replace("            \n", "            raise KeyError\n")
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert (json.loads(done.stdout), done.stderr) == ({}, "")
