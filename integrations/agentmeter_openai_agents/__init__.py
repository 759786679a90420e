"""Meters ``openai-agents``: agents, turns, tools, handoffs, guardrails and model calls."""

from typing import Any, ClassVar


class OpenAIAgentsIntegration:
    """Listens to the traces of the installed ``agents``."""

    name = "openai-agents"
    library = "agents"
    supported: ClassVar = {"openai-agents": ">=0.3"}

    def instrument(self, **_: Any) -> None:
        """Begin to meter; idempotent, and quiet where the library is not installed."""
        if self._installed():
            from agentmeter_openai_agents.patch import apply

            apply()

    def uninstrument(self, **_: Any) -> None:
        """Put everything back."""
        if self._installed():
            from agentmeter_openai_agents.patch import undo

            undo()

    def _installed(self) -> bool:
        from importlib.util import find_spec

        try:
            return find_spec(self.library) is not None
        except ModuleNotFoundError:  # of the package that it would lie in
            return False


__all__ = ["OpenAIAgentsIntegration"]
