"""The page on integrations, made of their classes and of what their tests came to:
``python -m tests.integrations.table`` writes ``docs/integrations.md``.
"""

import inspect
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from packaging.version import Version
from tests.environments import ROOT
from tests.integrations.results import Results, integrations, read_results

from agentmeter.testing.conformance import BEHAVIOURS

PAGE = ROOT / "docs" / "integrations.md"

_HEAD = """# Integrations

`am.instrument()` switches on every integration whose library is installed, when the application
imports it; `agentmeter doctor` says which those are on a machine, and what could be lost. This page
is written by `python -m tests.integrations.table` from the integrations' own classes and from what
their tests came to, each against the real library: `make test-integrations`.
"""
_CONFORMANCE = """
## The conformance suite

What every client has to hold, with the oldest and the newest version; *metered equals billed* in
each: `agentmeter.testing.conformance`.
"""
_FOR_ALL = """
## What nobody can know

* A stream that is cut, closed or cancelled ends before its usage is told: its output is counted with
  a tokenizer and holds *at least* so much; reasoning that was not shown is not in it.
* What a server never states is counted where the text is at hand and marked as an estimate; where it
  is not, it is unknown, which is never zero.
* Calls that were made before `am.instrument()`, and by methods that somebody copied before it.
* A library without an integration: `agentmeter doctor` names it. Put its calls into
  `agentmeter.call()`, or [write an integration](../examples/own_integration.py).
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is known of one integration from the results of all environments."""

    versions: Mapping[str, tuple[str, str]]
    """Distribution → the oldest and the newest version with which its tests passed."""
    passed: int
    failed: int
    behaviours: Mapping[str, bool]
    """Behaviours of the conformance suite; whether they hold in every environment."""


def outcome_of(name: str, distributions: Iterable[str], results: Mapping[str, Results]) -> Outcome:
    """The results of one integration over all environments."""
    theirs = [one for one in results.values() if one.tests.get(name, {}).get("passed")]
    good = [one for one in theirs if not one.tests[name]["failed"]]
    versions = {}
    for distribution in distributions:
        found = [one.versions[distribution] for one in good if distribution in one.versions]
        if found:
            versions[distribution] = (min(found, key=Version), max(found, key=Version))
    behaviours: dict[str, bool] = {}
    for one in theirs:
        for behaviour, holds in one.conforms.get(name, {}).items():
            behaviours[behaviour] = behaviours.get(behaviour, True) and holds
    counts = [one.tests[name] for one in theirs]
    return Outcome(
        versions,
        sum(one["passed"] for one in counts),
        sum(one["failed"] for one in counts),
        behaviours,
    )


def page(results: Mapping[str, Results] | None = None) -> str:
    """The whole page."""
    results = read_results() if results is None else results
    every = {
        name: (one, outcome_of(name, getattr(one, "supported", {}), results))
        for name, one in integrations().items()
    }
    rows = [
        (
            "integration",
            "library",
            "oldest tested",
            "newest tested",
            "covered",
            "not known",
            "tests",
        ),
        *(_row(name, *both) for name, both in every.items()),
    ]
    conforming = {name: both[1] for name, both in every.items() if both[1].behaviours}
    held = [
        ("behaviour", *conforming),
        *((one, *(_mark(known, one) for known in conforming.values())) for one in BEHAVIOURS),
    ]
    return "\n".join([_HEAD, _markdown(rows), _CONFORMANCE, _markdown(held), _FOR_ALL])


def _row(name: str, integration: Any, known: Outcome) -> tuple[str, ...]:
    supported = getattr(integration, "supported", {})
    failed = f", {known.failed} failed" if known.failed else ""
    return (
        name,
        "<br>".join(f"`{one}`" for one in supported) or "the standard library, HTTP clients",
        "<br>".join(known.versions.get(one, ("-", "-"))[0] for one in supported) or "-",
        "<br>".join(known.versions.get(one, ("-", "-"))[1] for one in supported) or "-",
        _covered(integration),
        getattr(integration, "unknown", "-"),
        f"{known.passed} passed{failed}" if known.passed or known.failed else "-",
    )


def _covered(integration: Any) -> str:
    """What the first sentence of its package says behind the colon, else all of it."""
    text = inspect.getdoc(sys.modules[integration.__module__]) or ""
    sentence = " ".join(text.split("\n\n")[0].split()).replace("``", "`").rstrip(".")
    return re.split(r":\s", sentence, maxsplit=1)[-1]


def _mark(known: Outcome, behaviour: str) -> str:
    held = known.behaviours.get(behaviour)
    return "·" if held is None else "holds" if held else "**fails**"


def _markdown(rows: list[tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(cells)} |" for cells in rows]
    return "\n".join([lines[0], "|---" * len(rows[0]) + "|", *lines[1:]])


if __name__ == "__main__":
    PAGE.write_text(page())
