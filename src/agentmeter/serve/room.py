"""Room for the bodies that are not yet on disk."""

from types import TracebackType
from typing import Self

from agentmeter.serve.refusal import full


class Room:
    """How many bytes may be under way, and are; for one event loop."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.taken = 0

    def share(self) -> "Share":
        """A share of it for one body, to be grown as that comes; a context manager."""
        return Share(self)


class Share:
    """What one body takes, given back at the end."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._taken = 0

    def grow(self, size: int) -> None:
        """Take ``size`` more bytes. Raises ``Refusal`` where there is no room for them beside
        others; a body that is alone may be as large as other limits allow.
        """
        others = self._room.taken - self._taken
        if others and self._room.taken + size > self._room.most:
            raise full("more is being sent than can be written down")
        self._room.taken += size
        self._taken += size

    def give_back(self) -> None:
        """Take nothing any more."""
        self._room.taken -= self._taken
        self._taken = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.give_back()
