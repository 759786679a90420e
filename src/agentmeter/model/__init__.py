"""The values that everything else speaks in; the standard library only."""

from agentmeter.model.evidence import (
    CHARGED,
    ESTIMATED,
    REPORTED,
    UNKNOWN,
    Evidence,
    Extent,
    Source,
)
from agentmeter.model.meters import METERS, Meter, Side, meter
from agentmeter.model.money import Money
from agentmeter.model.record import (
    NOBODY,
    UNATTRIBUTED,
    Amendment,
    Attempt,
    Call,
    Entry,
    Kind,
    Opened,
    Owner,
    Record,
    Status,
)
from agentmeter.model.usage import Usage

__all__ = [
    "CHARGED",
    "ESTIMATED",
    "METERS",
    "NOBODY",
    "REPORTED",
    "UNATTRIBUTED",
    "UNKNOWN",
    "Amendment",
    "Attempt",
    "Call",
    "Entry",
    "Evidence",
    "Extent",
    "Kind",
    "Meter",
    "Money",
    "Opened",
    "Owner",
    "Record",
    "Side",
    "Source",
    "Status",
    "Usage",
    "meter",
]
