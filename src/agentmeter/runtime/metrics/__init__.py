"""OpenTelemetry metrics: what all requests of this process came to, by few attributes."""

from agentmeter.runtime.metrics.watching import switch

__all__ = ["switch"]
