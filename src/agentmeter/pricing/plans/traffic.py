"""Traffic: requests as compact rows with what they used and truly cost, for plans to work on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cached_property
from itertools import groupby
from operator import attrgetter
from typing import TypeVar

from agentmeter.model import Owner, Status
from agentmeter.model.meters import METERS, Side
from agentmeter.model.money import CONTEXT, total
from agentmeter.pricing.plans.periods import Period, period_of
from agentmeter.pricing.plans.plan import Cycle

DAY_NS = 86_400_000_000_000
FINEST = 12
"""Amounts are shared out in units of 10^-12, or of the finest amount where that is finer."""

Shape = tuple[tuple[str | None, str], ...]
"""Models and meters of a request, in the order of its counts."""


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
        """Whether it ended well; a stream that its reader had enough of did."""
        return self.status in (Status.OK, Status.CLOSED)

    @property
    def shape(self) -> Shape:
        """Models and meters, in the order of ``counts``."""
        return tuple((use.model, meter) for use in self.uses for meter in use.meters)

    @property
    def counts(self) -> tuple[int, ...]:
        """Quantities, use by use."""
        if len(self.uses) == 1:
            return self.uses[0].counts
        return tuple(count for use in self.uses for count in use.counts)


def places_of(amount: Decimal) -> int:
    """How many decimal places an amount has."""
    return max(0, -int(amount.as_tuple().exponent))


def in_units(amount: Decimal, places: int) -> int:
    """An amount in units of 10^-``places``, which must hold it exactly."""
    return int(amount.scaleb(places, CONTEXT))


def from_units(units: int, places: int) -> Decimal:
    """The inverse of ``in_units``."""
    return Decimal(units).scaleb(-places, CONTEXT)


V = TypeVar("V")


def take(column: Sequence[V], members: Sequence[int]) -> Sequence[V]:
    """The values of a column for some requests: a slice where they stand together."""
    if isinstance(members, range):
        return column[members.start : members.stop]
    return [column[one] for one in members]


def _place(one: PricedRequest) -> tuple[bool, str, int, str]:
    user = one.owner.user
    return (user is not None, user or "", one.started_ns, one.request_id)


Class = tuple[PricedRequest, Shape, int]
"""One of the requests that are alike to every charge, its shape, and its class of size."""


@dataclass(frozen=True, slots=True)
class Group:
    """The requests of one account in one period, by start: where they stand, and their ids."""

    members: Sequence[int]
    ids: tuple[str, ...]


Groups = Mapping[str | None, Mapping[Period, Group]]


@dataclass(frozen=True)
class Traffic:
    """Requests in one currency, by user, start and id, with columns derived once.

    ``costs`` are in units of 10^-``places``, which hold every cost exactly.
    """

    requests: Sequence[PricedRequest]
    currency: str = "USD"
    _classes: dict[tuple[int, ...], tuple[list[int], list[Class]]] = field(
        default_factory=dict, repr=False, compare=False
    )

    _groups: dict[tuple[str, Cycle, Period], Groups] = field(
        default_factory=dict, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "requests", sorted(self.requests, key=_place))

    def __len__(self) -> int:
        return len(self.requests)

    @cached_property
    def _amounts(self) -> list[Decimal]:
        return [one.cost for one in self.requests]

    @cached_property
    def places(self) -> int:
        """The decimal places of the finest cost, of any use, but 12 at least."""
        exponents = {use.cost.as_tuple().exponent for one in self.requests for use in one.uses}
        return max([FINEST, *(-int(exponent) for exponent in exponents)])

    @cached_property
    def costs(self) -> list[int]:
        """The true cost of each request."""
        places = self.places
        return [int(amount.scaleb(places, CONTEXT)) for amount in self._amounts]

    @cached_property
    def cost(self) -> Decimal:
        """The true cost of all."""
        return total(self._amounts)

    @cached_property
    def ids(self) -> list[str]:
        """The id of each request."""
        return [one.request_id for one in self.requests]

    @cached_property
    def counts(self) -> list[tuple[int, ...]]:
        """The quantities of each request, in the order of its shape."""
        return [one.counts for one in self.requests]

    @cached_property
    def starts(self) -> list[int]:
        """The start of each request."""
        return [one.started_ns for one in self.requests]

    @cached_property
    def users(self) -> list[tuple[str | None, int, int]]:
        """Each user with the stretch ``[first, after)`` of his requests."""
        found: list[tuple[str | None, int, int]] = []
        first = 0
        for user, own in groupby(self.requests, key=attrgetter("owner.user")):
            after = first + sum(1 for _ in own)
            found.append((user, first, after))
            first = after
        return found

    @cached_property
    def days(self) -> list[int]:
        """The UTC day of each request, since the epoch."""
        return [start // DAY_NS for start in self.starts]

    @cached_property
    def tokens(self) -> list[int]:
        """All tokens of each request."""
        ids, classes = self.classes(())
        tokens = [[_is_token(meter) for _, meter in shape] for _, shape, _ in classes]
        whole = [all(flags) for flags in tokens]
        return [
            sum(counts)
            if whole[one]
            else sum(n for n, flag in zip(counts, tokens[one], strict=True) if flag)
            for one, counts in zip(ids, self.counts, strict=True)
        ]

    def classes(self, cuts: tuple[int, ...]) -> tuple[list[int], list[Class]]:
        """For each request the class that it is of, and the classes.

        Requests of one class are alike to every charge, but for their counts and cost. ``cuts`` are
        the totals of tokens at which a class of size begins.
        """
        known = self._classes.get(cuts)
        if known is None:
            known = self._classes[cuts] = self._classed(cuts)
        return known

    def _classed(self, cuts: tuple[int, ...]) -> tuple[list[int], list[Class]]:
        sizes = [sum(map(tokens.__gt__, cuts)) for tokens in self.tokens] if cuts else None
        numbers: dict[object, int] = {}
        classes: list[Class] = []
        ids: list[int] = []
        for index, one in enumerate(self.requests):
            owner = one.owner
            uses = tuple([(use.model, use.meters) for use in one.uses])
            tags = tuple(owner.tags.items()) if owner.tags else ()
            size = sizes[index] if sizes is not None else 0
            key = (owner.feature, one.name, one.succeeded, tags, size, uses)
            number = numbers.get(key)
            if number is None:
                number = numbers[key] = len(classes)
                classes.append((one, one.shape, size))
            ids.append(number)
        return ids, classes

    def grouped(self, account: str, cycle: Cycle, window: Period) -> Groups:
        """The requests by account and period, each group in order; worked out once."""
        known = self._groups.get((account, cycle, window))
        if known is None:
            known = self._groups[account, cycle, window] = self._grouped(account, cycle, window)
        return known

    def _grouped(self, account: str, cycle: Cycle, window: Period) -> Groups:
        periods = {day: period_of(day, cycle, window) for day in set(self.days)}
        found: dict[str | None, dict[Period, list[int]]] = {}
        for index, (name, day) in enumerate(zip(self.accounts(account), self.days, strict=True)):
            found.setdefault(name, {}).setdefault(periods[day], []).append(index)
        return {
            name: {period: self._group(members) for period, members in by_period.items()}
            for name, by_period in found.items()
        }

    def _group(self, members: list[int]) -> Group:
        """A group in the order of start; where its requests stand together, as a range."""
        first, last = members[0], members[-1]
        if last - first + 1 == len(members) and self._user(first) == self._user(last):
            return Group(range(first, last + 1), tuple(self.ids[first : last + 1]))
        ordered = sorted(members, key=self.starts.__getitem__)
        return Group(ordered, tuple(take(self.ids, ordered)))

    def _user(self, index: int) -> str | None:
        return self.requests[index].owner.user

    def accounts(self, of: str) -> list[str | None]:
        """The account of each request: its user or tenant; one for ``all``."""
        if of == "all":
            return [None] * len(self.requests)
        name: Callable[[Owner], str | None] = attrgetter(of)
        return [name(one.owner) for one in self.requests]

    def at_rate(self, currency: str, rate: Decimal) -> "Traffic":
        """The traffic in another currency, of which one unit is worth ``rate`` of this one.

        Costs are rounded half to even to 10^-12.
        """
        if currency == self.currency:
            return self
        return Traffic([_converted(one, rate) for one in self.requests], currency)

    def only(self, indices: Sequence[int]) -> "Traffic":
        """Some of the requests, each named once; the traffic itself where that is all of them."""
        if len(indices) == len(self):
            return self
        return Traffic([self.requests[index] for index in indices], self.currency)


def _converted(one: PricedRequest, rate: Decimal) -> PricedRequest:
    grid = Decimal(1).scaleb(-FINEST)
    costs = [CONTEXT.quantize(CONTEXT.divide(use.cost, rate), grid) for use in one.uses]
    uses = tuple(replace(use, cost=cost) for use, cost in zip(one.uses, costs, strict=True))
    return replace(one, uses=uses)


def _is_token(meter: str) -> bool:
    known = METERS.get(meter)
    return known is not None and known.side is not Side.OTHER
