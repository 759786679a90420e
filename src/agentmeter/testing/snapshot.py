"""Cost snapshots: what each test cost when somebody last agreed to it, as a file of JSON."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from agentmeter.exceptions import ConfigurationError
from agentmeter.model.money import CONTEXT, exact, plain
from agentmeter.testing.costs import MeteredCost

_VERSION = 1
Figures = Mapping[str, Decimal]
"""Measures by name: ``USD`` and other currencies, ``tokens``, ``calls``."""


@dataclass(frozen=True, slots=True)
class Change:
    """One measure of one test, as it was agreed to and as it is now."""

    test: str
    measure: str
    before: Decimal
    now: Decimal

    def __str__(self) -> str:
        grown = ""
        if self.before:
            by = CONTEXT.divide(CONTEXT.subtract(self.now, self.before), self.before)
            grown = f"  {CONTEXT.multiply(by, 100):+.1f} %"
        return f"{self.measure:>8}  {plain(self.before)} → {plain(self.now)}{grown}"


def figures(cost: MeteredCost) -> dict[str, Decimal]:
    """A cost as measures by name."""
    counts = {"tokens": Decimal(cost.tokens), "calls": Decimal(cost.calls)}
    return {**dict(sorted(cost.amounts.items())), **counts}


def dearer(
    before: Mapping[str, Figures], now: Mapping[str, Figures], percent: Decimal
) -> list[Change]:
    """What has grown by more than ``percent``, of the tests that are in both."""
    factor = CONTEXT.add(1, CONTEXT.divide(percent, 100))
    return [
        Change(test, measure, before[test].get(measure, Decimal(0)), value)
        for test, measures in now.items()
        if test in before
        for measure, value in measures.items()
        if value > CONTEXT.multiply(before[test].get(measure, Decimal(0)), factor)
    ]


def read_snapshot(file: Path) -> dict[str, dict[str, Decimal]]:
    """The figures of a file, by test; none where there is no file.

    Raises ``ConfigurationError`` for a file that cannot be read, with what to do.
    """
    try:
        said = json.loads(file.read_text("utf-8"))
        if said["version"] != _VERSION:
            raise ValueError(f"version {said['version']!r}, and this one reads {_VERSION}")
        return {
            test: {name: exact(value, f"{test}: {name}") for name, value in measures.items()}
            for test, measures in said["tests"].items()
        }
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(
            f"{file}: no snapshot of costs ({error}); remove it, and write a new one with "
            "--agentmeter-update"
        ) from error


def write_snapshot(file: Path, tests: Mapping[str, Figures]) -> None:
    """Write the figures, in an order that makes for small differences."""
    listed = {test: {name: _said(name, value) for name, value in tests[test].items()}
              for test in sorted(tests)}  # fmt: skip
    text = json.dumps({"version": _VERSION, "tests": listed}, indent=2, ensure_ascii=False)
    file.write_text(f"{text}\n", "utf-8")


def _said(name: str, value: Decimal) -> Any:
    return int(value) if name in ("tokens", "calls") else plain(value)
