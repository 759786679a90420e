"""Measuring: what each request counts as, for each charge of a plan, in whole units."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import TypeVar

from agentmeter.model.meters import METERS, Side
from agentmeter.pricing.plans.columns import weighed
from agentmeter.pricing.plans.plan import Charge, Match, Of, Plan, Weight
from agentmeter.pricing.plans.priced_request import PricedRequest
from agentmeter.pricing.plans.traffic import Class, Traffic
from agentmeter.pricing.plans.units import FINEST, in_units, places_of

K = TypeVar("K")

_ONCE = (Of.REQUESTS, Of.OUTCOMES)
"""What a request counts for as a whole: the first charge takes it, even at a weight of zero."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A charge with the quantity of each request, in units of 10^-``places``."""

    charge: Charge
    places: int
    quantities: Sequence[int]


@dataclass(frozen=True, slots=True)
class _Count:
    """How the requests of one class are counted: a fixed number, by meter, and by use at cost."""

    fixed: int = 0
    by_meter: tuple[int, ...] = ()
    by_use: tuple[bool, ...] = ()


@dataclass(slots=True)
class _Taken:
    """What earlier charges have taken of one class of requests."""

    whole: set[Of] = field(default_factory=set)
    parts: set[tuple[Of, int]] = field(default_factory=set)


def pool_places(one: Measured) -> int:
    """The decimal places in which what is left of a quantity is reckoned after its allowance.

    A part of an allowance for some days of a period is seldom a whole number.
    """
    allowance = one.charge.allowance
    if allowance is None:
        return one.places
    return max(one.places, FINEST, places_of(allowance.quantity))


def measured(plan: Plan, traffic: Traffic) -> list[Measured]:
    """Each charge of the plan with the quantity of every request."""
    cuts = _cuts(plan)
    ids, classes = traffic.classes(cuts)
    places = [_places(charge, traffic) for charge in plan.charges]
    counted = [_counted(plan, one, cuts, places) for one in classes]
    found = []
    for number, charge in enumerate(plan.charges):
        by_class = [of_class[number] for of_class in counted]
        quantities = _quantities(traffic, ids, classes, by_class)
        found.append(Measured(charge, places[number], quantities))
    return found


def unmatched(plan: Plan, traffic: Traffic) -> Iterator[str]:
    """The models that a plan names and nobody used, and the charges that counted nothing."""
    cuts = _cuts(plan)
    _, classes = traffic.classes(cuts)
    models = {use.model for request, _, _ in classes for use in request.uses} or {None}
    places = [_places(charge, traffic) for charge in plan.charges]
    counted = [_counted(plan, one, cuts, places) for one in classes]
    for number, charge in enumerate(plan.charges):
        missing = [one for one in charge.weights if not any(_is_of(one, name) for name in models)]
        for weight in missing:
            near = get_close_matches(weight.model, [name for name in models if name], n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            yield f"{charge.name}: no recorded model matches {weight.model!r}{hint}"
        if counted and not missing and all(one[number] is _NOTHING for one in counted):
            yield f"{charge.name}: counted nothing of what was recorded"


def _cuts(plan: Plan) -> tuple[int, ...]:
    bounds = {at for one in plan.charges for at in (one.match.above, one.match.up_to)}
    return tuple(sorted(at for at in bounds if at is not None))


def _places(charge: Charge, traffic: Traffic) -> int:
    weights = [one.request for one in charge.weights]
    weights += [weight for one in charge.weights for weight in one.meters.values()]
    counted = max(map(places_of, weights), default=0)
    return max(counted, traffic.places) if any(one.cost for one in charge.weights) else counted


_NOTHING = _Count()


def _counted(plan: Plan, one: Class, cuts: tuple[int, ...], places: Sequence[int]) -> list[_Count]:
    """For each charge how it counts the requests of a class; what one takes the next has not."""
    taken = _Taken()
    return [
        _count(charge, one, scale, taken) if _matches(charge, one, cuts) else _NOTHING
        for charge, scale in zip(plan.charges, places, strict=True)
    ]


def _matches(charge: Charge, one: Class, cuts: tuple[int, ...]) -> bool:
    request, _, size = one
    match = charge.match
    above = match.above is None or size > cuts.index(match.above)
    up_to = match.up_to is None or size <= cuts.index(match.up_to)
    succeeded = charge.of is not Of.OUTCOMES or request.succeeded
    return above and up_to and succeeded and _is_for(match, request)


def _is_for(match: Match, request: PricedRequest) -> bool:
    owner = request.owner
    return (
        _like(owner.feature, match.feature)
        and _like(request.name, match.name)
        and all(_like(owner.tags.get(tag), glob) for tag, glob in match.tags.items())
    )


def _like(value: str | None, glob: str | None) -> bool:
    return glob is None or (value is not None and fnmatchcase(value, glob))


def _is_of(weight: Weight, model: str | None) -> bool:
    return weight.model == "*" or (model is not None and fnmatchcase(model.lower(), weight.model))


def _count(charge: Charge, one: Class, places: int, taken: _Taken) -> _Count:
    request, shape, _ = one
    fixed = None if charge.of in taken.whole else _fixed(charge, request)
    if fixed or (fixed is not None and charge.of in _ONCE):
        taken.whole.add(charge.of)
    by_meter = tuple(
        _meter(charge, model, meter, (charge.of, at), taken)
        for at, (model, meter) in enumerate(shape)
    )
    by_use = tuple(
        _cost(charge, use.model, (charge.of, at), taken) for at, use in enumerate(request.uses)
    )
    count = _Count(
        in_units(fixed or Decimal(0), places),
        tuple(in_units(weight, places) for weight in by_meter) if any(by_meter) else (),
        by_use if any(by_use) else (),
    )
    return _NOTHING if count == _NOTHING and fixed is None else count


def _fixed(charge: Charge, request: PricedRequest) -> Decimal | None:
    """What a request counts as by itself: the largest of the weights that its models match."""
    models = {use.model for use in request.uses} or {None}
    weights = (_weight(charge, model) for model in models)
    return max((one.request for one in weights if one is not None), default=None)


def _weight(charge: Charge, model: str | None) -> Weight | None:
    return next((weight for weight in charge.weights if _is_of(weight, model)), None)


def _meter(
    charge: Charge, model: str | None, meter: str, place: tuple[Of, int], taken: _Taken
) -> Decimal:
    weight = _weight(charge, model)
    if weight is None or not weight.meters or place in taken.parts:
        return Decimal(0)
    name = next((name for name in groups_of(meter) if name in weight.meters), None)
    if name is None:
        return Decimal(0)
    taken.parts.add(place)
    return weight.meters[name]


def _cost(charge: Charge, model: str | None, place: tuple[Of, int], taken: _Taken) -> bool:
    weight = _weight(charge, model)
    if weight is None or not weight.cost or place in taken.parts:
        return False
    taken.parts.add(place)
    return True


def groups_of(meter: str) -> Iterator[str]:
    """The names that a meter is weighed by, the closest first."""
    yield meter
    if meter.startswith("cache_read"):
        yield "cached"
    if meter.startswith("cache_write"):
        yield "cache_write"
    known = METERS.get(meter)
    if known is not None and known.side is not Side.OTHER:
        yield known.side.value
        yield "tokens"


def _quantities(
    traffic: Traffic, ids: list[int], classes: Sequence[Class], counted: list[_Count]
) -> Sequence[int]:
    columns, kinds = traffic.columns, [request.kind for request, _, _ in classes]
    parts = (
        weighed({0: [1] * len(ids)}, ids, [{0: one.fixed} for one in counted]),
        weighed(columns.counts, ids, _weights([one.places for one in kinds],
                                              [one.by_meter for one in counted])),
        weighed(dict(enumerate(columns.costs)), ids,
                _weights([range(len(one.uses)) for one in kinds],
                         [one.by_use for one in counted])),
    )  # fmt: skip
    there = [part for part in parts if part is not None]
    if not there:
        return [0] * len(ids)
    return there[0] if len(there) == 1 else list(map(sum, zip(*there, strict=True)))


def _weights(places: Sequence[Sequence[K]], given: Sequence[Sequence[int]]) -> list[dict[K, int]]:
    """What each class weighs by place; where nothing is given, nothing."""
    return [
        dict(zip(own, weights, strict=True)) if weights else dict.fromkeys(own, 0)
        for own, weights in zip(places, given, strict=True)
    ]
