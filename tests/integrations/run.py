"""Test integrations of libraries that cannot share the main environment:
``python -m tests.integrations.run [NAME …]``.

Makes an environment for each entry of ``environments.toml``, and runs its test files there; ``main``
is the environment that this runs in. What the tests came to is kept in ``results``.
"""

import subprocess
import sys
import tomllib
from pathlib import Path

from tests.environments import ROOT, environment
from tests.integrations.results import FOLDER

HERE = Path(__file__).parent
MAIN = "main"


def main(names: list[str]) -> int:
    """Run them; how many environments had a failure."""
    known = tomllib.loads((HERE / "environments.toml").read_text())
    failed = 0
    for name in names or [MAIN, *known]:
        python = (
            sys.executable if name == MAIN else environment(f"integrations/{name}", known[name])
        )
        files = [HERE] if name == MAIN else [HERE / file for file in known[name]["tests"]]
        print(f"{name}:", flush=True)
        command = [python, "-m", "pytest", "--results", FOLDER / f"{name}.json", *files]
        failed += subprocess.run(command, cwd=ROOT).returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
