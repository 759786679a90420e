"""The values that everything else speaks in; the standard library only."""

from agentmeter.model.call import Attempt, Call
from agentmeter.model.evidence import (
    CHARGED,
    ESTIMATED,
    REPORTED,
    UNKNOWN,
    Evidence,
    Extent,
    Source,
    as_lower_bound,
)
from agentmeter.model.meters import METERS, Meter, Side, meter
from agentmeter.model.money import Money
from agentmeter.model.owner import NOBODY, Owner
from agentmeter.model.record import (
    OURS,
    UNATTRIBUTED,
    Amendment,
    Entry,
    Kind,
    Opened,
    Record,
    Status,
)
from agentmeter.model.segment import Origin, Segment
from agentmeter.model.usage import Usage

__all__ = [
    "CHARGED",
    "ESTIMATED",
    "METERS",
    "NOBODY",
    "OURS",
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
    "Origin",
    "Owner",
    "Record",
    "Segment",
    "Side",
    "Source",
    "Status",
    "Usage",
    "as_lower_bound",
    "meter",
]
