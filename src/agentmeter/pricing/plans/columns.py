"""Requests column by column: a million of them take little room, and are quick to add up."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import zip_longest
from operator import add, mul
from typing import TypeVar

from agentmeter.model import Owner
from agentmeter.model.money import CONTEXT
from agentmeter.pricing.plans.priced_request import Kind, PricedRequest, Use
from agentmeter.pricing.plans.units import FINEST, from_units, in_units, places_of

K = TypeVar("K")
V = TypeVar("V")
_GRID = Decimal(1).scaleb(-FINEST)


@dataclass(frozen=True, slots=True)
class Columns:
    """Requests by user, start and id. ``owners``, ``kinds``: places of ``owner`` and ``kind``.

    ``counts`` are quantities by the number of the use and meter, ``costs`` what each use truly cost
    in units of 10^-``places``; both are 0 where a request has none. ``complete`` is 1 where all of
    a request's cost is known.
    """

    ids: Sequence[str]
    starts: Sequence[int]
    owners: Sequence[int]
    kinds: Sequence[int]
    complete: Sequence[int]
    counts: Mapping[tuple[int, str], Sequence[int]]
    costs: Sequence[Sequence[int]]
    places: int
    owner: Sequence[Owner]
    kind: Sequence[Kind]

    def row(self, at: int) -> PricedRequest:
        """One request."""
        kind = self.kind[self.kinds[at]]
        uses = tuple(
            Use(
                model,
                meters,
                tuple(self.counts[number, meter][at] for meter in meters),
                from_units(self.costs[number][at], self.places),
            )
            for number, (model, meters) in enumerate(kind.uses)
        )
        owner = self.owner[self.owners[at]]
        told = (kind.name, kind.status, uses, bool(self.complete[at]))
        return PricedRequest(self.ids[at], owner, self.starts[at], *told)

    def only(self, indices: Sequence[int]) -> "Columns":
        """Some of the requests, each named once, in order."""
        return replace(
            self,
            ids=take(self.ids, indices),
            starts=take(self.starts, indices),
            owners=take(self.owners, indices),
            kinds=take(self.kinds, indices),
            complete=take(self.complete, indices),
            counts={key: take(one, indices) for key, one in self.counts.items()},
            costs=[take(one, indices) for one in self.costs],
        )

    def at_rate(self, rate: Decimal) -> "Columns":
        """Costs in a currency of which a unit is worth ``rate``, half to even to 10^-12."""
        costs = [[_converted(unit, self.places, rate) for unit in one] for one in self.costs]
        return replace(self, costs=costs, places=FINEST)


def take(column: Sequence[V], members: Sequence[int]) -> Sequence[V]:
    """The values of a column for some requests: a slice where they stand together."""
    if isinstance(members, range):
        return column[members.start : members.stop]
    return list(map(column.__getitem__, members))


def _converted(units: int, places: int, rate: Decimal) -> int:
    amount = CONTEXT.divide(from_units(units, places), rate)
    return in_units(CONTEXT.quantize(amount, _GRID), FINEST)


def columns_of(requests: Sequence[PricedRequest]) -> Columns:
    """The columns of rows that are in order."""
    owners, owner = numbered(map(_owner_key, requests))
    kinds, kind = numbered(one.kind for one in requests)
    uses = [one.uses for one in requests]
    finest = max([FINEST, *(places_of(use.cost) for own in uses for use in own)])
    costs = squared([in_units(use.cost, finest) for use in own] for own in uses)
    places = fewest_places(costs, finest)
    scale = 10 ** (finest - places)
    return Columns(
        [one.request_id for one in requests],
        [one.started_ns for one in requests],
        owners,
        kinds,
        bytearray(one.complete for one in requests),
        _counted([requests[at].kind for at in kind], kinds, uses),
        costs if scale == 1 else [[unit // scale for unit in column] for column in costs],
        places,
        [requests[at].owner for at in owner],
        [requests[at].kind for at in kind],
    )


def numbered(values: Iterable[Hashable]) -> tuple[list[int], list[int]]:
    """Each value as a number, from 0, and where the value of each number is first."""
    numbers: dict[Hashable, int] = {}
    found = [numbers.setdefault(value, len(numbers)) for value in values]
    firsts = dict(zip(reversed(found), range(len(found) - 1, -1, -1), strict=True))
    return found, [firsts[number] for number in range(len(numbers))]


def squared(rows: Iterable[list[int]]) -> list[list[int]]:
    """Rows as columns; 0 where a row has no value."""
    return [list(column) for column in zip_longest(*rows, fillvalue=0)]


def fewest_places(columns: Sequence[Sequence[int]], places: int) -> int:
    """The decimal places, 12 at least, that hold every one of some units of 10^-``places``."""
    over = 10 ** (places - FINEST)
    while over > 1 and any(unit % over for column in columns for unit in column):
        over //= 10
    return places - len(str(over)) + 1


def _owner_key(one: PricedRequest) -> Hashable:
    owner = one.owner
    tags = tuple(owner.tags.items()) if owner.tags else ()
    return (owner.user, owner.tenant, owner.feature, owner.plan, tags)


def _counted(
    kind: Sequence[Kind], kinds: Sequence[int], uses: Sequence[Sequence[Use]]
) -> dict[tuple[int, str], list[int]]:
    """Quantities by the number of the use and meter."""
    of_kind = [[(number, *use) for number, use in enumerate(one.places)] for one in kind]
    found = {(use, meter): [0] * len(kinds) for one in of_kind for _, use, meter in one}
    for at, (number, own) in enumerate(zip(kinds, uses, strict=True)):
        counts = own[0].counts if len(own) == 1 else [n for use in own for n in use.counts]
        for place, use, meter in of_kind[number]:
            found[use, meter][at] = counts[place]
    return found


def weighed(
    columns: Mapping[K, Sequence[int]],
    classes: Sequence[int],
    weights: Sequence[Mapping[K, int]],
) -> list[int] | None:
    """The columns added up, each times what it weighs in the class that a request is of.

    ``weights`` name, for each class, the columns that it has values in. ``None`` where nothing
    weighs anything.
    """
    found: list[int] | None = None
    for key, column in columns.items():
        told = {one[key] for one in weights if key in one}
        if any(told):
            by_class = [one.get(key, 0) for one in weights]
            part = _times(column, classes, by_class, told)
            found = part if found is None else list(map(add, found, part))
    return found


def _times(
    column: Sequence[int], classes: Sequence[int], by_class: Sequence[int], told: set[int]
) -> list[int]:
    if len(told) > 1:
        return list(map(mul, map(by_class.__getitem__, classes), column))
    (weight,) = told
    return list(column) if weight == 1 else [weight * one for one in column]
