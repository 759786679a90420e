"""Traffic: requests with what they used and truly cost, for plans to work on."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from itertools import accumulate, groupby
from operator import add
from typing import overload

from agentmeter.model.meters import METERS, Side
from agentmeter.pricing.plans.columns import Columns, columns_of, numbered, take, weighed
from agentmeter.pricing.plans.periods import Period, period_of
from agentmeter.pricing.plans.plan import Cycle
from agentmeter.pricing.plans.priced_request import PricedRequest, Shape
from agentmeter.pricing.plans.units import from_units

DAY_NS = 86_400_000_000_000


@dataclass(frozen=True, slots=True)
class Rows(Sequence[PricedRequest]):
    """Requests that are held as columns; each is made where it is asked for."""

    columns: Columns

    def __len__(self) -> int:
        return len(self.columns.ids)

    @overload
    def __getitem__(self, at: int) -> PricedRequest: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[PricedRequest]: ...
    def __getitem__(self, at: int | slice) -> PricedRequest | Sequence[PricedRequest]:
        if isinstance(at, slice):
            return [self.columns.row(one) for one in range(*at.indices(len(self)))]
        return self.columns.row(range(len(self))[at])


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

    _finer: dict[int, Sequence[int]] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.requests, Rows):
            object.__setattr__(self, "requests", sorted(self.requests, key=_place))

    def __len__(self) -> int:
        return len(self.requests)

    @cached_property
    def columns(self) -> Columns:
        """The requests column by column."""
        if isinstance(self.requests, Rows):
            return self.requests.columns
        return columns_of(self.requests)

    @property
    def places(self) -> int:
        """The decimal places of the finest cost, of any use, but 12 at least."""
        return self.columns.places

    @cached_property
    def costs(self) -> Sequence[int]:
        """The true cost of each request."""
        by_use = self.columns.costs
        if len(by_use) == 1:
            return by_use[0]
        return list(map(sum, zip(*by_use, strict=True))) if by_use else [0] * len(self)

    def costs_at(self, places: int) -> Sequence[int]:
        """The true cost of each request in finer units, of 10^-``places``."""
        if places == self.places:
            return self.costs
        known = self._finer.get(places)
        if known is None:
            factor = 10 ** (places - self.places)
            known = self._finer[places] = [cost * factor for cost in self.costs]
        return known

    @cached_property
    def cost(self) -> Decimal:
        """The true cost of all."""
        return from_units(sum(self.costs), self.places)

    @property
    def ids(self) -> Sequence[str]:
        """The id of each request."""
        return self.columns.ids

    @property
    def starts(self) -> Sequence[int]:
        """The start of each request."""
        return self.columns.starts

    @cached_property
    def users(self) -> list[tuple[str | None, int, int]]:
        """Each user with the stretch ``[first, after)`` of his requests."""
        stretches = [(user, sum(1 for _ in own)) for user, own in groupby(self.accounts("user"))]
        ends = accumulate(count for _, count in stretches)
        return [(user, end - n, end) for (user, n), end in zip(stretches, ends, strict=True)]

    @cached_property
    def days(self) -> list[int]:
        """The UTC day of each request, since the epoch."""
        return [start // DAY_NS for start in self.starts]

    @cached_property
    def tokens(self) -> Sequence[int]:
        """All tokens of each request."""
        ids, classes = self.classes(())
        kinds = [request.kind for request, _, _ in classes]
        flags = [{key: int(_is_token(key[1])) for key in one.places} for one in kinds]
        found = weighed(self.columns.counts, ids, flags)
        return [0] * len(self) if found is None else found

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
        columns = self.columns
        of_kind, kinds = numbered((one.name, one.succeeded, one.uses) for one in columns.kind)
        of_owner, _ = numbered((one.feature, *one.tags.items()) for one in columns.owner)
        by_owner = [number * len(kinds) for number in of_owner]
        keys = list(
            map(
                add,
                map(by_owner.__getitem__, columns.owners),
                map(of_kind.__getitem__, columns.kinds),
            )
        )
        sizes = [sum(map(tokens.__gt__, cuts)) for tokens in self.tokens] if cuts else None
        ids, firsts = numbered(keys if sizes is None else zip(keys, sizes, strict=True))
        rows = [(at, columns.row(at)) for at in firsts]
        return ids, [(one, one.kind.shape, sizes[at] if sizes else 0) for at, one in rows]

    def grouped(self, account: str, cycle: Cycle, window: Period) -> Groups:
        """The requests by account and period, each group in order; worked out once."""
        known = self._groups.get((account, cycle, window))
        if known is None:
            known = self._groups[account, cycle, window] = {
                name: self._by_period(members, cycle, window)
                for name, members in self._members(account)
            }
        return known

    def _members(self, account: str) -> Iterator[tuple[str | None, Sequence[int]]]:
        """The requests of each account, by start; those of a user stand together."""
        if account == "user":
            yield from ((user, range(first, after)) for user, first, after in self.users)
            return
        found: dict[str | None, list[int]] = {}
        for at, name in enumerate(self.accounts(account)):
            found.setdefault(name, []).append(at)
        for name, members in found.items():
            yield name, sorted(members, key=self.starts.__getitem__)

    def _by_period(
        self, members: Sequence[int], cycle: Cycle, window: Period
    ) -> dict[Period, Group]:
        found: dict[Period, Group] = {}
        first = 0
        while first < len(members):
            period = period_of(self.days[members[first]], cycle, window)
            after = bisect_left(members, period.end, first, key=self.days.__getitem__)
            inside = members[first:after]
            found[period] = Group(inside, tuple(take(self.ids, inside)))
            first = after
        return found

    def accounts(self, of: str) -> Sequence[str | None]:
        """The account of each request: its user or tenant; one for ``all``."""
        if of == "all":
            return [None] * len(self)
        names = [getattr(owner, of) for owner in self.columns.owner]
        return list(map(names.__getitem__, self.columns.owners))

    def at_rate(self, currency: str, rate: Decimal) -> "Traffic":
        """The traffic in another currency, of which one unit is worth ``rate`` of this one.

        Costs are rounded half to even to 10^-12.
        """
        if currency == self.currency:
            return self
        return Traffic(Rows(self.columns.at_rate(rate)), currency)

    def only(self, indices: Sequence[int]) -> "Traffic":
        """Some of the requests, each named once; the traffic itself where that is all of them."""
        if len(indices) == len(self):
            return self
        return Traffic(Rows(self.columns.only(indices)), self.currency)


def _is_token(meter: str) -> bool:
    known = METERS.get(meter)
    return known is not None and known.side is not Side.OTHER
