"""For tests: a scripted model server, a fake clock, sequential ids, and a clean meter."""

from agentmeter.testing.costs import MeteredCost, Metering, assert_cost_below
from agentmeter.testing.meter import FakeClock, Kept, SequentialIds, metered
from agentmeter.testing.script import Billed, Received, Reply
from agentmeter.testing.server import ModelServer
from agentmeter.testing.wire import Wire

__all__ = [
    "Billed",
    "FakeClock",
    "Kept",
    "MeteredCost",
    "Metering",
    "ModelServer",
    "Received",
    "Reply",
    "SequentialIds",
    "Wire",
    "assert_cost_below",
    "metered",
]
