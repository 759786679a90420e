"""Recorded spans against the bill: what each scenario's spans amount to, each call once."""

from collections.abc import Mapping
from typing import Any

from agentmeter.model import Record
from agentmeter.report.report import Report, build
from agentmeter.semconv.dialects import observed
from agentmeter.semconv.otlp import fields_from_json

UNKNOWN = ("chat, closed early",)
"""Scenarios in which no instrumentation knows what was used, and so nobody may say zero."""


def records(entry: Mapping[str, Any]) -> tuple[list[Record], list[str]]:
    """The records of a scenario's spans, and what of them could not be read."""
    found, problems = [], []
    for one in entry["spans"]:
        record, said = observed(fields_from_json(one["span"], one["scope"]))
        found.append(record)
        problems.extend(said)
    return found, problems


def report(entry: Mapping[str, Any]) -> Report:
    """The report over a scenario's spans alone."""
    return build(records(entry)[0], {})


def wrong(entry: Mapping[str, Any]) -> str | None:
    """What does not amount to the bill: tokens in all, cached ones, and what must be unknown."""
    made, billed = report(entry), entry["billed"]
    usage = made.usage
    if entry["scenario"] in UNKNOWN and not entry["spans"]:
        return None  # some emit no span at all for it
    if entry["scenario"] in UNKNOWN:
        told = {kind for one in made.requests for kind in one.evidence}
        return None if not usage and told == {"unknown"} else f"expected unknown, got {usage}"
    found = {
        "input": usage.total_input,
        "output": usage.total_output,
        "cached": usage.get("cache_read", 0),
    }
    expected = {name: billed[name] for name in found}
    problems = records(entry)[1]
    if found != expected or problems:
        return f"billed {expected}, found {found} {problems}"
    return None
