"""Owner fields: given as values, or as callables over the decorated function's arguments."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from agentmeter.model import Owner
from agentmeter.runtime.faults import FAULTS

FIELDS = ("user", "tenant", "feature", "plan")


def resolved(
    given: Mapping[str, Any], arguments: Callable[[], Mapping[str, Any]]
) -> dict[str, Any]:
    """``given`` with its callables worked out. One that fails leaves its field blank, counted."""
    known: Mapping[str, Any] | None = None
    values: dict[str, Any] = {}
    for name, value in given.items():
        if not callable(value):
            values[name] = value
            continue
        try:
            known = arguments() if known is None else known
            values[name] = _apply(value, known)
        except Exception as error:
            FAULTS.count(f"owner field {name!r}", error)
    return values


def _apply(function: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    """Call ``function`` with those arguments that it asks for by name."""
    wanted = inspect.signature(function).parameters
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in wanted.values()):
        return function(**arguments)
    return function(**{name: arguments[name] for name in wanted if name in arguments})


def as_owner(given: Mapping[str, Any]) -> Owner:
    """An ``Owner`` out of loose values; everything becomes text, callables are left out."""
    fields = {
        name: None if value is None else str(value)
        for name, value in given.items()
        if name in FIELDS and not callable(value)
    }
    tags = given.get("tags") or {}
    tags = {} if callable(tags) else tags
    return Owner(**fields, tags={str(name): str(value) for name, value in tags.items()})
