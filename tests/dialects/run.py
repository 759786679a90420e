"""Run every instrumentation for real: ``python -m tests.dialects.run [NAME …] [--keep]``.

Makes an environment for each below ``.venvs`` (kept from run to run), records what it emits against
the scripted server, and checks that it amounts to what was billed. ``--keep`` writes the recordings
to ``tests/dialects/spans``, where the ordinary tests read them.
"""

import subprocess
import sys
import tomllib
from pathlib import Path

import orjson

from tests.dialects.check import wrong
from tests.environments import ROOT, environment

HERE = Path(__file__).parent


def main(arguments: list[str]) -> int:
    """Record and check; the number of scenarios that do not amount to their bill."""
    known = tomllib.loads((HERE / "environments.toml").read_text())
    names = [name for name in arguments if not name.startswith("--")] or list(known)
    failed = passed = 0
    for name in names:
        lines = _recorded(name, environment(f"dialects/{name}", known[name]))
        if "--keep" in arguments:
            (HERE / "spans" / f"{name}.jsonl").write_bytes(lines)
        for line in lines.splitlines():
            entry = orjson.loads(line)
            problem = wrong(entry)
            failed, passed = failed + bool(problem), passed + (not problem)
            print(f"{name}: {entry['scenario']}: {problem or 'ok'}")
    print(f"{passed} passed, {failed} failed")
    return failed


def _recorded(name: str, python: Path) -> bytes:
    command = [python, "-m", "tests.dialects.record", name]
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
