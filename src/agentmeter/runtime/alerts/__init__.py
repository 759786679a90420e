"""Alerts: told of what should not happen, while it happens.

stop = am.on("loop.repeats", callback, times=3)
"""

from agentmeter.runtime.alerts.alert import Alert
from agentmeter.runtime.alerts.events import on

__all__ = ["Alert", "on"]
