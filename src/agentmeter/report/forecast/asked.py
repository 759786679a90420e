"""What a forecast is asked for: the request as far as it is known, checked."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType

from agentmeter.exceptions import MoneyError, UsageError
from agentmeter.model.money import exact
from agentmeter.report.forecast.observation import Observation

Conditions = tuple[tuple[str, str], ...]
"""What requests have to agree in: names (``feature``, ``user``, ``tag:NAME`` …) and values."""

_OWNER = ("tenant", "plan", "user")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request like this; what is ``None`` may be anything.

    ``input_tokens`` are those of its first model call. Mid-run, ``iteration`` counts the iterations
    that are done and ``spent`` is what they cost, in the history's currency; the forecast is then
    of what remains. Raises ``UsageError`` for a count that cannot be and for ``spent`` without an
    iteration, ``MoneyError`` for a negative amount, ``TypeError`` for a ``float``.
    """

    feature: str | None = None
    model: str | None = None
    input_tokens: int | None = None
    user: str | None = None
    tenant: str | None = None
    plan: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    iteration: int | None = None
    spent: Decimal | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "tags", MappingProxyType(dict(sorted(self.tags.items()))))
        _count("input_tokens", self.input_tokens, 0)
        _count("iteration", self.iteration, 1)
        if self.spent is None:
            return
        object.__setattr__(self, "spent", exact(self.spent, "spent"))
        if self.spent < 0:
            raise MoneyError(f"spent: what was spent cannot be negative, got {self.spent}")
        if self.iteration is None:
            raise UsageError("spent: say with 'iteration' by which iteration it was spent")

    @property
    def by(self) -> str | None:
        """What requests are binned by: ``spent`` mid-run, else ``input_tokens``, where given."""
        if self.iteration is not None:
            return "spent" if self.spent is not None else None
        return "input_tokens" if self.input_tokens is not None else None

    def cells(self) -> Iterator[Conditions]:
        """The conditions from the narrowest cell to the widest.

        Feature and model stay: a cell without them would be of other requests. Tags are let go of
        first, then the user, the plan, the tenant.
        """
        kept = [(name, getattr(self, name)) for name in ("feature", "model", *_OWNER)]
        named = [(name, value) for name, value in kept if value is not None]
        base = sum(name not in _OWNER for name, _ in named)
        if self.tags:
            yield (*named, *((f"tag:{name}", value) for name, value in self.tags.items()))
        for size in range(len(named), base - 1, -1):
            yield tuple(named[:size])


def _count(name: str, value: object, least: int) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int):
        raise UsageError(f"{name}: a count is an int, got {value!r} ({type(value).__name__})")
    if value < least:
        raise UsageError(f"{name}: must be {least} or more, got {value}")


def agrees(observation: Observation, conditions: Conditions) -> bool:
    """Whether a recorded request is of the cell."""
    for name, value in conditions:
        if name == "model":
            has = observation.model
        elif name.startswith("tag:"):
            has = observation.owner.tags.get(name.removeprefix("tag:"))
        else:
            has = getattr(observation.owner, name)
        if has != value:
            return False
    return True
