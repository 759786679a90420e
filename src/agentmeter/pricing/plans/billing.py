"""Billing: the usage and requests of accounts in, invoices out."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, MutableSequence, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from agentmeter.model.money import total
from agentmeter.pricing.plans.admission import within_allowance, within_limits
from agentmeter.pricing.plans.columns import take
from agentmeter.pricing.plans.drafting import Draft, Terms
from agentmeter.pricing.plans.invoice import Invoice
from agentmeter.pricing.plans.measure import Measured, measured, pool_places
from agentmeter.pricing.plans.periods import Period, periods_in
from agentmeter.pricing.plans.plan import Cycle, Plan
from agentmeter.pricing.plans.rating import Pool
from agentmeter.pricing.plans.traffic import Group, Traffic
from agentmeter.pricing.plans.units import places_of

_NOBODY = Group([], ())
_FOR_EVER = 10**7
"""A day that no record reaches."""


@dataclass(frozen=True, slots=True)
class Account:
    """What is known of an account beyond its requests.

    It is subscribed for the days ``[from_day, until_day)``, since before the record where nothing
    says from when, and billed for all of them that the record reaches, used or not.
    """

    name: str
    from_day: int | None = None
    until_day: int | None = None
    seats: int | None = None


@dataclass(frozen=True, slots=True)
class Bill:
    """The invoices of a plan over some traffic, and what each request of it caused.

    ``revenue`` is in units of 10^-``places`` and goes with the traffic's requests, as ``served``
    does. ``unshared`` is revenue that no request stands behind.
    """

    plan: Plan
    invoices: tuple[Invoice, ...]
    revenue: list[int] = field(repr=False)
    served: bytearray = field(repr=False)
    places: int = 12

    @property
    def unshared(self) -> Decimal:
        """Revenue that no request stands behind: fees of accounts that made none."""
        return total([invoice.unshared for invoice in self.invoices])


def bill(
    plan: Plan,
    traffic: Traffic,
    accounts: Mapping[str, Account] | None = None,
    *,
    window: Period | None = None,
) -> Bill:
    """The invoices of ``traffic`` under ``plan``, by account and period.

    An account that ``accounts`` does not name is taken to be subscribed in every period in which it
    made a request; its trial begins with the first. With ``window`` every subscription is billed
    for its days alone, as is right where a day was recorded of a plan that is paid by the month.
    """
    charges = measured(plan, traffic)
    places = _places(plan, charges, traffic)
    biller = _Biller(plan, traffic, charges, accounts or {}, window, places)
    invoices = tuple(biller.invoices())
    return Bill(plan, invoices, biller.revenue, biller.served, biller.places)


def _places(plan: Plan, charges: list[Measured], traffic: Traffic) -> int:
    """Decimal places that hold every amount exactly."""
    rates = [
        pool_places(one)
        + max(map(places_of, (step.price, step.fee)))
        + len(str(one.charge.per))
        - 1
        for one in charges
        for step in one.charge.steps
    ]
    return max([traffic.places, *rates, *map(places_of, plan.amounts())])


def _put(column: MutableSequence[int], members: Sequence[int], values: Sequence[int]) -> None:
    if isinstance(members, range):
        column[members.start : members.stop] = values
        return
    for index, value in zip(members, values, strict=True):
        column[index] = value


class _Biller:
    def __init__(
        self,
        plan: Plan,
        traffic: Traffic,
        charges: list[Measured],
        accounts: Mapping[str, Account],
        window: Period | None,
        places: int,
    ) -> None:
        self.plan, self.traffic, self.charges = plan, traffic, charges
        self.accounts, self.window, self.places = accounts, window, places
        self.revenue = [0] * len(traffic)
        self.served = bytearray(len(traffic))
        days = traffic.days
        self._users = traffic.accounts("user")
        self._span = window or Period(min(days, default=0), max(days, default=-1) + 1)

    def invoices(self) -> Iterator[Invoice]:
        """The invoices, by account and period."""
        groups = self.traffic.grouped(self.plan.account, self.plan.cycle, self._span)
        names = set(groups) if self.plan.account == "all" else {*groups, *self.accounts}
        for name in sorted(names, key=lambda one: (one is not None, one or "")):
            yield from self._of_account(name, groups.get(name, {}))

    def _of_account(self, name: str | None, groups: Mapping[Period, Group]) -> Iterator[Invoice]:
        known = self.accounts.get(name) if name is not None else None
        term = self._term(known)
        first = term.start if known and known.from_day is not None else self._first_day(groups)
        trial_end = first + self.plan.trial_days if self.plan.trial_days else 0
        paid = term.within(Period(trial_end, _FOR_EVER))
        limited = self._limited(groups)
        pools: dict[int, Pool] = {}
        before: Period | None = None
        for period in self._periods(groups, term if known else None):
            gone = 0 if before is None else self._between(before, period)
            for pool in pools.values():
                pool.close(gone)
            before = period
            group = groups.get(period, _NOBODY)
            inside: Sequence[int] = group.members
            if limited is not None:
                inside = [one for one in inside if one in limited]
            trial = inside[: self._in_trial(inside, trial_end)]
            live = inside[len(trial) :]
            terms = self._terms(known, period, paid, live)
            self._open(pools, terms)
            live = self._within_allowances(pools, live)
            draft = Draft(self.plan, self.traffic, live, self.places, self._ids(group, live))
            draft.fill(self.charges, pools, terms)
            yield self._invoice(name, period, draft, group, trial)

    def _ids(self, group: Group, live: Sequence[int]) -> tuple[str, ...]:
        if len(live) == len(group.members):
            return group.ids
        return tuple(take(self.traffic.ids, live))

    def _in_trial(self, inside: Sequence[int], trial_end: int) -> int:
        return bisect_left(inside, trial_end, key=self.traffic.days.__getitem__)

    def _first_day(self, groups: Mapping[Period, Group]) -> int:
        return self.traffic.days[groups[min(groups)].members[0]] if groups else 0

    def _limited(self, groups: Mapping[Period, Group]) -> set[int] | None:
        """The requests that the limits let through; ``None`` where there are no limits."""
        if not self.plan.limits:
            return None
        members = [one for period in sorted(groups) for one in groups[period].members]
        return set(within_limits(self.plan.limits, self.traffic, members))

    def _periods(self, groups: Mapping[Period, Group], term: Period | None) -> list[Period]:
        """The periods with requests, and every one of the term where that is known."""
        found = set(groups)
        if term is not None:
            found.update(periods_in(term.within(self._span), self.plan.cycle, self._span))
        return sorted(found)

    def _term(self, known: Account | None) -> Period:
        """The days that are billed of an account."""
        start, end = 0, _FOR_EVER
        if known is not None:
            start = known.from_day if known.from_day is not None else 0
            end = known.until_day if known.until_day is not None else _FOR_EVER
        term = Period(start, end)
        return term.within(self.window) if self.window is not None else term

    def _between(self, before: Period, period: Period) -> int:
        """How many periods on ``period`` is from ``before``."""
        if self.plan.cycle is Cycle.ALL:
            return 1
        return sum(1 for _ in periods_in(Period(before.end, period.end), self.plan.cycle, period))

    def _terms(
        self, known: Account | None, period: Period, paid: Period, live: Sequence[int]
    ) -> Terms:
        if not self.plan.prorate:
            whole = paid.within(period).days > 0
            return Terms(self._seats(known, live), 0, period.days if whole else 0, period.days)
        part = period.within(paid)
        start, end = part.start - period.start, part.end - period.start
        return Terms(self._seats(known, live), start, end, period.days)

    def _seats(self, known: Account | None, live: Sequence[int]) -> int:
        if known is not None and known.seats is not None:
            return known.seats
        if self.plan.account == "user":
            return 1
        return max(1, len(set(take(self._users, live)) - {None}))

    def _open(self, pools: dict[int, Pool], terms: Terms) -> None:
        for number, one in enumerate(self.charges):
            allowance = one.charge.allowance
            if allowance is not None:
                pool = pools.setdefault(number, Pool(allowance, pool_places(one)))
                pool.open(terms.seats, terms.start, terms.end, terms.length)

    def _within_allowances(self, pools: dict[int, Pool], live: Sequence[int]) -> Sequence[int]:
        for number, pool in pools.items():
            if pool.allowance.refuse:
                one = self.charges[number]
                available = -(-pool.available // 10 ** (pool.places - one.places))
                live = within_allowance(available, live, one.quantities)
        return live

    def _invoice(
        self,
        name: str | None,
        period: Period,
        draft: Draft,
        group: Group,
        trial: Sequence[int],
    ) -> Invoice:
        _put(self.revenue, draft.live, draft.shares)
        _put(self.served, draft.live, b"\1" * len(draft.live))
        _put(self.served, trial, b"\1" * len(trial))
        draft.add_trial(trial)
        return Invoice(
            name,
            self.plan.name,
            self.plan.currency,
            period,
            tuple(draft.lines),
            draft.ids,
            tuple(draft.shares),
            self.places,
            self._refused(group, len(draft.live) + len(trial)),
            self.plan.tax,
            self.plan.places,
            tuple(draft.left),
        )

    def _refused(self, group: Group, served: int) -> tuple[str, ...]:
        if served == len(group.members):
            return ()
        pairs = zip(group.members, group.ids, strict=True)
        return tuple([name for one, name in pairs if not self.served[one]])
