"""agentmeter: what a user's request to an AI agent truly cost.

import agentmeter as am

am.instrument()

@am.request(feature="research", user=lambda user: user.id)
def answer(question, user): ...
"""

from agentmeter.api import configure, flush, instrument, uninstrument
from agentmeter.exceptions import (
    AgentmeterError,
    ConfigurationError,
    MoneyError,
    RateCardError,
    ScopeError,
    SourceError,
    UsageError,
)
from agentmeter.model import Evidence, Money, Owner, Usage
from agentmeter.runtime.call import charge
from agentmeter.runtime.carrier import inject, resume
from agentmeter.runtime.context import ContextExecutor, carried
from agentmeter.runtime.provenance.documents import retrieved
from agentmeter.runtime.public import agent, branch, call, request, step, tool
from agentmeter.runtime.request import current
from agentmeter.runtime.shared import shared

__version__ = "0.1.0"

__all__ = [
    "AgentmeterError",
    "ConfigurationError",
    "ContextExecutor",
    "Evidence",
    "Money",
    "MoneyError",
    "Owner",
    "RateCardError",
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
    "inject",
    "instrument",
    "request",
    "resume",
    "retrieved",
    "shared",
    "step",
    "tool",
    "uninstrument",
]
