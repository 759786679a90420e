"""Test integrations of libraries that cannot share the main environment:
``python -m tests.integrations.run [NAME …]``.

Makes an environment for each entry of ``environments.toml``, and runs its test files there.
"""

import subprocess
import sys
import tomllib
from pathlib import Path

from tests.environments import ROOT, environment

HERE = Path(__file__).parent


def main(names: list[str]) -> int:
    """Run them; how many environments had a failure."""
    known = tomllib.loads((HERE / "environments.toml").read_text())
    failed = 0
    for name in names or list(known):
        python = environment(name, known[name])
        files = [HERE / file for file in known[name]["tests"]]
        print(f"{name}:", flush=True)
        failed += subprocess.run([python, "-m", "pytest", *files], cwd=ROOT).returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
