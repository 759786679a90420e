"""A plan read from its TOML table, with its fees and limits."""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, TypeVar

from agentmeter.exceptions import PlanError
from agentmeter.pricing.plans.charges import charges_in
from agentmeter.pricing.plans.periods import day_of
from agentmeter.pricing.plans.plan import Cycle, Fee, Key, Limit, Of, Plan
from agentmeter.pricing.plans.table import Table

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_PLAN = (
    "name", "currency", "account", "period", "included", "cap", "minimum", "tax", "prorate",
    "trial_days", "share_fees_by", "from", "until", "places", "fee", "charge", "limit",
)  # fmt: skip
_FEE = ("name", "amount", "per", "seats_least", "seats_included")

V = TypeVar("V")


def plan_in(table: Table, currency: str, exchange: Mapping[str, Decimal]) -> Plan:
    """The plan of a ``[[plan]]`` table. Raises ``PlanError``."""
    table.known(*_PLAN)
    name = table.text("name") or table.fail("name", "a plan needs one")
    own = table.currency("currency", currency)
    if own != currency and own not in exchange:
        table.fail(
            "currency", f'{own} cannot be compared in {currency}; add {own} = "…" to [exchange]'
        )
    fees = tuple(_made(one, _fee) for one in table.tables("fee"))
    limits = tuple(_made(one, _limit) for one in table.tables("limit"))
    charges = tuple(charge for one in table.tables("charge") for charge in _made(one, charges_in))
    if not fees and not charges:
        table.fail("charge", "the plan charges nothing; add [[plan.fee]] or [[plan.charge]]")
    given: dict[str, Any] = {
        "account": table.choice("account", ("user", "tenant", "all")),
        "cycle": _as(Cycle, table.choice("period", tuple(Cycle))),
        "included": table.number("included"),
        "cap": table.number("cap"),
        "minimum": table.number("minimum"),
        "tax": table.number("tax"),
        "prorate": table.flag("prorate"),
        "trial_days": table.whole("trial_days"),
        "share": _as(Key, table.choice("share_fees_by", tuple(Key))),
        "from_day": day_in(table, "from"),
        "until_day": day_in(table, "until"),
        "places": table.whole("places"),
    }
    given = {key: value for key, value in given.items() if value is not None}
    return _made(
        table, lambda _: Plan(name, own, fees=fees, charges=charges, limits=limits, **given)
    )


def _as(kind: Callable[[str], V], value: str | None) -> V | None:
    return None if value is None else kind(value)


def _made(table: Table, make: Callable[[Table], V]) -> V:
    """A value whose own complaint is told with file and line."""
    try:
        return make(table)
    except PlanError as error:
        if str(error).startswith(f"{table.reader.name}, line "):
            raise
        name, _, problem = str(error).partition(": ")
        table.fail(name, problem)


def _fee(table: Table) -> Fee:
    table.known(*_FEE)
    amount = table.number("amount")
    if amount is None:
        table.fail("amount", "a fee needs one, such as '20'")
    per_seat = table.choice("per", ("period", "seat")) == "seat"
    name = table.text("name") or ("Seats" if per_seat else "Subscription")
    for seats in ("seats_least", "seats_included"):
        if seats in table.data and not per_seat:
            table.fail(seats, 'the fee is not per seat; add per = "seat"')
    return Fee(
        name, amount, per_seat, table.whole("seats_least") or 0, table.whole("seats_included") or 0
    )


def _limit(table: Table) -> Limit:
    table.known("of", "most", "within")
    most, within = table.whole("most"), table.text("within")
    found = re.fullmatch(r"(\d+)\s*([smhdw])", within or "")
    if found is None:
        table.fail("within", f"expected a time such as '5h', '30m' or '7d', got {within!r}")
    of = Of(table.choice("of", (Of.REQUESTS, Of.TOKENS)) or Of.REQUESTS)
    return Limit(most or 0, int(found[1]) * _SECONDS[found[2]], of)


def day_in(table: Table, name: str) -> int | None:
    """A date as a day since the epoch."""
    at = table.day(name)
    return None if at is None else day_of(at)
