"""Margin: revenue under a plan minus true cost, by request, by user and by period."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from operator import lt

from agentmeter.model.money import CONTEXT
from agentmeter.pricing.plans import Account, Bill, Cycle, Period, Plan, Traffic, bill, period_of
from agentmeter.pricing.plans.units import from_units, in_units, places_of
from agentmeter.report.tail import ratio

FOR_EVER = Period(0, 10**7)


@dataclass(frozen=True, slots=True)
class Revenue:
    """What requests bring in, in units of 10^-``places`` of the currency plans are compared in.

    ``units`` go with the requests of the traffic; ``served`` is 0 for those that the plan refuses.
    ``unshared`` is revenue that no request stands behind.
    """

    units: Sequence[int]
    served: Sequence[int]
    places: int
    unshared: Decimal = Decimal(0)
    invoices: int = 0


@dataclass(frozen=True, slots=True)
class PeriodMargin:
    """Revenue and true cost of the requests of one period."""

    period: Period
    requests: int
    revenue: Decimal
    cost: Decimal

    @property
    def margin(self) -> Decimal:
        """Revenue minus true cost."""
        return CONTEXT.subtract(self.revenue, self.cost)


@dataclass(frozen=True, slots=True)
class Margin:
    """Revenue, true cost and who loses money, over the requests that a plan serves.

    ``revenue`` has ``unshared`` in it. Requests without a user are none of ``users``.
    """

    revenue: Decimal
    cost: Decimal
    unshared: Decimal
    invoices: int
    requests: int
    losing_requests: int
    users: int
    losing_users: int
    refused: int
    refused_cost: Decimal
    periods: tuple[PeriodMargin, ...]

    @property
    def margin(self) -> Decimal:
        """Revenue minus true cost."""
        return CONTEXT.subtract(self.revenue, self.cost)

    @property
    def rate(self) -> Decimal | None:
        """The margin as a part of the revenue; ``None`` where there is no revenue."""
        return ratio(self.margin, self.revenue) if self.revenue else None


def revenue_under(
    versions: Iterable[Plan],
    traffic: Traffic,
    accounts: Mapping[str, Account],
    window: Period | None,
    rate: Decimal,
) -> Revenue:
    """What ``traffic`` brings in under a plan, of which each version holds for days of its own.

    ``rate`` is the value of one unit of the plan's currency in that of the traffic; true cost is
    brought into the plan's currency with it, to 10^-12.
    """
    parts = [
        (indices, _revenue(one, rate))
        for indices, one in bills_under(versions, traffic, accounts, window, rate)
    ]
    return put_together(parts, len(traffic))


def bills_under(
    versions: Iterable[Plan],
    traffic: Traffic,
    accounts: Mapping[str, Account],
    window: Period | None,
    rate: Decimal,
) -> Iterator[tuple[Sequence[int], Bill]]:
    """For each version of a plan the requests of its days, by index, and the bill over them."""
    for plan in versions:
        holds = Period(plan.from_day or 0, plan.until_day or FOR_EVER.end)
        within = window
        indices: Sequence[int] = range(len(traffic))
        if plan.from_day is not None or plan.until_day is not None:
            indices = [at for at, day in enumerate(traffic.days) if holds.start <= day < holds.end]
            within = holds if window is None else holds.within(window)
        mine = traffic.only(indices)
        yield indices, bill(plan, mine.at_rate(plan.currency, rate), accounts, window=within)


def _revenue(billed: Bill, rate: Decimal) -> Revenue:
    factor = in_units(rate, places_of(rate))
    units = billed.revenue if rate == 1 else [unit * factor for unit in billed.revenue]
    unshared = CONTEXT.multiply(billed.unshared, rate)
    places = billed.places + places_of(rate)
    return Revenue(units, billed.served, places, unshared, len(billed.invoices))


def put_together(parts: Sequence[tuple[Sequence[int], Revenue]], count: int) -> Revenue:
    """Revenue over ``count`` requests from that over parts of them, by index."""
    if len(parts) == 1 and len(parts[0][0]) == count:
        return parts[0][1]
    places = max((one.places for _, one in parts), default=0)
    units, served = [0] * count, bytearray(count)
    unshared, invoices = Decimal(0), 0
    for indices, one in parts:
        factor = 10 ** (places - one.places)
        for index, unit, there in zip(indices, one.units, one.served, strict=True):
            units[index], served[index] = unit * factor, there
        unshared = CONTEXT.add(unshared, one.unshared)
        invoices += one.invoices
    return Revenue(units, served, places, unshared, invoices)


def margin(traffic: Traffic, revenue: Revenue, cycle: Cycle, window: Period) -> Margin:
    """The figures of some traffic that brings in ``revenue``, by periods of ``cycle``."""
    places = max(revenue.places, traffic.places)
    units = _scaled(revenue.units, places - revenue.places)
    costs = traffic.costs_at(places)
    served, all_cost = revenue.served, sum(costs)
    if not all(served):
        costs = [cost if there else 0 for cost, there in zip(costs, served, strict=True)]
    users = [
        sum(units[first:after]) - sum(costs[first:after])
        for user, first, after in traffic.users
        if user is not None and any(served[first:after])
    ]
    cost = sum(costs)
    return Margin(
        CONTEXT.add(from_units(sum(units), places), revenue.unshared),
        from_units(cost, places),
        revenue.unshared,
        revenue.invoices,
        sum(served),
        sum(map(lt, units, costs)),
        len(users),
        sum(map((0).__gt__, users)),
        len(traffic) - sum(served),
        from_units(all_cost - cost, places),
        _by_period(traffic, units, costs, served, places, cycle, window),
    )


def _scaled(units: Sequence[int], by: int) -> Sequence[int]:
    factor = 10**by
    return [unit * factor for unit in units] if by else units


def _by_period(
    traffic: Traffic,
    units: Sequence[int],
    costs: Sequence[int],
    served: Sequence[int],
    places: int,
    cycle: Cycle,
    window: Period,
) -> tuple[PeriodMargin, ...]:
    if cycle is Cycle.ALL:
        return ()
    sums: dict[int, list[int]] = {}
    for day, unit, cost, there in zip(traffic.days, units, costs, served, strict=True):
        into = sums.setdefault(day, [0, 0, 0])
        into[0] += there
        into[1] += unit
        into[2] += cost
    periods: dict[Period, list[int]] = {}
    for day, figures in sums.items():
        into = periods.setdefault(period_of(day, cycle, window), [0, 0, 0])
        into[:] = map(sum, zip(into, figures, strict=True))
    return tuple(
        PeriodMargin(period, count, from_units(unit, places), from_units(cost, places))
        for period, (count, unit, cost) in sorted(periods.items())
    )
