"""``configure``: settings become the state in force, all of them or none."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentmeter.api.in_force import Choice, InForce, in_force
from agentmeter.api.wiring import collector_of, gate_of, journal_in, with_shipping
from agentmeter.runtime.faults import FAULTS
from agentmeter.runtime.settings import Settings, project_settings
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

    What the environment or the table has and cannot be used is counted as a fault and left out, for
    what is said below it; so is a name that is no setting. Raises ``ConfigurationError``,
    ``RateCardError`` and ``PlanError`` for an argument; then nothing has changed.
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
    choice = Choice(settings)
    made = in_force(choice, pricer)
    collector = collector_of(made.otlp, made.otlp_headers, made.otlp_token)
    gate = gate_of(made.budgets, made.store)
    _count_what_means_nothing(choice)
    with STATE.lock:
        if STATE.sink is not None:
            STATE.sink.close()
        STATE.reader = journal_in(made.directory) if made.journal else None
        STATE.sink = with_shipping(STATE.reader, collector)
        STATE.pricer = made.pricer
        STATE.gate = gate
        STATE.spans = made.spans
        STATE.flush_on_close = made.flush_on_close
        STATE.stamp_owner = made.stamp_owner
        STATE.provenance = made.provenance
        STATE.carrier_key = made.carrier_key.encode() if made.carrier_key else None
        STATE.carry_to = made.carry_to
        STATE.providers = made.providers
        STATE.plans = made.book
        STATE.public_names = made.public_names
        _count(on=made.metrics)
        STATE.configured = True
        STATE.settings = _settings_of(made)


def _settings_of(made: InForce) -> dict[str, Any]:
    """What another process is to be given."""
    names = ("journal", "spans", "flush_on_close", "stamp_owner", "provenance", "carrier_key")
    others = ("carry_to", "public_names", "budget_store", "providers", "metrics")
    collector = ("otlp", "otlp_headers", "otlp_token")
    return {
        "directory": str(made.directory.absolute()),
        "rate_card": str(Path(made.rate_card).absolute()) if made.rate_card else None,
        "plans": str(Path(made.plans).absolute()) if made.plans else None,
        "budgets": tuple(_for_others(rule) for rule in made.budgets),
        **{name: getattr(made, name) for name in (*names, *others, *collector)},
    }


def _for_others(rule: "BudgetRule") -> "BudgetRule":
    """A rule as another process keeps it: nobody can be asked there."""
    from dataclasses import replace

    return rule if rule.ask is None else replace(rule, ask=None, action="raise")


def _count_what_means_nothing(choice: Choice) -> None:
    """Values that cannot be used and names that are no setting, once in a process."""
    for problem in (*map(str, choice.left_out), *choice.settings.strangers()):
        FAULTS.once(f"configuration: {problem}")


def _count(*, on: bool) -> None:
    """Switch metrics on or off; what they need is loaded once they are wanted."""
    if on or (STATE.configured and STATE.settings.get("metrics")):
        from agentmeter.runtime.metrics import switch

        switch(on=on)
