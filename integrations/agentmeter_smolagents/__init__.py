"""Meters ``smolagents``: agents, tools and generations."""

from typing import Any, ClassVar


class SmolagentsIntegration:
    """Meters every agent of the installed ``smolagents``."""

    name = "smolagents"
    library = "smolagents"
    supported: ClassVar = {"smolagents": ">=1.24.0,<=1.26.0"}
    unknown = "models in the own process: their tokens have no price without a rate for their time"

    def instrument(self, **_: Any) -> None:
        """Begin to meter; idempotent, and quiet where the library is not installed."""
        from agentmeter.integration import is_installed

        if is_installed(self.library):
            from agentmeter_smolagents.patch import apply

            apply()

    def uninstrument(self, **_: Any) -> None:
        """Put everything back."""
        from agentmeter.integration import is_installed

        if is_installed(self.library):
            from agentmeter_smolagents.patch import undo

            undo()


__all__ = ["SmolagentsIntegration"]
