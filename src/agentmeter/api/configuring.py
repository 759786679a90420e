"""``configure``: settings become the state in force, all of them or none."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from agentmeter.api.wiring import (
    collector_of,
    gate_of,
    journal_in,
    names_of,
    plans_of,
    pricer_of,
    rules_of,
    with_shipping,
)
from agentmeter.runtime.faults import FAULTS
from agentmeter.runtime.settings import Settings, hosts_in, project_settings, providers_in
from agentmeter.runtime.state import STATE

if TYPE_CHECKING:
    from agentmeter.pricing.pricer import Pricer
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
    names = names_of(settings.value("public_names"))
    served = providers_in(settings.value("providers"))
    counts = settings.switch("metrics")
    chosen = pricer_of(pricer, card)
    charged = plans_of(book, card)
    store = settings.value("budget_store") or None
    rules = budget if budget is not None else rules_of(settings.file)
    gate = gate_of(rules, store)
    endpoint, headers = settings.value("otlp"), settings.value("otlp_headers")
    token = settings.value("otlp_token")
    collector = collector_of(endpoint, headers, token)
    _count_strangers(settings)
    with STATE.lock:
        if STATE.sink is not None:
            STATE.sink.close()
        STATE.reader = journal_in(folder) if writes else None
        STATE.sink = with_shipping(STATE.reader, collector)
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


def _for_others(rule: "BudgetRule") -> "BudgetRule":
    """A rule as another process keeps it: nobody can be asked there."""
    from dataclasses import replace

    return rule if rule.ask is None else replace(rule, ask=None, action="raise")


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
