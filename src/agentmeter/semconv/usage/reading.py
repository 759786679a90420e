"""The one reader of all shapes.

It collects what each field of an object counts, gross, and then takes the parts out of their
wholes, so that the meters are disjoint: the cached audio out of the cached tokens and out of the
audio, both out of the input.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from agentmeter.exceptions import UsageError
from agentmeter.model.meters import METERS, Side
from agentmeter.model.money import CONTEXT
from agentmeter.model.usage import Usage
from agentmeter.semconv.usage.mapping import plain_mapping, text_of
from agentmeter.semconv.usage.shape import Listed, Names, Places, Seconds, Shape

_WHOLE = {
    name: meter.side.value
    for name, meter in METERS.items()
    if meter.side is not Side.OTHER and name not in ("input", "output") and not meter.unsplit
}
"""Meter → the whole of its side, which contains it unless a shape says otherwise."""

_MODALITIES = ("audio", "image", "video")
_PARTS = {
    "cache_read": tuple(f"cache_read_{modality}" for modality in _MODALITIES),
    "cache_write": tuple(name for name in METERS if name.startswith("cache_write_")),
    **{f"input_{modality}": (f"cache_read_{modality}",) for modality in _MODALITIES},
}
"""Wholes within a side, and their parts."""

_NESTED = frozenset(part for parts in _PARTS.values() for part in parts)
_REASONING = frozenset({"reasoning"})

_LIMIT = 2**63
"""No count is as large; what a database holds as an integer of 64 bits is smaller."""

Found = dict[str, int]


def usage_of(shape: Shape, raw: Mapping[str, Any]) -> Usage:
    """The disjoint meters of a usage object. Raises ``UsageError`` for an impossible one."""
    found: Found = {}
    _collect(shape, shape.places, raw, found)
    beside = _beside(shape, raw, found) if shape.total else shape.beside
    if not _NESTED.isdisjoint(found):
        _untangle(shape, raw, found)
    inside_input = inside_output = 0
    for meter, quantity in found.items():
        whole = _WHOLE.get(meter)
        if whole is not None and meter not in beside:
            if whole == "input":
                inside_input += quantity
            else:
                inside_output += quantity
    if inside_input:
        _take_out(shape, raw, found, "input", inside_input, beside)
    if inside_output:
        _take_out(shape, raw, found, "output", inside_output, beside)
    if shape.output != "output" and "output" in found:
        found[shape.output] = found.get(shape.output, 0) + found.pop("output")
    usage = Usage._trusted(found)
    if shape.further is None or shape.further.keys().isdisjoint(raw):
        return usage
    return usage + _further(shape, raw)


def _collect(shape: Shape, places: Places, raw: Mapping[str, Any], found: Found) -> None:
    for name, value in raw.items():
        place = places.get(name)
        if place is None or value is None:
            continue
        if type(place) is str:
            exact = type(value) is int and 0 <= value < _LIMIT
            count = value if exact else whole_number(name, value, shape.digits)
            if count and count > found.get(place, 0):  # one count may stand under two names
                found[place] = count
        elif type(place) is dict:
            inner = value if type(value) is dict else plain_mapping(value)
            if inner:
                _collect(shape, place, inner, found)
        elif type(place) is Listed:
            _collect_listed(place, name, value, found)
        elif type(place) is Seconds and (seconds := _to_the_nearest(name, value)):
            found[place.meter] = seconds


def _collect_listed(listed: Listed, name: str, entries: Any, found: Found) -> None:
    if not isinstance(entries, (list, tuple)):
        raise UsageError(f"{name}: expected a list of counts, got {entries!r:.60}")
    for entry in entries:
        row = plain_mapping(entry) or {}
        key = row.get(listed.key) if listed.key else ""
        meter = listed.meters.get((text_of(key) or str(key)).upper() if key else "")
        count = next((row[field] for field in listed.count if row.get(field) is not None), None)
        if meter is not None and count is not None:
            found[meter] = found.get(meter, 0) + whole_number(f"{name}.{listed.count[0]}", count)


def whole_number(name: str, value: object, digits: bool = False) -> int:
    """A quantity as an int: an int, a float or decimal without a fraction, or its digits."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    whole = whole or (isinstance(value, float) and value.is_integer())
    whole = whole or (isinstance(value, Decimal) and _is_whole(value))
    whole = whole or (digits and isinstance(value, str) and value.strip().isdecimal())
    if not whole:
        raise UsageError(f"{name}: a quantity is an int, got {value!r:.60}")
    number = value if isinstance(value, Decimal) else int(value)  # type: ignore[call-overload]
    if number < 0:
        raise UsageError(f"{name}: a quantity cannot be negative, got {number}")
    if number >= _LIMIT:
        raise UsageError(f"{name}: a quantity is below 2^63, got {value!r:.60}")
    return int(number)


def _is_whole(value: Decimal) -> bool:
    """Whether a decimal has no fraction; a remainder would be worked out in the ambient context."""
    return value.is_finite() and value == value.to_integral_value()


def _to_the_nearest(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        raise UsageError(f"{name}: a duration is a number of seconds, got {value!r}")
    if not 0 <= value < 2**53:
        raise UsageError(f"{name}: a duration cannot be negative or endless, got {value}")
    twice = CONTEXT.multiply(value, 2) if isinstance(value, Decimal) else value * 2
    return (int(twice) + 1) // 2


def _beside(shape: Shape, raw: Mapping[str, Any], found: Found) -> frozenset[str]:
    """What stands beside the wholes; where the total tells, for reasoning by its arithmetic."""
    thoughts = found.get("reasoning", 0)
    if not thoughts and shape.remainder is None:
        return shape.beside
    total = None
    for name in shape.total:
        total = raw.get(name) if total is None else total
    told = found.get("input", 0) + found.get("output", 0)
    for meter in shape.beside:
        told += 0 if meter == "reasoning" else found.get(meter, 0)
    if total == told and thoughts <= found.get("output", 0):
        return shape.beside - _REASONING if shape.beside else shape.beside
    if total == told + thoughts:
        return shape.beside | _REASONING
    if shape.remainder is not None and isinstance(total, int) and total > told + thoughts:
        found[shape.remainder] = found.get(shape.remainder, 0) + total - told
        return shape.beside | {shape.remainder}
    return shape.beside


def _untangle(shape: Shape, raw: Mapping[str, Any], found: Found) -> None:
    """Take parts out of the wholes within a side, such as writes by lifetime out of all writes."""
    for whole, parts in _PARTS.items():
        taken = [part for part in parts if found.get(part)]
        if not taken or whole not in found:
            continue
        rest = found[whole] - sum(found[part] for part in taken)
        if rest < 0:
            raise _impossible(shape, raw, found, taken, whole)
        found[whole] = rest


def _take_out(
    shape: Shape,
    raw: Mapping[str, Any],
    found: Found,
    whole: str,
    inside: int,
    beside: frozenset[str],
) -> None:
    gross = found.get(whole, 0)
    if not gross and whole not in _fields(shape.places, raw):
        return
    rest = gross - inside
    if rest < 0 and whole == "input":
        rest += _overlap(found, _fields(shape.places, raw), -rest)
    if rest < 0:
        parts = [m for m in found if _WHOLE.get(m) == whole and m not in beside]
        raise _impossible(shape, raw, found, parts, whole)
    found[whole] = rest


def _overlap(found: Found, fields: Mapping[str, str], excess: int) -> int:
    """Cached tokens that must be of another modality than text, or the parts would not fit.

    Where a provider counts cached tokens and, say, audio without telling how many are both, they
    are held to be different tokens as far as there is room in the whole. Returns what of
    ``excess`` that explains.
    """
    if any(part in fields for part in _PARTS["cache_read"]):
        return 0
    explained = 0
    for modality in _MODALITIES:
        both = min(
            excess - explained, found.get(f"input_{modality}", 0), found.get("cache_read", 0)
        )
        if both:
            found[f"input_{modality}"] -= both
            found["cache_read"] -= both
            found[f"cache_read_{modality}"] = both
            explained += both
    return explained


def _further(shape: Shape, raw: Mapping[str, Any]) -> Usage:
    more = Usage()
    for name, types in (shape.further or {}).items():
        for entry in raw.get(name) or ():
            row = plain_mapping(entry) or {}
            if row.get("type") in types:
                more += usage_of(shape, row)
    return more


def _impossible(
    shape: Shape, raw: Mapping[str, Any], found: Found, parts: list[str], whole: str
) -> UsageError:
    fields = _fields(shape.places, raw)
    gross = {part: found[part] for part in parts}
    arithmetic = " + ".join(f"{fields.get(part, part)} ({n})" for part, n in gross.items())
    return UsageError(
        f"{arithmetic} cannot exceed {fields.get(whole, whole)} ({found.get(whole, 0)})"
    )


def _fields(places: Places, raw: Mapping[str, Any], under: Names = ()) -> dict[str, str]:
    """Meter → the field of ``raw`` that counts it."""
    fields: dict[str, str] = {}
    for name, value in raw.items():
        place = places.get(name)
        path = (*under, name)
        if place is None or value is None:
            continue
        if isinstance(place, str):
            fields.setdefault(place, ".".join(path))
        elif isinstance(place, dict):
            fields.update(_fields(place, plain_mapping(value) or {}, path))
        elif isinstance(place, Listed):
            fields.update(dict.fromkeys(place.meters.values(), ".".join(path)))
    return fields
