"""The README and the documents are executed; importing does nothing and is quick to do."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from agentmeter.testing import ModelServer, Reply

ROOT = Path(__file__).parents[1]


PAGES = [
    page
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
    if "```python" in page.read_text()
]


CONSOLE = """
import shlex as _shlex, subprocess as _subprocess, sys as _sys

def _run(command, *told):
    line = [_sys.executable, "-m", "agentmeter.cli", *_shlex.split(command)[1:]]
    done = _subprocess.run(line, capture_output=True, text=True)
    assert done.returncode == 0, (command, done.stderr)
    at = 0
    for part in told:
        assert part in done.stdout[at:], (command, part, done.stdout)
        at = done.stdout.index(part, at)
"""
"""Runs a command of a page: what the page says it tells is told, in that order."""


def as_program(page: str) -> str:
    """The Python blocks of a page and the commands of its console blocks, one after another."""
    found = re.findall(r"```(python|console)\n(.*?)```", page, re.DOTALL)
    return "\n".join([CONSOLE, *(_block(kind, text) for kind, text in found)])


def _block(kind: str, text: str) -> str:
    if kind == "python":
        return text
    runs = []
    for command, told in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", text, re.MULTILINE):
        parts = [part.strip() for part in re.split("\n|…", told) if part.strip()]
        runs.append(f"_run({', '.join(map(repr, [command, *parts]))})")
    return "\n".join(runs)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_page_runs(page: Path, tmp_path: Path) -> None:
    """Every Python block and command of the README and of the documents, one program a page.

    A client that is made without an address talks to a scripted server.
    """
    with ModelServer(default=Reply(input=812, output=77)) as server:
        scripted = {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": "test"}
        done = subprocess.run(
            [sys.executable, "-c", as_program(page.read_text())],
            cwd=tmp_path,
            env={**os.environ, **scripted},
            capture_output=True,
            text=True,
        )
    assert done.returncode == 0, done.stderr


def test_importing_loads_nothing_heavy(tmp_path: Path) -> None:
    """Prices, tokenizer, command line and clients load at first use; no file is made."""
    heavy = ("genai_prices", "tiktoken", "click", "rich", "openai", "pydantic", "duckdb")
    program = f"import sys, agentmeter; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout == "[]\n", done.stderr
    assert list(tmp_path.iterdir()) == []
