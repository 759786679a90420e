"""Methods replaced in other people's classes, and put back as they were."""

from collections.abc import Callable
from functools import update_wrapper
from typing import Any

Method = Callable[..., Any]

_ABSENT: Any = object()
"""What a class has in the place of a method that it only inherits."""


class Patches:
    """What one integration has replaced. A wrapper asks ``on``, since it may outlive its patch:
    another instrumentation that wrapped it puts it back when it goes.
    """

    def __init__(self) -> None:
        self._before: list[tuple[Any, str, Any]] = []

    @property
    def on(self) -> bool:
        """Whether anything is replaced."""
        return bool(self._before)

    def replace(self, owner: Any, name: str, make: Callable[[Any], Method]) -> None:
        """Put ``make(original)`` in the place of a method of a class, or of a module's function."""
        original = owner.__dict__[name]
        inner = getattr(original, "__func__", original)
        function = _callable(owner, inner)
        made: Any = update_wrapper(make(function), function)
        self._before.append((owner, name, original))
        setattr(owner, name, made if inner is original else type(original)(made))

    def replace_below(self, base: type, name: str, make: Callable[[Any], Method]) -> None:
        """Replace a method wherever ``base`` or a class below it has one, now or later."""

        def replace(owner: type) -> None:
            if self.on and name in vars(owner):
                self.replace(owner, name, make)

        @classmethod  # type: ignore[misc]  # it becomes one of ``base``
        def init_subclass(cls: Any, **kwargs: Any) -> None:
            if before is _ABSENT:
                super(known, cls).__init_subclass__(**kwargs)
            else:
                before.__func__(cls, **kwargs)
            replace(cls)

        known: Any = base
        before = vars(base).get("__init_subclass__", _ABSENT)
        self._before.append((base, "__init_subclass__", before))
        known.__init_subclass__ = init_subclass
        for one in _and_below(base):
            replace(one)

    def undo(self) -> None:
        """Put everything back, the last first."""
        while self._before:
            owner, name, original = self._before.pop()
            if original is _ABSENT:
                delattr(owner, name)
            else:
                setattr(owner, name, original)


def _callable(owner: Any, function: Any) -> Any:
    """What a wrapper calls with the object first.

    That which another instrumentation has put on a class by ``wrapt`` is told its object only where
    it is got from one.
    """
    if not isinstance(owner, type) or not hasattr(function, "_self_wrapper"):
        return function
    import wrapt

    class Unbound(wrapt.ObjectProxy):  # type: ignore[type-arg]  # in all else the function
        def __call__(self, one: Any, /, *args: Any, **kwargs: Any) -> Any:
            return function.__get__(one, type(one))(*args, **kwargs)

    return Unbound(function)


def _and_below(base: type) -> list[type]:
    found: list[type] = [base]
    for one in found:
        below: list[type] = one.__subclasses__()
        found.extend(further for further in below if further not in found)
    return found
