"""What is usual for a user or a feature, and what is not: online, in bounded memory."""

from collections import OrderedDict, deque
from collections.abc import Hashable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Generic, TypeVar

from agentmeter.model.money import CONTEXT

K = TypeVar("K", bound=Hashable)
_KEPT = 24
_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Jump:
    """What was spent in a window, and what is usual, over so many windows."""

    spent: Decimal
    usual: Decimal
    windows: int


@dataclass(slots=True)
class _Spending:
    window: int
    spent: Decimal = _ZERO
    told: bool = False
    past: deque[Decimal] = field(default_factory=lambda: deque(maxlen=_KEPT))

    def move_to(self, window: int) -> None:
        """Begin a later window; one in which nothing was spent is none."""
        if window > self.window:
            if self.spent:
                self.past.append(self.spent)
            self.window, self.spent, self.told = window, _ZERO, False

    def usual(self) -> Decimal:
        """The lower median of what was spent in the windows before."""
        return sorted(self.past)[(len(self.past) - 1) // 2]


class Jumps(Generic[K]):
    """Notices what exceeds ``factor`` times the usual; ``least`` windows make something usual.

    Of at most ``most`` keys what was spent is kept; those that spent nothing for longest go first.
    """

    def __init__(self, window_ns: int, factor: Decimal, least: int, most: int = 10_000) -> None:
        self._window_ns = window_ns
        self._factor = factor
        self._least = least
        self._most = most
        self._known: OrderedDict[K, _Spending] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def spent(self, key: K, amount: Decimal, at_ns: int) -> Jump | None:
        """Take what was spent; gives the jump, once a window."""
        window = at_ns // self._window_ns
        one = self._known.setdefault(key, _Spending(window))
        self._known.move_to_end(key)
        if len(self._known) > self._most:
            self._known.popitem(last=False)
        one.move_to(window)
        one.spent = CONTEXT.add(one.spent, amount)
        if one.told or len(one.past) < self._least:
            return None
        usual = one.usual()
        one.told = one.spent > CONTEXT.multiply(self._factor, usual)
        return Jump(one.spent, usual, len(one.past)) if one.told else None
