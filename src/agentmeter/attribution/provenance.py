"""A call's input divided over the pieces that it was made of, exactly.

The tokenizer's counts only say in which proportion: the provider's own total is what is divided.
What was read from the cache is the beginning of the input, and what was written to it follows.
"""

from agentmeter.model import Call, Origin, Segment, Side, Usage
from agentmeter.model.meters import METERS
from agentmeter.model.money import split

_ORDER = (
    "cache_read",
    "cache_write_12h",
    "cache_write_1h",
    "cache_write_30m",
    "cache_write_5m",
    "cache_write",
)
_MODAL = ("input_image", "cache_read_image")

Portion = tuple[Segment, Usage]


def portions(call: Call, usage: Usage) -> tuple[Portion, ...]:
    """What each piece of a call's input took of ``usage``; their sum is all of its input.

    Nothing where the input is not known, or was not told apart.
    """
    spent = {meter: n for meter, n in usage.items() if METERS.get(meter) in _INPUTS}
    total = sum(spent.values())
    if not call.segments or not total:
        return ()
    weights = {index: segment.weight for index, segment in enumerate(call.segments)}
    if not any(weights.values()):
        weights = dict.fromkeys(weights, 1)
    room = split(total, weights, order=lambda index: f"{index:09d}")
    taken: dict[int, dict[str, int]] = {index: {} for index in room}
    images = [i for i, segment in enumerate(call.segments) if segment.origin is Origin.IMAGE]
    for meter in _MODAL:
        spent[meter] = _lay(meter, spent.get(meter, 0), images, room, taken)
    for meter in (*_ORDER, *(name for name in spent if name not in _ORDER)):
        _lay(meter, spent.get(meter, 0), list(room), room, taken)
    return tuple((segment, Usage(taken[index])) for index, segment in enumerate(call.segments))


_INPUTS = [meter for meter in METERS.values() if meter.side is Side.INPUT]


def _lay(
    meter: str,
    quantity: int,
    over: list[int],
    room: dict[int, int],
    taken: dict[int, dict[str, int]],
) -> int:
    """Lay a quantity over pieces from the first on; returns what found no room."""
    for index in over:
        part = min(quantity, room[index])
        if part:
            taken[index][meter] = taken[index].get(meter, 0) + part
            room[index] -= part
            quantity -= part
    return quantity
