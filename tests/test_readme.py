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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_page_runs(page: Path, tmp_path: Path) -> None:
    """Every Python block of the README and of the documents runs, one program a page.

    A client that is made without an address talks to a scripted server.
    """
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    with ModelServer(default=Reply(input=812, output=77)) as server:
        scripted = {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": "test"}
        done = subprocess.run(
            [sys.executable, "-c", "\n".join(blocks)],
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
