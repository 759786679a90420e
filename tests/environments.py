"""Environments of their own, for libraries that cannot share one: below ``.venvs``, kept from run
to run until what they install changes.
"""

import hashlib
import json
import subprocess
import venv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


def environment(name: str, wants: Mapping[str, Any]) -> Path:
    """The interpreter of an environment with agentmeter and what ``wants`` names.

    ``packages`` are installed with what they require, ``no_dependencies`` alone. The same name in
    two folders, as in ``integrations/strands`` and ``dialects/strands``, is two environments.
    """
    folder = ROOT / ".venvs" / name
    stamp, digest = folder / "installed", _digest(wants)
    if not stamp.exists() or stamp.read_text() != digest:
        venv.create(folder, with_pip=True, clear=True)
        pip = [folder / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "-e", ROOT, *wants["packages"]], check=True)
        if wants.get("no_dependencies"):
            subprocess.run([*pip, "--no-deps", *wants["no_dependencies"]], check=True)
        stamp.write_text(digest)
    return folder / "bin" / "python"


def _digest(wants: Mapping[str, Any]) -> str:
    """Of the pins, and of what agentmeter itself requires and registers."""
    pins = [wants["packages"], wants.get("no_dependencies", [])]
    own = (ROOT / "pyproject.toml").read_text()
    return hashlib.sha256(json.dumps([pins, own]).encode()).hexdigest()
