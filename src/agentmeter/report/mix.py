"""A shift in the mix of requests: more of some, fewer of others, evenly taken."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fnmatch import fnmatchcase

from agentmeter.exceptions import ConfigurationError, MoneyError
from agentmeter.model.money import CONTEXT, exact
from agentmeter.pricing.plans import PricedRequest, Traffic
from agentmeter.pricing.plans.units import in_units, places_of

_SHOWN = 10
_FIELDS = ("feature", "user", "tenant", "plan")


@dataclass(frozen=True, slots=True)
class Shift:
    """``factor`` times as many of the requests whose ``field`` matches ``glob``."""

    field: str
    glob: str
    factor: Decimal

    @classmethod
    def parsed(cls, text: str) -> "Shift":
        """From ``FIELD=GLOB:FACTOR``. Raises ``ConfigurationError``."""
        field, mark, rest = text.partition("=")
        glob, colon, factor = rest.rpartition(":")
        known = field in (*_FIELDS, "name", "model") or field.startswith("tag:")
        try:
            number = exact(factor, "factor")
        except MoneyError:
            number = Decimal(-1)
        if not mark or not colon or not glob or not known or number < 0:
            raise ConfigurationError(
                f"mix: expected FIELD=GLOB:FACTOR such as feature=research*:2.0, got {text!r}; "
                f"fields are {', '.join(_FIELDS)}, name, model and tag:NAME"
            )
        return cls(field, glob, number)

    def matches(self, one: PricedRequest) -> bool:
        """Whether a request is one of those."""
        return any(fnmatchcase(value, self.glob) for value in self.values(one) if value is not None)

    def values(self, one: PricedRequest) -> Sequence[str | None]:
        """What a request has there."""
        if self.field == "model":
            return [use.model for use in one.uses]
        if self.field == "name":
            return [one.name]
        if self.field.startswith("tag:"):
            return [one.owner.tags.get(self.field.removeprefix("tag:"))]
        return [getattr(one.owner, self.field)]


def shifted(traffic: Traffic, shifts: Sequence[Shift]) -> Traffic:
    """The traffic with every shift applied to the requests that it matches, the factors multiplied.

    A request is repeated under an id of its own (``…+1``) at the same instant, or left out: of a
    factor of 0.5 every second one, in the order of user and start, so that the result is the same
    whenever it is asked for. Raises ``ConfigurationError`` for a shift that matches no request.
    """
    for shift in shifts:
        _refuse_if_of_none(shift, traffic)
    rows: list[PricedRequest] = []
    owed: dict[tuple[bool, ...], int] = {}
    places = sum(places_of(shift.factor) for shift in shifts)
    for one in traffic.requests:
        matched = tuple(shift.matches(one) for shift in shifts)
        before = owed.get(matched, 0)
        after = owed[matched] = before + in_units(_factor(shifts, matched), places)
        rows.extend(
            replace(one, request_id=f"{one.request_id}+{copy}") if copy else one
            for copy in range(after // 10**places - before // 10**places)
        )
    return Traffic(rows, traffic.currency)


def _refuse_if_of_none(shift: Shift, traffic: Traffic) -> None:
    if not any(map(shift.matches, traffic.requests)):
        found = {value for one in traffic.requests for value in shift.values(one) if value}
        there = f"there are {', '.join(sorted(found)[:_SHOWN])}" if found else "there are none"
        raise ConfigurationError(f"mix: no request has {shift.field}={shift.glob}; {there}")


def _factor(shifts: Sequence[Shift], matched: tuple[bool, ...]) -> Decimal:
    factor = Decimal(1)
    for shift, matches in zip(shifts, matched, strict=True):
        factor = CONTEXT.multiply(factor, shift.factor) if matches else factor
    return factor
