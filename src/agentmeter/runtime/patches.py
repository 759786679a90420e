"""Methods replaced in other people's classes, and put back as they were."""

from collections.abc import Callable
from functools import update_wrapper
from typing import Any

Method = Callable[..., Any]


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
        self._before.append((owner, name, original))
        setattr(owner, name, update_wrapper(make(original), original))

    def undo(self) -> None:
        """Put everything back, the last first."""
        while self._before:
            owner, name, original = self._before.pop()
            setattr(owner, name, original)
