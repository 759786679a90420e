"""Programs that are run with ``agentmeter run`` or ``opentelemetry-instrument``."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ASK = """
import os, openai

def ask(model="gpt-5"):
    with openai.OpenAI(base_url=os.environ["MODELS"], api_key="test") as client:
        client.chat.completions.create(model=model, messages=[])
"""


def environment(**given: str) -> dict[str, str]:
    own = {key: value for key, value in os.environ.items() if not key.startswith("AGENTMETER")}
    return {**own, **given}


def run(command: list[str], folder: Path, **given: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        env=environment(**given),
        capture_output=True,
        text=True,
        timeout=120,
    )


def metered(folder: Path, *arguments: str, **given: str) -> subprocess.CompletedProcess[str]:
    """``agentmeter run`` with the arguments."""
    return run([sys.executable, "-m", "agentmeter.cli", "run", *arguments], folder, **given)


def reported(folder: Path) -> dict[str, Any]:
    """The report over the folder's journal."""
    done = run([sys.executable, "-m", "agentmeter.cli", "report", "--json"], folder)
    assert done.returncode == 0, done.stderr
    values: dict[str, Any] = json.loads(done.stdout)
    return values
