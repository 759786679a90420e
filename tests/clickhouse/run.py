"""Run the tests on ClickHouse's engine: ``python -m tests.clickhouse.run [PYTEST ARGUMENTS]``.

Makes an environment with the engine and one with a collector below ``.venvs``, kept from run to
run; where no collector can be had the end-to-end test says so and is skipped.
"""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

from tests.environments import ROOT, environment

HERE = Path(__file__).parent
COLLECTOR = "AGENTMETER_TEST_ROTEL"


def main(arguments: list[str]) -> int:
    """Run them; pytest's own exit code."""
    known = tomllib.loads((HERE / "environments.toml").read_text())
    python = environment("clickhouse", known["clickhouse"])
    command = [python, "-m", "pytest", "-rs", *(arguments or ["tests/clickhouse"])]
    here = os.environ | _collector(known)
    return subprocess.run(command, cwd=ROOT, check=False, env=here).returncode


def _collector(known: dict[str, dict[str, list[str]]]) -> dict[str, str]:
    try:
        folder = environment("rotel", known["rotel"]).parents[1]
    except subprocess.CalledProcessError:
        return {}
    found = next(folder.glob("lib/*/site-packages/rotel/rotel-agent"), None)
    return {COLLECTOR: str(found)} if found is not None else {}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
