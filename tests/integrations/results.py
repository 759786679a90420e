"""What a run of the integrations' tests came to, kept by environment: ``results/NAME.json``.

Which versions were there, how many tests of each integration passed, and which behaviours of the
conformance suite hold for all of its subjects. The page on integrations is made of these.
"""

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from agentmeter.integration import available

FOLDER = Path(__file__).parent / "results"


@dataclass(slots=True)
class Results:
    """The outcomes of one environment, by integration."""

    versions: dict[str, str] = field(default_factory=dict)
    """Installed versions of the distributions that integrations name."""
    tests: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """``passed``, ``failed`` and ``skipped`` tests by integration."""
    conforms: dict[str, dict[str, bool]] = field(default_factory=lambda: defaultdict(dict))
    """Behaviours of the conformance suite by integration; whether they hold."""

    def take(self, integration: str, behaviour: str | None, outcome: str) -> None:
        """Count one test."""
        self.tests[integration][outcome] += 1
        if behaviour is not None and outcome != "skipped":
            held = self.conforms[integration].get(behaviour, True)
            self.conforms[integration][behaviour] = held and outcome == "passed"

    def write(self, file: Path) -> None:
        """Keep them, in an order that does not depend on that of the tests."""
        values = {
            "versions": self.versions,
            "tests": {name: dict(counts) for name, counts in self.tests.items()},
            "conforms": self.conforms,
        }
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(values, indent=1, sort_keys=True) + "\n")


def read_results(folder: Path = FOLDER) -> dict[str, Results]:
    """The kept results by environment."""
    found = {}
    for file in sorted(folder.glob("*.json")):
        values = json.loads(file.read_text())
        tests = {name: Counter(counts) for name, counts in values["tests"].items()}
        found[file.stem] = Results(values["versions"], tests, values["conforms"])
    return found


def integrations() -> dict[str, Any]:
    """Every integration's class, by name."""
    return {name: point.load() for name, point in sorted(available().items())}


def installed(integration: Any) -> dict[str, str]:
    """The versions of what an integration supports that are here."""
    found = {}
    for distribution in getattr(integration, "supported", {}):
        try:
            found[distribution] = version(distribution)
        except PackageNotFoundError:
            continue
    return found


def integration_of(stem: str, names: set[str]) -> str | None:
    """The integration that ``test_openai_agents_raw`` is about: the longest name that it begins."""
    words = stem.removeprefix("test_").replace("_", "-")
    fitting = [name for name in names if words == name or words.startswith(f"{name}-")]
    return max(fitting, key=len, default=None)
