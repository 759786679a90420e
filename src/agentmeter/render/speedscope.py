"""Costs as a profile for speedscope: the wider a frame, the more it cost.

Weights are millionths of the currency, since speedscope shows three decimal places; they are
written as the exact decimal numbers that they are.
"""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

import orjson

from agentmeter.model.money import CONTEXT, plain
from agentmeter.report.stacks import Stacks

_SCHEMA = "https://www.speedscope.app/file-format-schema.json"
_MILLIONTHS = Decimal(1_000_000)


def speedscope(profiles: Iterable[Stacks]) -> bytes:
    """The file, as JSON; the first profile is the one that is shown first."""
    frames: dict[str, int] = {}
    made = list(_profiles(profiles, frames))
    value = {
        "$schema": _SCHEMA,
        "exporter": "agentmeter",
        "name": "cost by scope",
        "activeProfileIndex": 0,
        "shared": {"frames": [{"name": name} for name in frames]},
        "profiles": made,
    }
    return orjson.dumps(value)


def _profiles(profiles: Iterable[Stacks], frames: dict[str, int]) -> Iterator[dict[str, Any]]:
    for one in profiles:
        yield {
            "type": "sampled",
            "name": f"{one.name}, cost in millionths of {one.currency}",
            "unit": "none",
            "startValue": 0,
            "endValue": _weight(one.whole),
            "samples": [
                [frames.setdefault(name, len(frames)) for name in stack] for stack, _ in one.samples
            ],
            "weights": [_weight(amount) for _, amount in one.samples],
        }


def _weight(amount: Decimal) -> orjson.Fragment:
    return orjson.Fragment(plain(CONTEXT.multiply(amount, _MILLIONTHS)).encode())
