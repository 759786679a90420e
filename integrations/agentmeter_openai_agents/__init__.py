"""Meters ``openai-agents``: agents, turns, tools, handoffs, guardrails and model calls."""

from typing import Any, ClassVar


class OpenAIAgentsIntegration:
    """Listens to the traces of the installed ``agents``."""

    name = "openai-agents"
    library = "agents"
    supported: ClassVar = {"openai-agents": ">=0.3.0,<=0.24.0"}
    unknown = "the attempts of models whose client is not metered itself"

    def instrument(self, **_: Any) -> None:
        """Begin to meter; idempotent, and quiet where the library is not installed."""
        from agentmeter.integration import is_installed

        if is_installed(self.library):
            from agentmeter_openai_agents.patch import apply

            apply()

    def uninstrument(self, **_: Any) -> None:
        """Put everything back."""
        from agentmeter.integration import is_installed

        if is_installed(self.library):
            from agentmeter_openai_agents.patch import undo

            undo()


__all__ = ["OpenAIAgentsIntegration"]
