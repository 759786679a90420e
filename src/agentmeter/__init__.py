"""agentmeter: what a user's request to an AI agent truly cost.

import agentmeter as am

am.instrument()

@am.request(feature="research", user=lambda user: user.id)
def answer(question, user): ...
"""

from typing import TYPE_CHECKING, Any

from agentmeter.api import configure, flush, instrument, report_on, uninstrument
from agentmeter.exceptions import (
    AgentmeterError,
    BudgetExceeded,
    ConfigurationError,
    MoneyError,
    PlanError,
    RateCardError,
    ScopeError,
    SourceError,
    UsageError,
)
from agentmeter.model import Evidence, Money, Owner, Usage
from agentmeter.runtime.call import charge
from agentmeter.runtime.context import ContextExecutor, carried
from agentmeter.runtime.public import agent, branch, call, request, step, tool
from agentmeter.runtime.request import current

if TYPE_CHECKING:
    from agentmeter.runtime.alerts import Alert, on
    from agentmeter.runtime.budget.account import Remaining
    from agentmeter.runtime.budget.shared import RedisBudgets
    from agentmeter.runtime.budget.value import Budget, BudgetRule
    from agentmeter.runtime.carrier import inject, resume
    from agentmeter.runtime.forecasting import forecast
    from agentmeter.runtime.pricing import price
    from agentmeter.runtime.provenance.documents import retrieved
    from agentmeter.runtime.shared import shared

__version__ = "0.1.0"

__all__ = [
    "AgentmeterError",
    "Alert",
    "Budget",
    "BudgetExceeded",
    "BudgetRule",
    "ConfigurationError",
    "ContextExecutor",
    "Evidence",
    "Money",
    "MoneyError",
    "Owner",
    "PlanError",
    "RateCardError",
    "RedisBudgets",
    "Remaining",
    "ScopeError",
    "SourceError",
    "Usage",
    "UsageError",
    "agent",
    "branch",
    "call",
    "carried",
    "charge",
    "configure",
    "current",
    "flush",
    "forecast",
    "inject",
    "instrument",
    "on",
    "price",
    "report_on",
    "request",
    "resume",
    "retrieved",
    "shared",
    "step",
    "tool",
    "uninstrument",
]

_LATER = {
    "Alert": "runtime.alerts",
    "Budget": "runtime.budget.value",
    "BudgetRule": "runtime.budget.value",
    "RedisBudgets": "runtime.budget.shared",
    "Remaining": "runtime.budget.account",
    "forecast": "runtime.forecasting",
    "inject": "runtime.carrier",
    "on": "runtime.alerts",
    "price": "runtime.pricing",
    "resume": "runtime.carrier",
    "retrieved": "runtime.provenance.documents",
    "shared": "runtime.shared",
}
"""What not every program needs, by the module that it is loaded from when it is asked for."""


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found = globals()[name] = getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
