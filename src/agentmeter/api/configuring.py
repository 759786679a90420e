"""``configure`` and ``instrument``: the one place that wires runtime, store and pricing."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentmeter.exceptions import ConfigurationError
from agentmeter.runtime import unfinished
from agentmeter.runtime.counting import run_out
from agentmeter.runtime.faults import FAULTS
from agentmeter.runtime.settings import Settings, hosts_in, project_settings, providers_in
from agentmeter.runtime.state import STATE

if TYPE_CHECKING:
    from agentmeter.pricing.known import KnownModels
    from agentmeter.pricing.plans import PlanBook
    from agentmeter.pricing.pricer import Pricer
    from agentmeter.runtime.budget.gate import Gate
    from agentmeter.runtime.budget.store import BudgetStore
    from agentmeter.runtime.budget.value import BudgetRule


def configure(
    *,
    directory: str | Path | None = None,
    journal: bool | None = None,
    pricer: "Pricer | None" = None,
    rate_card: str | Path | None = None,
    spans: bool | None = None,
    flush_on_close: bool | None = None,
    stamp_owner: bool | None = None,
    provenance: bool | None = None,
    carrier_key: str | None = None,
    carry_to: Iterable[str] | None = None,
    plans: str | Path | None = None,
    public_names: Mapping[str, str] | str | Path | None = None,
    budgets: "Iterable[BudgetRule] | None" = None,
    budget_store: "BudgetStore | str | None" = None,
    providers: Mapping[str, str] | str | None = None,
    otlp: str | None = None,
    otlp_headers: Mapping[str, str] | str | None = None,
    otlp_token: str | None = None,
    metrics: bool | None = None,
) -> None:
    """Set up metering; optional, and may be called again.

    Arguments go over the environment (``AGENTMETER_DIR``, ``AGENTMETER_JOURNAL``,
    ``AGENTMETER_RATE_CARD``, ``AGENTMETER_SPANS``, ``AGENTMETER_FLUSH_ON_CLOSE``,
    ``AGENTMETER_STAMP_OWNER``, ``AGENTMETER_PROVENANCE``, ``AGENTMETER_CARRIER_KEY``,
    ``AGENTMETER_CARRY_TO``, ``AGENTMETER_PLANS``, ``AGENTMETER_PUBLIC_NAMES``,
    ``AGENTMETER_BUDGET_STORE``, ``AGENTMETER_PROVIDERS``, ``AGENTMETER_OTLP``,
    ``AGENTMETER_OTLP_HEADERS``, ``AGENTMETER_OTLP_TOKEN``, ``AGENTMETER_METRICS``), which goes over
    ``[tool.agentmeter]`` of the ``pyproject.toml`` in the working directory.

    ``directory`` is the journal's folder (``.agentmeter``), ``pricer`` takes the place of the
    default catalog, ``rate_card`` is laid over it, ``flush_on_close`` writes the journal before a
    request's close returns, ``stamp_owner`` puts the owner on spans beside the request id,
    ``provenance`` says where each call's input comes from (on; digests and counts are kept, no
    text, and the tokenizer takes some 90 MB once it is needed). ``carrier_key`` signs what
    ``inject`` writes, so that another service with the same key may trust it; ``carry_to`` names
    the hosts (``*.`` for any below, a comma between them in the environment) that outgoing HTTP
    requests carry the request to, beside those that cannot be a public service. ``plans`` is the
    TOML file of what users are charged under, ``public_names`` what they may see of scopes and
    charges on receipts, by name in the code: a mapping, or a TOML file with a table of that name.
    ``budgets`` are rules for every user, tenant or plan in a period, ``[[tool.agentmeter.budget]]``
    in the file; ``budget_store`` shares the figures of budgets, ``RedisBudgets`` or its URL.
    ``providers`` says who serves at hosts of your own, ``{"llm.corp.example": "openai"}``, also for
    those below, and with a port for that alone (``host=provider``, commas between, as a variable).
    ``otlp`` is a collector's address (``http://host:4318``) that all records are sent to as well,
    whatever the application's own exporter samples; with ``otlp_headers`` (a mapping, or
    ``name=value,name=value``) and ``otlp_token`` as bearer.
    ``metrics`` counts cost, tokens, calls, requests, waste and the use of budgets as OpenTelemetry
    metrics of the global ``MeterProvider`` (off), by provider, model, feature, plan, meter and
    outcome, never by user or request.

    A name in the environment or in the table that is no setting is counted as a fault.
    Raises ``ConfigurationError``, ``RateCardError`` and ``PlanError``; then nothing has changed.
    """
    budget = tuple(budgets) if budgets is not None else None
    settings = Settings(
        {
            "directory": directory,
            "journal": journal,
            "rate_card": rate_card,
            "spans": spans,
            "flush_on_close": flush_on_close,
            "stamp_owner": stamp_owner,
            "provenance": provenance,
            "carrier_key": carrier_key,
            "carry_to": carry_to,
            "plans": plans,
            "public_names": public_names,
            "budget": budget,
            "budget_store": budget_store,
            "providers": providers,
            "otlp": otlp,
            "otlp_headers": otlp_headers,
            "otlp_token": otlp_token,
            "metrics": metrics,
        },
        os.environ,
        project_settings(),
    )
    folder = Path(settings.value("directory"))
    writes, shows = settings.switch("journal"), settings.switch("spans")
    flushes, stamps = settings.switch("flush_on_close"), settings.switch("stamp_owner")
    tells, key = settings.switch("provenance"), settings.value("carrier_key")
    card, book = settings.value("rate_card"), settings.value("plans")
    hosts = hosts_in(settings.value("carry_to"))
    names = _names(settings.value("public_names"))
    served = providers_in(settings.value("providers"))
    counts = settings.switch("metrics")
    chosen = _pricer(pricer, card)
    charged = _plans(book, card)
    store = settings.value("budget_store")
    rules = budget if budget is not None else _rules(settings.file)
    gate = _gate(rules, store)
    endpoint, headers = settings.value("otlp"), settings.value("otlp_headers")
    token = settings.value("otlp_token")
    collector = _collector(endpoint, headers, token)
    _count_strangers(settings)
    with STATE.lock:
        if STATE.sink is not None:
            STATE.sink.close()
        STATE.reader = _journal(folder) if writes else None
        STATE.sink = _with_shipping(STATE.reader, collector)
        STATE.pricer = chosen
        STATE.gate = gate
        STATE.spans = shows
        STATE.flush_on_close = flushes
        STATE.stamp_owner = stamps
        STATE.provenance = tells
        STATE.carrier_key = str(key).encode() if key else None
        STATE.carry_to = hosts
        STATE.providers = served
        STATE.plans = charged
        STATE.public_names = names
        _count(on=counts)
        STATE.configured = True
        STATE.settings = {
            "directory": str(folder.absolute()),
            "journal": writes,
            "rate_card": str(Path(card).absolute()) if card else None,
            "spans": shows,
            "flush_on_close": flushes,
            "stamp_owner": stamps,
            "provenance": tells,
            "carrier_key": key,
            "carry_to": hosts,
            "plans": str(Path(book).absolute()) if book else None,
            "public_names": names,
            "budgets": tuple(_for_others(rule) for rule in rules),
            "budget_store": store,
            "providers": served,
            "otlp": endpoint,
            "otlp_headers": headers,
            "otlp_token": token,
            "metrics": counts,
        }


def journal_folder(given: str | Path | None = None) -> Path:
    """The journal's folder: as given, or by ``AGENTMETER_DIR``, by the project, by default."""
    return Path(Settings({"directory": given}, os.environ, project_settings()).value("directory"))


def _pricer(pricer: "Pricer | None", card: str | Path | None) -> "Pricer":
    from agentmeter.pricing import Cached, Catalog, RateCard

    base = pricer or Catalog()
    layers = RateCard.from_file(card).over(base) if card else base
    return Cached(layers, FAULTS.count)


def project_rate_card(given: str | Path | None = None) -> Path | None:
    """The rate card: as given, or by ``AGENTMETER_RATE_CARD``, by the project."""
    card = Settings({"rate_card": given}, os.environ, project_settings()).value("rate_card")
    return Path(card) if card else None


def known_models(rate_card: str | Path | None = None) -> "KnownModels":
    """The models of the catalog and of the rate card."""
    from agentmeter.pricing.known import KnownModels
    from agentmeter.pricing.ratecard import RateCard

    card = project_rate_card(rate_card)
    return KnownModels(RateCard.from_file(card) if card else None)


def _plans(file: str | Path | None, card: str | Path | None) -> "PlanBook | None":
    if not file:
        return None
    from agentmeter.pricing.plans import PlanBook

    return PlanBook.from_file(file, known_models(card))


def _names(given: Mapping[str, str] | str | Path) -> dict[str, str]:
    if not given:
        return {}
    from agentmeter.report.public_names import checked_names, names_from_file

    return checked_names(given) if isinstance(given, Mapping) else names_from_file(given)


def project_public_names() -> dict[str, str]:
    """The public names of the environment, or of the project in the working directory."""
    return _names(Settings({}, os.environ, project_settings()).value("public_names"))


def _journal(folder: str | Path) -> Any:
    from agentmeter.store.journal import Journal

    unfinished.end_on_sigterm()
    journal = Journal(folder, FAULTS.count, FAULTS.counts)
    unfinished.end_before_closing()
    return journal


def _collector(endpoint: str | None, headers: Any, token: str | None) -> Any:
    """The collector that records are sent to, where there is one."""
    if not endpoint:
        return None
    from agentmeter.store.shipping import collector_at

    return collector_at(endpoint, headers, token)


def _with_shipping(journal: Any, collector: Any) -> Any:
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


def _rules(file: Mapping[str, Any]) -> "tuple[BudgetRule, ...]":
    """The budgets of the project's file, whose errors name its lines."""
    if "budget" not in file:
        return ()
    from agentmeter.runtime.budget.rules import read_rules

    return read_rules(Path("pyproject.toml").read_text("utf-8"), "pyproject.toml")


def _for_others(rule: "BudgetRule") -> "BudgetRule":
    """A rule as another process keeps it: nobody can be asked there."""
    from dataclasses import replace

    return rule if rule.ask is None else replace(rule, ask=None, action="raise")


def _gate(rules: "tuple[BudgetRule, ...]", store: "BudgetStore | str | None") -> "Gate | None":
    """What calls have to pass; ``None`` as long as there is no budget."""
    if not rules and store is None and STATE.gate is None:
        return None
    from agentmeter.runtime.budget.gate import Gate
    from agentmeter.runtime.budget.store import MemoryBudgets
    from agentmeter.runtime.budget.value import BudgetRule

    for rule in rules:
        if not isinstance(rule, BudgetRule):
            raise ConfigurationError(f"budgets: expected agentmeter.BudgetRule, got {rule!r}")
    if isinstance(store, str):
        from agentmeter.runtime.budget.shared import RedisBudgets

        store = RedisBudgets(store)
    if store is not None and not hasattr(store, "reserve"):
        raise ConfigurationError(
            f"budget_store: expected agentmeter.RedisBudgets or its URL, got {store!r}"
        )
    gate = STATE.gate.renewed(store, rules) if STATE.gate else Gate(store or MemoryBudgets(), rules)
    for rule in rules:
        gate.store.check(rule)
    return gate


def _count_strangers(settings: Settings) -> None:
    """Names that are set and mean nothing, once in a process."""
    counted = FAULTS.counts()
    for problem in settings.strangers():
        if f"configuration: {problem}" not in counted:
            FAULTS.count(f"configuration: {problem}")


def _count(*, on: bool) -> None:
    """Switch metrics on or off; what they need is loaded once they are wanted."""
    if on or (STATE.configured and STATE.settings.get("metrics")):
        from agentmeter.runtime.metrics import switch

        switch(on=on)


_NEUTRAL: Mapping[str, Any] = {
    "rate_card": "",
    "plans": "",
    "public_names": {},
    "budgets": (),
    "budget_store": "",
    "providers": {},
    "journal": True,
    "spans": True,
    "stamp_owner": True,
    "provenance": True,
    "flush_on_close": False,
    "otlp": "",
    "metrics": False,
}
"""What each setting is where the one that was made cannot be used."""


def configure_default(**given: Any) -> None:
    """Configure from the environment at first use. A setting that cannot be used is counted with
    what is wrong with it and left out; the journal and every other setting stay.
    """
    instead = dict(given)
    while len(instead) < len(_NEUTRAL):
        try:
            configure(**instead)
        except ConfigurationError as error:
            FAULTS.count(f"configuration: {error}")
            instead.update(_mended(instead, str(error)))
        else:
            return
    configure(**instead)


def _mended(instead: Mapping[str, Any], problem: str) -> Mapping[str, Any]:
    """The setting without which ``problem`` is gone, at its neutral value."""
    for name, value in _NEUTRAL.items():
        if name not in instead:
            try:
                configure(**instead, **{name: value})
            except ConfigurationError as error:
                if str(error) == problem:
                    continue
            return {name: value}
    return _NEUTRAL


def flush(timeout: float = 5.0) -> bool:
    """Write everything that is metered so far, and tell the alerts that are due.

    Returns whether it was done within ``timeout`` seconds.
    """
    written = unfinished.flush(timeout)
    return run_out(timeout) and written


def instrument(*only: str) -> dict[str, bool]:
    """Switch on every integration whose library is installed, or just those named.

    Idempotent. Returns which are on, by name; one that fails to switch on is counted as a fault.
    """
    from agentmeter.integration import switch_on

    STATE.ready()
    return switch_on(only)


def uninstrument(*only: str) -> None:
    """Put back everything that ``instrument`` changed."""
    from agentmeter.integration import switch_off

    switch_off(only)


def _set_up(settings: Mapping[str, Any], integrations: tuple[str, ...]) -> None:
    configure(**settings)
    if integrations:
        instrument(*integrations)


STATE.configure_default = configure_default
STATE.set_up = _set_up

__all__ = ["configure", "flush", "instrument", "uninstrument"]
