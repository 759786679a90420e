"""The README is executed; importing does nothing and is quick to do."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_readme_runs(tmp_path: Path) -> None:
    """Every Python block of the README runs as it stands, in one program."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert blocks
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(blocks)], cwd=tmp_path, capture_output=True, text=True
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
