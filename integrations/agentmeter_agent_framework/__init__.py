"""Meters ``agent_framework``: agents, workflows, executors, tools and chat clients."""

from typing import Any, ClassVar


class AgentFrameworkIntegration:
    """Meters every agent and workflow of the installed ``agent_framework``."""

    name = "agent-framework"
    library = "agent_framework"
    supported: ClassVar = {"agent-framework-core": ">=1.0.0,<=1.23.0"}
    unknown = "the attempts of model clients that are not metered themselves"

    def instrument(self, **_: Any) -> None:
        """Begin to meter; idempotent, and quiet where the library is not installed."""
        from agentmeter.integration import is_installed

        if is_installed(self.library):
            from agentmeter_agent_framework.patch import apply

            apply()

    def uninstrument(self, **_: Any) -> None:
        """Put everything back."""
        from agentmeter.integration import is_installed

        if is_installed(self.library):
            from agentmeter_agent_framework.patch import undo

            undo()


__all__ = ["AgentFrameworkIntegration"]
