"""Meters ``crewai``: crews, tasks, agents, tools and language models."""

from typing import Any, ClassVar


class CrewAIIntegration:
    """Meters every crew of the installed ``crewai``."""

    name = "crewai"
    library = "crewai"
    supported: ClassVar = {"crewai": ">=1.15"}

    def instrument(self, **_: Any) -> None:
        """Begin to meter; idempotent, and quiet where the library is not installed."""
        if self._installed():
            from agentmeter_crewai.patch import apply

            apply()

    def uninstrument(self, **_: Any) -> None:
        """Put everything back."""
        if self._installed():
            from agentmeter_crewai.patch import undo

            undo()

    def _installed(self) -> bool:
        from importlib.util import find_spec

        try:
            return find_spec(self.library) is not None
        except ModuleNotFoundError:  # of the package that it would lie in
            return False


__all__ = ["CrewAIIntegration"]
