"""Usage: quantities by meter."""

from collections.abc import ItemsView, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Self, TypeVar, overload

from agentmeter.exceptions import UsageError
from agentmeter.model.meters import METERS, Side, meter

T = TypeVar("T")


class Usage(Mapping[str, int]):
    """Quantities by meter, immutable, additive.

    ``Usage(input=812, output=77)`` or ``Usage({"acme.page": 3})``. Quantities are non-negative
    ``int``; meters that are zero are left out, so equal usages are equal values. Tokens for the
    token meters, the meter's own unit otherwise. Raises ``UsageError`` for a negative, fractional
    or boolean quantity and for an unknown meter.
    """

    __slots__ = ("_quantities",)
    _quantities: Mapping[str, int]

    def __init__(self, quantities: Mapping[str, int] | None = None, /, **more: int) -> None:
        merged = {**(quantities or {}), **more}
        for name, quantity in merged.items():
            if name not in METERS or type(quantity) is not int or quantity < 0:
                _check(name, quantity)
        kept = {name: merged[name] for name in sorted(merged) if merged[name]}
        object.__setattr__(self, "_quantities", MappingProxyType(kept))

    @classmethod
    def _trusted(cls, quantities: dict[str, int]) -> Self:
        """Skip the checks for quantities that come out of other usages."""
        usage = object.__new__(cls)
        kept = {name: n for name in sorted(quantities) if (n := quantities[name])}
        object.__setattr__(usage, "_quantities", MappingProxyType(kept))
        return usage

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"Usage is immutable; cannot set {name!r}")

    def __getitem__(self, name: str) -> int:
        return self._quantities[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._quantities)

    def __len__(self) -> int:
        return len(self._quantities)

    def items(self) -> ItemsView[str, int]:
        """Meters and quantities; the mapping's own view, which is quicker than the inherited."""
        return self._quantities.items()

    @overload
    def get(self, name: str, /) -> int | None: ...
    @overload
    def get(self, name: str, /, default: int | T) -> int | T: ...
    def get(self, name: str, /, default: Any = None) -> Any:
        """The quantity of a meter; the inherited one raises and catches for every absent meter."""
        return self._quantities.get(name, default)

    def __hash__(self) -> int:
        return hash(tuple(self._quantities.items()))

    def __reduce__(self) -> tuple[type, tuple[dict[str, int]]]:
        return (type(self), (dict(self._quantities),))

    def __repr__(self) -> str:
        return f"Usage({', '.join(f'{name}={n}' for name, n in self._quantities.items())})"

    def __add__(self, other: Mapping[str, int]) -> "Usage":
        total = dict(self._quantities)
        for name, quantity in other.items():
            total[name] = total.get(name, 0) + quantity
        return Usage._trusted(total)

    def excess_over(self, other: Mapping[str, int]) -> "Usage":
        """What this usage has beyond ``other``, side by side.

        Where one of the two has an unsplit quantity on a side, that side is compared as a sum,
        since a split that is not known cannot be subtracted meter by meter.
        """
        excess: dict[str, int] = {}
        for side in Side:
            excess.update(_side_excess(side, self, other))
        return Usage._trusted(excess)

    @property
    def total_input(self) -> int:
        """All input tokens, cached ones included: what a long-context step is decided by."""
        return _total_of(_INPUTS, self)

    @property
    def total_output(self) -> int:
        """All output tokens, reasoning included."""
        return _total_of(_OUTPUTS, self)

    @property
    def total_tokens(self) -> int:
        """All tokens, in and out."""
        return self.total_input + self.total_output


NO_USAGE = Usage()


def _check(name: str, quantity: object) -> None:
    meter(name)
    if isinstance(quantity, bool) or not isinstance(quantity, int):
        raise UsageError(
            f"{name}: a quantity is an int, got {quantity!r} ({type(quantity).__name__})"
        )
    if quantity < 0:
        raise UsageError(f"{name}: a quantity cannot be negative, got {quantity}")


_SIDES = {name: known.side for name, known in METERS.items()}


def _side(name: str) -> Side:
    return _SIDES.get(name, Side.OTHER)


_INPUTS = frozenset(name for name, side in _SIDES.items() if side is Side.INPUT)
_OUTPUTS = frozenset(name for name, side in _SIDES.items() if side is Side.OUTPUT)


def _total_of(meters: frozenset[str], usage: Usage) -> int:
    total = 0
    for name, quantity in usage.items():
        if name in meters:
            total += quantity
    return total


def _side_total(side: Side, usage: Mapping[str, int]) -> int:
    total = 0
    for name, quantity in usage.items():
        if _SIDES.get(name) is side:
            total += quantity
    return total


def _side_excess(side: Side, ours: Mapping[str, int], theirs: Mapping[str, int]) -> dict[str, int]:
    names = [name for name in ours if _side(name) is side]
    unsplit = f"{side}_unsplit"
    if side is not Side.OTHER and (unsplit in ours or unsplit in theirs):
        return {unsplit: max(0, _side_total(side, ours) - _side_total(side, theirs))}
    return {name: max(0, ours[name] - theirs.get(name, 0)) for name in names}
