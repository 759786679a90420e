"""Recorded traffic under several plans: what each would bring in, and for whom it changes what."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from agentmeter.model.money import CONTEXT
from agentmeter.pricing.plans import Account, Cycle, Period, PlanBook, Traffic
from agentmeter.pricing.plans.columns import take
from agentmeter.pricing.plans.measure import unmatched
from agentmeter.pricing.plans.units import from_units
from agentmeter.report.break_even import BreakEven, Sampler, break_even
from agentmeter.report.margin import Margin, Revenue, margin, put_together, revenue_under
from agentmeter.report.tail import Tail, tail

_MOVERS = 5


@dataclass(frozen=True, slots=True)
class Move:
    """A user who would pay another amount than today."""

    user: str
    today: Decimal
    then: Decimal

    @property
    def change(self) -> Decimal:
        """How much more; negative for less."""
        return CONTEXT.subtract(self.then, self.today)


@dataclass(frozen=True, slots=True)
class Against:
    """A plan against the plans that are recorded on the requests.

    Over the users all of whose requests name a plan of the book; ``movers`` are those whose amount
    changes most.
    """

    more: int
    less: int
    same: int
    movers: tuple[Move, ...]


@dataclass(frozen=True, slots=True)
class PlanComparison:
    """One plan over all of the traffic."""

    plan: str
    margin: Margin
    against_today: Against | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """Recorded traffic under each plan. Amounts are exact, in ``currency``.

    ``window`` are the days that were recorded; fees and allowances are for them alone, unless
    ``whole_periods``. ``incomplete`` requests cost more than is known. ``today`` are the figures
    under the plans that the requests name, of the ``told`` ones that name one of the book.
    """

    currency: str
    window: Period
    whole_periods: bool
    requests: int
    users: int
    cost: Decimal
    incomplete: int
    unattributed: Decimal
    tail: Tail | None
    break_even: BreakEven | None
    plans: tuple[PlanComparison, ...]
    today: Margin | None = None
    told: int = 0


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a comparison: which plans, over which periods, and how fees are counted."""

    plans: tuple[str, ...] = ()
    cycle: Cycle = Cycle.ALL
    whole_periods: bool = False
    unattributed: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Today:
    """What each request brings in under the plan that it names; ``told`` where the book has it."""

    told: bytearray
    revenue: Revenue

    def indices(self) -> list[int]:
        """The requests that name a plan of the book."""
        return [index for index, there in enumerate(self.told) if there]


def compare(
    traffic: Traffic, book: PlanBook, sampler: Sampler, question: Question | None = None
) -> Comparison:
    """The traffic, in the book's currency, under each of its plans."""
    asked = question or Question()
    window = recorded_days(traffic)
    billed = None if asked.whole_periods else window
    today = _today(traffic, book, billed)
    now = None if today is None else _margin_today(traffic, today, asked.cycle, window)
    return Comparison(
        traffic.currency,
        window,
        asked.whole_periods,
        len(traffic),
        sum(user is not None for user, _, _ in traffic.users),
        traffic.cost,
        len(traffic) - sum(traffic.columns.complete),
        asked.unattributed,
        tail(traffic),
        break_even(traffic, sampler),
        tuple(
            _compared(name, traffic, book, billed, window, asked.cycle, today)
            for name in asked.plans or book.names
        ),
        now,
        0 if today is None else sum(today.told),
    )


def _margin_today(traffic: Traffic, today: Today, cycle: Cycle, window: Period) -> Margin:
    indices, all_ = today.indices(), today.revenue
    units, served = take(all_.units, indices), take(all_.served, indices)
    revenue = Revenue(units, served, all_.places, all_.unshared, all_.invoices)
    return margin(traffic.only(indices), revenue, cycle, window)


def recorded_days(traffic: Traffic) -> Period:
    """The days from the first request to the last."""
    days = traffic.days
    return Period(min(days), max(days) + 1) if days else Period(0, 0)


def _compared(
    name: str,
    traffic: Traffic,
    book: PlanBook,
    billed: Period | None,
    window: Period,
    cycle: Cycle,
    today: Today | None,
) -> PlanComparison:
    versions = book.versions(name)
    revenue = revenue_under(
        versions, traffic, book.accounts, billed, book.rate(versions[0].currency)
    )
    return PlanComparison(
        name,
        margin(traffic, revenue, cycle, window),
        None if today is None else _against(traffic, revenue, today),
        tuple(dict.fromkeys(note for one in versions for note in unmatched(one, traffic))),
    )


def _today(traffic: Traffic, book: PlanBook, billed: Period | None) -> Today | None:
    """What the requests bring in under the plans that they name, where these are in the book."""
    by_plan: dict[str, list[int]] = {}
    names, plans = set(book.names), traffic.accounts("plan")
    for index, name in enumerate(plans):
        if name in names:
            by_plan.setdefault(str(name), []).append(index)
    if not by_plan:
        return None
    parts = [(at, _of_plan(name, traffic.only(at), book, billed)) for name, at in by_plan.items()]
    told = bytearray(name in names for name in plans)
    return Today(told, put_together(parts, len(traffic)))


def _of_plan(name: str, mine: Traffic, book: PlanBook, billed: Period | None) -> Revenue:
    versions = book.versions(name)
    names = set(mine.accounts(versions[0].account))
    accounts: Mapping[str, Account] = {
        one: account for one, account in book.accounts.items() if one in names
    }
    return revenue_under(versions, mine, accounts, billed, book.rate(versions[0].currency))


def _against(traffic: Traffic, revenue: Revenue, today: Today) -> Against:
    before = today.revenue
    places = max(revenue.places, before.places)
    was, will = 10 ** (places - before.places), 10 ** (places - revenue.places)
    moves = []
    for user, first, after in traffic.users:
        if user is not None and all(today.told[first:after]):
            paid = sum(before.units[first:after]) * was
            moves.append((sum(revenue.units[first:after]) * will - paid, user, paid))
    ordered = sorted(moves, key=lambda move: (-abs(move[0]), move[1]))
    return Against(
        sum(change > 0 for change, _, _ in moves),
        sum(change < 0 for change, _, _ in moves),
        sum(change == 0 for change, _, _ in moves),
        tuple(
            Move(user, from_units(paid, places), from_units(paid + change, places))
            for change, user, paid in ordered[:_MOVERS]
            if change
        ),
    )
