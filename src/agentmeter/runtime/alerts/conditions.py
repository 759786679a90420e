"""What each event can be narrowed by, with its default and what it accepts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from agentmeter.exceptions import ConfigurationError
from agentmeter.model.money import exact


def _above(least: int) -> Callable[[str, Any], Decimal]:
    def read(name: str, value: Any) -> Decimal:
        number = exact(value, name)
        if number <= least:
            raise ConfigurationError(f"{name}: must be above {least}, got {value!r}")
        return number

    return read


def _percent(name: str, value: Any) -> Decimal:
    number = exact(value, name)
    if not 0 < number < 100:
        raise ConfigurationError(f"{name}: a percentage between 0 and 100, got {value!r}")
    return number


def _count(least: int) -> Callable[[str, Any], int]:
    def read(name: str, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ConfigurationError(f"{name}: a whole number from {least} on, got {value!r}")
        return value

    return read


def _text(name: str, value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise ConfigurationError(f"{name}: a name, got {value!r}")
    return value


def _owner_field(name: str, value: Any) -> str:
    known = ("user", "tenant", "feature", "plan")
    if value not in known:
        raise ConfigurationError(f"{name}: one of {', '.join(known)}, got {value!r}")
    return str(value)


@dataclass(frozen=True, slots=True)
class Condition:
    """A default, and what reads a value that is given in its place."""

    default: Any
    read: Callable[[str, Any], Any]


EVENTS: Mapping[str, Mapping[str, Condition]] = {
    "budget.threshold": {
        "share": Condition("0.8", _above(0)),
        "budget": Condition(None, _text),
    },
    "forecast.exceeded": {"percent": Condition(95, _percent)},
    "loop.repeats": {"times": Condition(3, _count(2))},
    "cost.jump": {
        "by": Condition("user", _owner_field),
        "window": Condition(3600, _count(1)),
        "factor": Condition(3, _above(1)),
        "windows": Condition(8, _count(1)),
    },
}


def conditions(event: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The conditions of an event, defaults filled in. Raises ``ConfigurationError``."""
    known = EVENTS.get(event)
    if known is None:
        raise ConfigurationError(f"there is no event {event!r}; there are {', '.join(EVENTS)}")
    for name in given:
        if name not in known:
            listed = ", ".join(known)
            raise ConfigurationError(f"{event} has no condition {name!r}; it has {listed}")
    return {name: one.read(name, given.get(name, one.default)) for name, one in known.items()}
