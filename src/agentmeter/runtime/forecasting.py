"""Forecasts for running code: of a request that is to come, and of what remains of this one."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from agentmeter.runtime.faults import guarded
from agentmeter.runtime.ledger import Ledger
from agentmeter.runtime.state import STATE

if TYPE_CHECKING:
    from agentmeter.report.forecast import Asked, Forecast


def forecast(
    *,
    feature: str | None = None,
    model: str | None = None,
    input_tokens: int | None = None,
    user: str | None = None,
    tenant: str | None = None,
    plan: str | None = None,
    tags: Mapping[str, str] | None = None,
    iteration: int | None = None,
    spent: str | int | Decimal | None = None,
) -> "Forecast":
    """What a request like this will cost and take, from the requests in the journal's folder.

    ``model`` and ``input_tokens`` are those of the request's first model call. After ``iteration``
    iterations, with ``spent`` used up, it is of what remains. Where too little is on record the
    figures are ``None`` and the forecast says why. The first one reads the folder, later ones what
    was appended: where the journal is large, not on an event loop's thread. Raises ``UsageError``,
    ``MoneyError`` or ``TypeError`` for figures that cannot be.
    """
    from agentmeter.model.money import exact
    from agentmeter.report.forecast import Asked

    amount = exact(spent, "spent") if spent is not None else None
    return _made(
        Asked(feature, model, input_tokens, user, tenant, plan, tags or {}, iteration, amount)
    )


def forecast_of(ledger: Ledger) -> "Forecast":
    """What remains of a running request; before its first model call, what all of it will take."""
    from agentmeter.report.forecast import Asked, observed

    owner = ledger.owner
    asked = Asked(feature=owner.feature, user=owner.user, tenant=owner.tenant, plan=owner.plan)
    with guarded("forecast.request"):
        reports = ledger.report().requests
        so_far = observed(reports[0]) if reports else None
        if so_far is not None and so_far.spent:
            asked = replace(
                asked,
                model=so_far.model,
                input_tokens=so_far.input_tokens,
                iteration=len(so_far.spent),
                spent=so_far.cost,
            )
    return _made(asked)


def _made(asked: "Asked") -> "Forecast":
    reader = STATE.ready().reader
    if reader is None:
        return _without(asked, "no journal is configured to take a forecast from")
    history = None
    with guarded("forecast.history"):
        history = reader.history()
    if history is None:
        return _without(asked, "the journal could not be read; the fault is counted")
    return history.forecast(asked)


def _without(asked: "Asked", note: str) -> "Forecast":
    """The forecast of an empty history, which says why it is empty."""
    from agentmeter.report.forecast import History

    return replace(History().forecast(asked), notes=(note,))
