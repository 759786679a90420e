"""Plans: what the end user is charged, put together from a few parts.

A plan is *fees* for a period, *charges* for what the requests of it count as, *limits* on how much
may run, and what holds for the whole invoice: money that is included, a cap, a minimum, tax. A
charge measures a quantity (`Weight`) of the requests that match (`Match`), takes an *allowance*
off it, and prices the rest by *steps*. Per request, per token, subscription, credits, outcomes and
pass-through are all the same parts.

Of charges that measure the same thing each quantity is taken by the first that matches it, so that
nothing is charged twice.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType

from agentmeter.exceptions import PlanError

ONE = Decimal(1)
_NOTHING: Mapping[str, Decimal] = MappingProxyType({})
_NO_TAGS: Mapping[str, str] = MappingProxyType({})


def _not_negative(value: Decimal | int | None, name: str) -> None:
    if value is not None and value < 0:
        raise PlanError(f"{name}: cannot be negative, got {value}")


class Of(StrEnum):
    """What a charge measures."""

    REQUESTS = "requests"
    OUTCOMES = "outcomes"
    """Requests that succeeded."""
    TOKENS = "tokens"
    CREDITS = "credits"
    COST = "cost"
    """The true cost, in the plan's currency."""


UNITS = {
    Of.REQUESTS: "request",
    Of.OUTCOMES: "outcome",
    Of.TOKENS: "token",
    Of.CREDITS: "credit",
    Of.COST: "cost",
}


class Key(StrEnum):
    """By what an amount that no single request caused is shared out over requests."""

    REQUESTS = "requests"
    TOKENS = "tokens"
    COST = "cost"


class Cycle(StrEnum):
    """How long a period of a plan is, in UTC."""

    DAY = "day"
    WEEK = "week"
    """From Monday."""
    MONTH = "month"
    ALL = "all"
    """One period over everything recorded."""


@dataclass(frozen=True, slots=True)
class Match:
    """Which requests a charge is for: globs over feature, name and tags, and a class of size.

    ``above`` and ``up_to`` bound the total tokens of the request: ``above < tokens <= up_to``.
    """

    feature: str | None = None
    name: str | None = None
    tags: Mapping[str, str] = field(default_factory=lambda: _NO_TAGS)
    above: int | None = None
    up_to: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "tags", MappingProxyType(dict(sorted(self.tags.items()))))
        if self.above is not None and self.up_to is not None and self.above >= self.up_to:
            raise PlanError("up_to: must be larger than above; no request is between them")


@dataclass(frozen=True, slots=True)
class Weight:
    """What a request counts as, where its models match the glob ``model``.

    ``request`` is counted once for a request: the largest of the weights that its models match.
    ``meters`` is the weight of one unit of a meter, by its name or as ``input``, ``cached``,
    ``cache_write``, ``output`` or ``tokens``; of a model's weights the first that matches holds.
    ``cost`` counts the true cost.
    """

    model: str = "*"
    request: Decimal = Decimal(0)
    meters: Mapping[str, Decimal] = field(default_factory=lambda: _NOTHING)
    cost: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "meters", MappingProxyType(dict(self.meters)))
        for name, weight in (("request", self.request), *self.meters.items()):
            _not_negative(weight, name)


PER_REQUEST = (Weight(request=ONE),)
PER_TOKEN = (Weight(meters={"tokens": ONE}),)
TRUE_COST = (Weight(cost=True),)
_MEASURES = {
    Of.REQUESTS: PER_REQUEST,
    Of.OUTCOMES: PER_REQUEST,
    Of.TOKENS: PER_TOKEN,
    Of.COST: TRUE_COST,
}


@dataclass(frozen=True, slots=True)
class Allowance:
    """A quantity that a period includes.

    ``per_seat`` multiplies it by the seats. With ``refuse`` a request is not begun once it is used
    up; else what goes beyond it is charged. What is unused stays usable for ``rollover`` further
    periods, ``most`` of it at a time; the oldest is used first.
    """

    quantity: Decimal
    per_seat: bool = False
    refuse: bool = False
    rollover: int = 0
    most: Decimal | None = None

    def __post_init__(self) -> None:
        _not_negative(self.quantity, "allowance")
        _not_negative(self.rollover, "rollover")
        _not_negative(self.most, "rollover_most")
        if self.most is not None and not self.rollover:
            raise PlanError("rollover_most: there is no rollover; say for how many periods")


@dataclass(frozen=True, slots=True)
class Step:
    """A unit price up to a quantity; ``up_to`` is ``None`` for the last. ``fee`` is paid once."""

    price: Decimal
    up_to: Decimal | None = None
    fee: Decimal = Decimal(0)

    def __post_init__(self) -> None:
        _not_negative(self.price, "price")
        _not_negative(self.fee, "fee")


@dataclass(frozen=True, slots=True)
class Charge:
    """A price for what requests count as.

    ``steps`` are graduated (each part at the price of its step) or with ``volume`` all at the price
    of the step that the whole falls into, which may make more usage cheaper. Prices are for ``per``
    units; with ``whole`` only whole lots of ``per`` units are sold, as packs of credits are.
    """

    name: str
    of: Of
    steps: tuple[Step, ...] = ()
    match: Match = Match()
    weights: tuple[Weight, ...] = ()
    allowance: Allowance | None = None
    volume: bool = False
    per: int = 1
    whole: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", self.weights or _MEASURES.get(self.of, ()))
        if not self.weights:
            raise PlanError("weight: credits need at least one weight")
        _check_steps(self)
        _check_per(self)


@dataclass(frozen=True, slots=True)
class Fee:
    """A fee for a period; ``per_seat`` for each seat beyond ``included``, of ``least`` or more."""

    name: str
    amount: Decimal
    per_seat: bool = False
    least: int = 0
    included: int = 0

    def __post_init__(self) -> None:
        _not_negative(self.amount, "amount")
        _not_negative(self.least, "seats_least")
        _not_negative(self.included, "seats_included")


@dataclass(frozen=True, slots=True)
class Limit:
    """At most so many requests or tokens in any ``seconds`` on end; what is beyond is refused.

    A request is begun as long as the tokens of the window have not reached the limit.
    """

    most: int
    seconds: int
    of: Of = Of.REQUESTS

    def __post_init__(self) -> None:
        if self.most <= 0 or self.seconds <= 0:
            raise PlanError("limit: most and within must be larger than zero")
        if self.of not in (Of.REQUESTS, Of.TOKENS):
            raise PlanError("of: a limit counts requests or tokens")


@dataclass(frozen=True, slots=True)
class Plan:
    """A price model that end users are charged under.

    ``account`` says who gets an invoice: each ``user``, each ``tenant``, or ``all`` together.
    ``included`` is money that the charges of a period may use up, ``cap`` the most that they
    amount to after it; fees are on top. ``minimum`` is the least that fees and charges amount to.
    With ``prorate`` fees, allowances and these three follow the days of a period that an account is
    subscribed for. ``trial_days`` are free of everything. ``tax`` is in percent, at the end.
    ``from_day`` and ``until_day`` (days since the epoch, the latter exclusive) bound when the plan
    is on sale. ``places`` are the decimal places of an amount that is payable.
    """

    name: str
    currency: str = "USD"
    account: str = "user"
    cycle: Cycle = Cycle.MONTH
    fees: tuple[Fee, ...] = ()
    charges: tuple[Charge, ...] = ()
    limits: tuple[Limit, ...] = ()
    included: Decimal = Decimal(0)
    cap: Decimal | None = None
    minimum: Decimal = Decimal(0)
    tax: Decimal = Decimal(0)
    prorate: bool = True
    trial_days: int = 0
    share: Key = Key.REQUESTS
    from_day: int | None = None
    until_day: int | None = None
    places: int = 2

    def __post_init__(self) -> None:
        for name in ("included", "cap", "minimum", "tax", "trial_days", "places"):
            _not_negative(getattr(self, name), name)
        if self.account not in ("user", "tenant", "all"):
            raise PlanError(f"account: one of user, tenant, all; got {self.account!r}")
        if None not in (self.from_day, self.until_day) and self.from_day >= self.until_day:  # type: ignore[operator]
            raise PlanError("until: must be later than from; it is the first day after")

    def amounts(self) -> Iterator[Decimal]:
        """Every amount of money that the plan names."""
        yield from (fee.amount for fee in self.fees)
        yield from (self.included, self.minimum, self.cap or Decimal(0))


def _check_steps(charge: Charge) -> None:
    ends = [step.up_to for step in charge.steps]
    if charge.allowance is None and not ends:
        raise PlanError("price: the charge has neither a price nor an allowance")
    if ends and ends[-1] is not None:
        raise PlanError("steps: never end; leave up_to out of the last, which holds for the rest")
    bounds = [end for end in ends[:-1] if end is not None]
    if len(bounds) != max(0, len(ends) - 1):
        raise PlanError("steps: overlap; only the last may be without up_to")
    if any(later <= earlier for earlier, later in zip([Decimal(0), *bounds], bounds, strict=False)):
        raise PlanError("steps: overlap; each up_to must be larger than the one before it")


def _check_per(charge: Charge) -> None:
    if charge.per < 1:
        raise PlanError("per: must be one or more")
    if charge.whole and len(charge.steps) > 1:
        raise PlanError("whole: lots are sold at one price; leave the further steps out")
    if not charge.whole and charge.per != 10 ** (len(str(charge.per)) - 1):
        raise PlanError(f"per: a power of ten unless only whole lots are sold, got {charge.per}")
