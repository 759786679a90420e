"""Frozen values that are made as quickly as others.

A frozen dataclass fills itself through ``object.__setattr__``, field by field: 44,000 instructions
for a ``Call``, three of which are made for every call of a model, where 11,000 will do.
"""

from dataclasses import MISSING, Field, dataclass, field, fields
from functools import wraps
from typing import Any, TypeVar

T = TypeVar("T")

_become = object.__setattr__


def filled_at_once(cls: type[T]) -> type[T]:
    """Decorate a dataclass that is ``frozen`` and has ``slots``: while it is filled, a new value is
    of a twin class that is not frozen; nobody else has seen it by then.
    """
    settle = getattr(cls, "__post_init__", None)
    twin: type | None = None
    fill: Any = None

    @wraps(vars(cls)["__init__"])
    def filled(self: Any, *given: Any, **named: Any) -> None:
        nonlocal twin, fill
        if twin is None:  # with the first value: not every program makes some of every class
            made = _twin(cls)
            fill, twin = vars(made)["__init__"], made
        _become(self, "__class__", twin)
        fill(self, *given, **named)
        self.__class__ = cls
        if settle is not None:
            settle(self)

    cls.__init__ = filled  # type: ignore[method-assign]
    return cls


def _twin(cls: type) -> type:
    """A class with the fields of ``cls``, which a value may change to and from."""
    known: tuple[Field[Any], ...] = fields(cls)
    names = {"__annotations__": {one.name: one.type for one in known}, "__module__": cls.__module__}
    blanks = {one.name: _blank(one) for one in known if _blank(one) is not MISSING}
    bare = type(cls.__name__, (), {**names, **blanks})
    return dataclass(slots=True, eq=False, repr=False, match_args=False)(bare)


def _blank(one: "Field[Any]") -> Any:
    if one.default_factory is not MISSING:
        return field(default_factory=one.default_factory)
    return one.default


__all__ = ["filled_at_once"]
