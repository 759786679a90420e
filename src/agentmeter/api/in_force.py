"""The settings in force: each from the first place whose value can be used.

A value that was given in code and cannot be used is an error. One that a variable or the project's
file has is left out and told: whoever runs the application must not be able to stop it by a typo.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from agentmeter.api.wiring import collector_of, names_of, plans_of, pricer_of, rules_in, store_of
from agentmeter.exceptions import ConfigurationError
from agentmeter.runtime.settings import (
    ARGUMENT,
    Found,
    Settings,
    checked,
    hosts_in,
    place_of,
    providers_in,
    switch,
)

if TYPE_CHECKING:
    from agentmeter.pricing.plans import PlanBook
    from agentmeter.pricing.pricer import Pricer
    from agentmeter.runtime.budget.store import BudgetStore
    from agentmeter.runtime.budget.value import BudgetRule

_Made = TypeVar("_Made")
_NOWHERE = "http://localhost"
"""An address for headers that are looked at without one."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A value that cannot be used: of which setting, its source, and what is wrong with it."""

    setting: str
    source: str
    problem: str

    def __str__(self) -> str:
        return f"{self.setting} ({place_of(self.source)}): {self.problem}"


class Choice:
    """Takes settings from the first place whose value can be used; keeps what it left out."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.found: dict[str, Found] = {}
        self.left_out: list[LeftOut] = []

    def of(self, name: str, made: Callable[[Any], _Made]) -> _Made:
        """What ``made`` makes of a setting. Raises what it raises for one that code has given."""
        *told, default = self.settings.every(name)
        for found in told:
            try:
                checked(name, found.value)
                answer = made(found.value)
            except Exception as error:
                if found.source == ARGUMENT:
                    raise
                self.left_out.append(LeftOut(name, found.source, _problem(name, error)))
            else:
                self.found[name] = found
                return answer
        self.found[name] = default
        return made(default.value)

    def switch(self, name: str) -> bool:
        """A setting that is true or false."""
        return self.of(name, partial(switch, name))


def _problem(name: str, error: Exception) -> str:
    """What is wrong, without the name that stands before it anyway."""
    if not isinstance(error, ConfigurationError):
        return f"cannot be used ({type(error).__name__})"
    return re.sub(rf"^({name}|otlp|carry_to, providers)( \({ARGUMENT}\))?: ", "", str(error))


@dataclass(frozen=True, slots=True)
class InForce:
    """Every setting in force, under its name, and what was made of files that some name."""

    directory: Path
    journal: bool
    spans: bool
    flush_on_close: bool
    stamp_owner: bool
    provenance: bool
    metrics: bool
    carrier_key: str | None
    carry_to: tuple[str, ...]
    providers: Mapping[str, str]
    public_names: Mapping[str, str]
    rate_card: str | Path | None
    pricer: "Pricer"
    plans: str | Path | None
    book: "PlanBook | None"
    budgets: "tuple[BudgetRule, ...]"
    budget_store: "BudgetStore | str | None"
    store: "BudgetStore | None"
    otlp: str | None
    otlp_headers: Mapping[str, str] | str | None
    otlp_token: str | None


def in_force(choice: Choice, pricer: "Pricer | None" = None) -> InForce:
    """All of them. Raises ``ConfigurationError`` for a value that was given in code."""
    priced = choice.of("rate_card", partial(pricer_of, pricer))
    card = choice.found["rate_card"].value
    book = choice.of("plans", lambda file: plans_of(file, card))
    budgets = choice.of("budget", partial(rules_in, choice.settings.file))
    store = choice.of("budget_store", lambda given: store_of(given, budgets))
    choice.of("otlp", lambda address: collector_of(address, None, None))
    choice.of("otlp_headers", _headers)
    choice.of("otlp_token", lambda token: _headers(None, token))
    return InForce(
        directory=choice.of("directory", Path),
        journal=choice.switch("journal"),
        spans=choice.switch("spans"),
        flush_on_close=choice.switch("flush_on_close"),
        stamp_owner=choice.switch("stamp_owner"),
        provenance=choice.switch("provenance"),
        metrics=choice.switch("metrics"),
        carrier_key=choice.of("carrier_key", lambda key: key),
        carry_to=choice.of("carry_to", hosts_in),
        providers=choice.of("providers", providers_in),
        public_names=choice.of("public_names", names_of),
        rate_card=card,
        pricer=priced,
        plans=choice.found["plans"].value,
        book=book,
        budgets=budgets,
        budget_store=choice.found["budget_store"].value or None,
        store=store,
        otlp=choice.found["otlp"].value,
        otlp_headers=choice.found["otlp_headers"].value,
        otlp_token=choice.found["otlp_token"].value,
    )


def _headers(given: Any, token: str | None = None) -> None:
    """Raise for headers that no collector can be sent; nothing is loaded where there are none."""
    if given or token:
        collector_of(_NOWHERE, given, token)
