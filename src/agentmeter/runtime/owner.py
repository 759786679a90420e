"""Owner fields: given as values, or as callables over the decorated function's arguments."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from agentmeter.model import Owner
from agentmeter.runtime.faults import FAULTS, guarded

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
    """An ``Owner`` out of loose values; everything becomes text.

    A value that cannot be text, or tags that are no mapping, leave their field blank, counted; so
    does a callable, for want of a decorated function's arguments.
    """
    fields: dict[str, str] = {}
    for name in FIELDS:
        value = given.get(name)
        if callable(value):
            FAULTS.count(f"owner field {name!r}: a callable needs a decorated function")
        elif value is not None:
            with guarded(f"owner field {name!r}"):
                fields[name] = str(value)
    tags = given.get("tags")
    texts: dict[str, str] = {}
    if tags and not callable(tags):
        with guarded("owner field 'tags'"):
            texts = {str(name): str(value) for name, value in tags.items()}
    return Owner(**fields, tags=texts)
