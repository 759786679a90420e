"""Meters ``crewai``: crews, tasks, agents, tools and language models."""

from typing import Any, ClassVar


class CrewAIIntegration:
    """Meters every crew of the installed ``crewai``."""

    name = "crewai"
    library = "crewai"
    supported: ClassVar = {"crewai": ">=1.15.30,<=1.15.30"}
    unknown = "the attempts of model clients that are not metered themselves"

    def instrument(self, **_: Any) -> None:
        """Begin to meter; idempotent, and quiet where the library is not installed."""
        from agentmeter.integration import is_installed

        if is_installed(self.library):
            from agentmeter_crewai.patch import apply

            apply()

    def uninstrument(self, **_: Any) -> None:
        """Put everything back."""
        from agentmeter.integration import is_installed

        if is_installed(self.library):
            from agentmeter_crewai.patch import undo

            undo()


__all__ = ["CrewAIIntegration"]
