"""Plans in TOML.

currency = "USD"                 # what plans are compared in
models = ["our-own-*"]           # optional: models and tools that no price list has

[exchange]                       # optional: one unit of another currency, in that currency
EUR = "1.08"

[[plan]]
name = "pro"
account = "user"                 # who gets an invoice: user, tenant, all
period = "month"                 # day, week, month, all
# currency, included, cap, minimum, tax, prorate, trial_days, share_fees_by, from, until, places

[[plan.fee]]
amount = "20"                    # per = "seat", seats_least, seats_included

[[plan.limit]]
most = 45
within = "5h"                    # of = "tokens"

[[plan.charge]]
for = "requests"                 # outcomes, tokens, credits, cost
allowance = 300                  # allowance_per = "seat", refuse, rollover, rollover_most
price = "0.04"                   # or steps; per, whole, volume; input, cached, output; markup
feature = "research*"            # request, model, tag, above_tokens, up_to_tokens

[[plan.charge.weight]]           # what a request counts as, by model
model = "*opus*"
request = 10

[[account]]                      # optional: what is known beyond the requests
name = "acme"
from = 2026-11-10                # until, seats
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Self

from agentmeter.exceptions import PlanError
from agentmeter.pricing.plans.billing import Account
from agentmeter.pricing.plans.periods import date_of
from agentmeter.pricing.plans.plan import ONE, Plan
from agentmeter.pricing.plans.reading import day_in, plan_in
from agentmeter.pricing.plans.table import Models, Table

_TOP = ("currency", "models", "exchange", "plan", "account")


@dataclass(frozen=True, slots=True)
class PlanBook:
    """Plans and what goes with them. ``exchange`` is the value of one unit in ``currency``."""

    plans: tuple[Plan, ...]
    currency: str = "USD"
    exchange: Mapping[str, Decimal] = field(default_factory=dict)
    accounts: Mapping[str, Account] = field(default_factory=dict)

    @classmethod
    def from_file(cls, path: str | Path, models: Models | None = None) -> Self:
        """Read plans from a TOML file, as ``from_text`` does. Raises ``PlanError``."""
        try:
            text = Path(path).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise PlanError(f"{path}: cannot be read as text: {error}") from error
        return cls.from_text(text, str(path), models)

    @classmethod
    def from_text(cls, text: str, source: str = "plans", models: Models | None = None) -> Self:
        """Read plans from TOML; ``source`` stands in messages. Raises ``PlanError``.

        With ``models`` a plan that names a model which is none of them is refused.
        """
        top = Table.parsed(text, source, models)
        top.known(*_TOP)
        currency = top.currency("currency", "USD")
        exchange = dict(_exchange(top, currency))
        plans = tuple(plan_in(one, currency, exchange) for one in top.tables("plan"))
        if not plans:
            top.fail("plan", "there is none; write [[plan]] and a name below it")
        _refuse_overlaps(list(top.tables("plan")), plans)
        return cls(plans, currency, MappingProxyType(exchange), MappingProxyType(_accounts(top)))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the plans, in their order."""
        return tuple(dict.fromkeys(plan.name for plan in self.plans))

    def versions(self, name: str) -> tuple[Plan, ...]:
        """The plan called ``name``, in every version. Raises ``PlanError`` if there is none."""
        found = tuple(plan for plan in self.plans if plan.name == name)
        if not found:
            raise PlanError(f"there is no plan {name!r}; there are {', '.join(self.names)}")
        return found

    def rate(self, currency: str) -> Decimal:
        """What one unit of ``currency`` is worth. Raises ``PlanError`` where nothing says."""
        if currency == self.currency:
            return ONE
        if currency not in self.exchange:
            raise PlanError(
                f"there is no rate from {currency} to {self.currency}; "
                f'add {currency} = "…" to [exchange]'
            )
        return self.exchange[currency]


def _exchange(top: Table, currency: str) -> Iterator[tuple[str, Decimal]]:
    data = top.data.get("exchange", {})
    if not isinstance(data, dict):
        top.fail("exchange", 'write [exchange] and a rate below it, such as EUR = "1.08"')
    table = top.inside("exchange", data)
    for code in data:
        table.currency(code, code) if re.fullmatch("[A-Z]{3}", code) is None else None
        rate = table.number(code)
        if code == currency or not rate:
            table.fail(code, f"expected what one {code} is worth in {currency}, above zero")
        yield code, rate


def _accounts(top: Table) -> dict[str, Account]:
    accounts: dict[str, Account] = {}
    for one in top.tables("account"):
        one.known("name", "from", "until", "seats")
        name = one.text("name") or one.fail("name", "an account needs one")
        if name in accounts:
            one.fail("name", f"{name!r} is there already")
        start, end = day_in(one, "from"), day_in(one, "until")
        if start is not None and end is not None and start >= end:
            one.fail("until", "must be later than 'from'; it is the first day after")
        accounts[name] = Account(name, start, end, one.whole("seats"))
    return accounts


def _refuse_overlaps(tables: list[Table], plans: tuple[Plan, ...]) -> None:
    for later, (table, plan) in enumerate(zip(tables, plans, strict=True)):
        for earlier in plans[:later]:
            if earlier.name == plan.name and _overlap(earlier, plan):
                until = earlier.until_day
                ends = "never ends" if until is None else f"ends {date_of(until)}"
                table.fail(
                    "from" if "from" in table.data else "name",
                    f"overlaps an earlier plan {plan.name!r} that {ends}; "
                    "end one where the other begins",
                )


def _overlap(one: Plan, other: Plan) -> bool:
    return (one.until_day is None or other.from_day is None or other.from_day < one.until_day) and (
        other.until_day is None or one.from_day is None or one.from_day < other.until_day
    )
