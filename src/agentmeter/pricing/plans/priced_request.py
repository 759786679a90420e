"""A request as plans see it: whose it is, what it used of each model, and what that truly cost."""

from dataclasses import dataclass
from decimal import Decimal

from agentmeter.model import Owner, Status
from agentmeter.model.money import total

Shape = tuple[tuple[str | None, str], ...]
"""Models and meters of a request, in the order of its counts."""

_WELL = (Status.OK, Status.CLOSED)
"""How a request ends well; a stream that its reader had enough of did."""


@dataclass(frozen=True, slots=True)
class Use:
    """What a request used of one model, and what that truly cost; counts go with meters."""

    model: str | None
    meters: tuple[str, ...]
    counts: tuple[int, ...]
    cost: Decimal


@dataclass(frozen=True, slots=True)
class PricedRequest:
    """One request as a row. ``complete`` is whether all of its cost is known."""

    request_id: str
    owner: Owner
    started_ns: int
    name: str = "request"
    status: Status = Status.OK
    uses: tuple[Use, ...] = ()
    complete: bool = True

    @property
    def cost(self) -> Decimal:
        """The true cost, exactly."""
        if len(self.uses) == 1:
            return self.uses[0].cost
        return total([use.cost for use in self.uses])

    @property
    def succeeded(self) -> bool:
        """Whether it ended well."""
        return self.status in _WELL

    @property
    def kind(self) -> "Kind":
        """What it may have in common with others."""
        used = tuple([(use.model, use.meters) for use in self.uses])
        return Kind(self.name, self.status, used)


@dataclass(frozen=True, slots=True)
class Kind:
    """What requests have in common: their name, how they ended, and which models and meters."""

    name: str
    status: Status
    uses: tuple[tuple[str | None, tuple[str, ...]], ...]

    @property
    def succeeded(self) -> bool:
        """Whether it ended well."""
        return self.status in _WELL

    @property
    def shape(self) -> Shape:
        """Models and meters, in the order of the counts."""
        return tuple((model, meter) for model, meters in self.uses for meter in meters)

    @property
    def places(self) -> tuple[tuple[int, str], ...]:
        """Uses, by number, and meters, in the order of the counts."""
        uses = enumerate(meters for _, meters in self.uses)
        return tuple((number, meter) for number, meters in uses for meter in meters)
