"""What a request cost, as headers of its answer."""

from typing import Literal

from agentmeter.exceptions import ConfigurationError
from agentmeter.model.money import plain
from agentmeter.runtime.carrier import ResumedScope
from agentmeter.runtime.faults import guarded
from agentmeter.runtime.ledger import Ledger
from agentmeter.runtime.scope import Scope
from agentmeter.runtime.state import STATE

Shown = Literal["cost", "charge"]
"""The true cost, or what the owner's plan charges."""
CostHeader = bool | Shown
COST = "X-Request-Cost"
TIMING = "Server-Timing"


def what_to_show(given: CostHeader) -> Shown | None:
    """What is shown, if anything. Raises ``ConfigurationError`` for what is neither."""
    if given is True:
        return "cost"
    if given is False:
        return None
    if given not in ("cost", "charge"):
        raise ConfigurationError(f"cost_header: 'cost', 'charge' or a truth value, got {given!r}")
    return given


def cost_headers(request: Scope, shown: Shown) -> list[tuple[str, str]]:
    """The headers for the request as it stands; a fault leaves them out."""
    with guarded("cost header"):
        money = _money(request, shown)
        took = (STATE.now_ns() - request.started_ns) // 1_000_000
        if money is None:
            return [(TIMING, f"total;dur={took}")]
        return [(COST, money), (TIMING, f'total;dur={took}, cost;desc="{money}"')]
    return []


def _money(request: Scope, shown: Shown) -> str | None:
    ledger = request.ledger
    if ledger is None:
        return None
    elsewhere = isinstance(request, ResumedScope)  # of which only this part is known here
    return _charge(ledger) if shown == "charge" else _cost(ledger, at_least=elsewhere)


def _cost(ledger: Ledger, *, at_least: bool) -> str:
    from agentmeter.runtime.standing import standing

    now = standing(ledger)
    parts = [f"{plain(amount)} {currency}" for currency, amount in sorted(now.amounts.items())]
    return _told(" + ".join(parts) or "0 USD", at_least=now.at_least or at_least)


def _charge(ledger: Ledger) -> str | None:
    """What is charged for the request if nothing more is done."""
    from agentmeter.runtime.receipting import charge_of

    reports = ledger.known().requests
    if STATE.plans is None or not reports:
        return None
    charge = charge_of(reports[0], STATE.plans)
    if charge is None:
        return None
    return _told(f"{plain(charge.amount)} {charge.currency}", at_least=reports[0].is_lower_bound)


def _told(money: str, *, at_least: bool) -> str:
    return f"{money}; at-least" if at_least else money
