"""What ``configure`` puts together: pricer, plans, journal, collector, budgets."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentmeter.exceptions import ConfigurationError
from agentmeter.runtime import unfinished
from agentmeter.runtime.faults import FAULTS
from agentmeter.runtime.state import STATE

if TYPE_CHECKING:
    from agentmeter.pricing.known import KnownModels
    from agentmeter.pricing.plans import PlanBook
    from agentmeter.pricing.pricer import Pricer
    from agentmeter.runtime.budget.gate import Gate
    from agentmeter.runtime.budget.store import BudgetStore
    from agentmeter.runtime.budget.value import BudgetRule


def pricer_of(pricer: "Pricer | None", card: str | Path | None) -> "Pricer":
    """The catalog, or a pricer of one's own, with the rate card laid over it."""
    from agentmeter.pricing import Cached, Catalog, RateCard

    base = pricer or Catalog()
    layers = RateCard.from_file(card).over(base) if card else base
    return Cached(layers, FAULTS.count)


def plans_of(file: str | Path | None, card: str | Path | None) -> "PlanBook | None":
    """What users are charged under, where there is a file of it."""
    if not file:
        return None
    from agentmeter.pricing.plans import PlanBook

    return PlanBook.from_file(file, models_of(card))


def models_of(card: str | Path | None) -> "KnownModels":
    """The models of the catalog and of a rate card."""
    from agentmeter.pricing.known import KnownModels
    from agentmeter.pricing.ratecard import RateCard

    return KnownModels(RateCard.from_file(card) if card else None)


def names_of(given: Mapping[str, str] | str | Path) -> dict[str, str]:
    """Public names, from a mapping or a file."""
    if not given:
        return {}
    from agentmeter.report.public_names import checked_names, names_from_file

    return checked_names(given) if isinstance(given, Mapping) else names_from_file(given)


def journal_in(folder: str | Path) -> Any:
    """The journal in a folder, which what is open at the end of the process is still written to."""
    from agentmeter.store.journal import Journal

    unfinished.end_on_sigterm()
    journal = Journal(folder, FAULTS.count, FAULTS.counts)
    unfinished.end_before_closing()
    return journal


def collector_of(endpoint: str | None, headers: Any, token: str | None) -> Any:
    """The collector that records are sent to, where there is one."""
    if not endpoint:
        return None
    from agentmeter.store.shipping import collector_at

    return collector_at(endpoint, headers, token)


def with_shipping(journal: Any, collector: Any) -> Any:
    """The journal, and what sends to a collector; that one is closed first, and its losses told."""
    if collector is None:
        return journal
    from agentmeter.store.shipping import Shipping

    shipping = Shipping(collector, FAULTS.count)
    unfinished.end_before_closing()
    if journal is None:
        return shipping
    from agentmeter.runtime.sinks import Sinks

    return Sinks((journal, shipping))


def rules_in(file: Mapping[str, Any], given: Any) -> "tuple[BudgetRule, ...]":
    """The budgets that were given, or those of the project's file, whose errors name its lines."""
    if given == ():
        return ()
    if given is file.get("budget"):
        from agentmeter.runtime.budget.rules import read_rules

        return read_rules(Path("pyproject.toml").read_text("utf-8"), "pyproject.toml")
    from agentmeter.runtime.budget.value import BudgetRule

    for rule in given:
        if not isinstance(rule, BudgetRule):
            raise ConfigurationError(f"budgets: expected agentmeter.BudgetRule, got {rule!r}")
    return tuple(given)


def store_of(given: Any, rules: "tuple[BudgetRule, ...]") -> "BudgetStore | None":
    """Where the figures of budgets are shared, if it can hold all rules exactly."""
    if not given:
        return None
    store = given
    if isinstance(given, str):
        from agentmeter.runtime.budget.shared import RedisBudgets

        store = RedisBudgets(given)
    if not hasattr(store, "reserve"):
        raise ConfigurationError(
            f"budget_store: expected agentmeter.RedisBudgets or its URL, got {store!r}"
        )
    for rule in rules:
        store.check(rule)
    made: BudgetStore = store
    return made


def gate_of(rules: "tuple[BudgetRule, ...]", store: "BudgetStore | None") -> "Gate | None":
    """What calls have to pass; ``None`` as long as there is no budget."""
    if not rules and store is None and STATE.gate is None:
        return None
    from agentmeter.runtime.budget.gate import Gate
    from agentmeter.runtime.budget.store import MemoryBudgets

    return STATE.gate.renewed(store, rules) if STATE.gate else Gate(store or MemoryBudgets(), rules)
