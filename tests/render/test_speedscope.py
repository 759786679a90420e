"""Profiles for speedscope, held against what its file format asks for."""

import json
from decimal import Decimal
from typing import Any

from hypothesis import given
from tests.property.strategies import traffic

import agentmeter as am
from agentmeter.model import Entry
from agentmeter.render.speedscope import speedscope
from agentmeter.report.report import Report, build
from agentmeter.report.stacks import stacks
from agentmeter.testing import metered

UNITS = {"none", "nanoseconds", "microseconds", "milliseconds", "seconds", "bytes"}


def exported(report: Report, most: int = 100) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(
        speedscope(stacks(report, most)), parse_float=Decimal, parse_int=Decimal
    )
    checked(made)
    return made


def checked(file: dict[str, Any]) -> None:
    """What the format's schema asks of a file of sampled profiles."""
    assert file["$schema"] == "https://www.speedscope.app/file-format-schema.json"
    assert set(file) <= {"$schema", "exporter", "name", "activeProfileIndex", "shared", "profiles"}
    frames = file["shared"]["frames"]
    assert all(set(frame) == {"name"} and isinstance(frame["name"], str) for frame in frames)
    for one in file["profiles"]:
        assert set(one) == {
            *("type", "name", "unit", "startValue", "endValue", "samples", "weights")
        }
        assert one["type"] == "sampled"
        assert one["unit"] in UNITS
        assert len(one["samples"]) == len(one["weights"])
        assert one["startValue"] + sum(one["weights"]) == one["endValue"]
        assert all(0 <= frame < len(frames) for sample in one["samples"] for frame in sample)


def test_a_profile_by_hand() -> None:
    """Equal stacks are one sample of the whole; a request keeps its own in order."""
    with metered() as meter:
        for amount in ("0.0000005", "2"):
            with am.request("ask"), am.agent("a"):
                am.charge("search", usd=amount)
                am.charge("ocr", usd="0.25")
    made = exported(meter.report())
    names = [frame["name"] for frame in made["shared"]["frames"]]
    assert names == ["request ask", "agent a", "call ocr", "call search"]
    whole, dearest, other = made["profiles"]
    assert whole["name"] == "all requests, cost in millionths of USD"
    assert whole["samples"] == [[0, 1, 2], [0, 1, 3]]
    assert whole["weights"] == [Decimal(500_000), Decimal("2000000.5")]
    assert (dearest["weights"], dearest["samples"]) == (
        [2_000_000, 250_000],
        [[0, 1, 3], [0, 1, 2]],
    )
    assert other["weights"] == [Decimal("0.5"), 250_000]
    assert len(exported(meter.report(), most=0)["profiles"]) == 1


@given(traffic())
def test_weights_are_the_cost(made: tuple[list[Entry], dict[str, int], Decimal]) -> None:
    """To the last digit, in all and by request."""
    report = build(made[0], {})
    profiles = exported(report)["profiles"]
    if not profiles:
        assert not any(report.amounts.values())
        return
    assert profiles[0]["endValue"] == report.amounts["USD"] * 1_000_000
    assert sum(one["endValue"] for one in profiles[1:]) == profiles[0]["endValue"]
