"""Run every instrumentation for real: ``python -m tests.dialects.run [NAME …] [--keep]``.

Makes an environment for each below ``.venvs`` (kept from run to run), records what it emits against
the scripted server, and checks that it amounts to what was billed. ``--keep`` writes the recordings
to ``tests/dialects/spans``, where the ordinary tests read them.
"""

import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import orjson

from tests.dialects.check import wrong

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def main(arguments: list[str]) -> int:
    """Record and check; the number of scenarios that do not amount to their bill."""
    known = tomllib.loads((HERE / "environments.toml").read_text())
    names = [name for name in arguments if not name.startswith("--")] or list(known)
    failed = passed = 0
    for name in names:
        lines = _recorded(name, _environment(name, known[name]))
        if "--keep" in arguments:
            (HERE / "spans" / f"{name}.jsonl").write_bytes(lines)
        for line in lines.splitlines():
            entry = orjson.loads(line)
            problem = wrong(entry)
            failed, passed = failed + bool(problem), passed + (not problem)
            print(f"{name}: {entry['scenario']}: {problem or 'ok'}")
    print(f"{passed} passed, {failed} failed")
    return failed


def _environment(name: str, wants: dict[str, list[str]]) -> Path:
    folder = ROOT / ".venvs" / name
    stamp = folder / "installed"
    wanted, alone = "\n".join(wants["packages"]), wants.get("no_dependencies", [])
    if not stamp.exists() or stamp.read_text() != wanted:
        venv.create(folder, with_pip=True, clear=True)
        pip = [folder / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "-e", ROOT, *wants["packages"]], check=True)
        if alone:
            subprocess.run([*pip, "--no-deps", *alone], check=True)
        stamp.write_text(wanted)
    return folder / "bin" / "python"


def _recorded(name: str, python: Path) -> bytes:
    command = [python, "-m", "tests.dialects.record", name]
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
