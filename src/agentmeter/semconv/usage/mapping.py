"""Objects of client libraries as mappings."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any


def plain_mapping(value: object) -> Mapping[str, Any] | None:
    """``value`` as a mapping, or ``None``.

    A mapping is itself; of a pydantic model these are the stated fields, of a protobuf message the
    present ones, of a dataclass all. One level only: a response is mostly content, and dumping
    all of it costs more than metering.
    """
    if type(value) is dict:
        return value
    stated = getattr(value, "model_fields_set", None)
    if isinstance(stated, set):
        own = vars(value)
        named = {name: own.get(name) for name in stated}  # litellm deletes some
        extra = getattr(value, "model_extra", None)
        return {**named, **extra} if extra else named
    if isinstance(value, Mapping):
        return value
    present = getattr(value, "ListFields", None)
    if callable(present) and not isinstance(value, type):
        return {field.name: content for field, content in present()}
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    return None


def text_of(value: object) -> str | None:
    """A text, also that of an enumeration's member; ``None`` for anything else or nothing."""
    if value is None or type(value) is str:
        return value or None
    value = getattr(value, "value", value)
    return value if isinstance(value, str) and value else None
