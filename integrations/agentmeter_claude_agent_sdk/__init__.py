"""Meters ``claude_agent_sdk``: turns, sub-agents, tools, messages and results."""

from typing import Any, ClassVar


class ClaudeAgentSDKIntegration:
    """Meters every query of the installed ``claude_agent_sdk``."""

    name = "claude-agent-sdk"
    library = "claude_agent_sdk"
    supported: ClassVar = {"claude-agent-sdk": ">=0.1.50,<=0.2.188"}
    unknown = (
        "without partial messages: the output of each of several messages; their sum is known with "
        "the result, and at least what has begun without one"
    )

    def instrument(self, **_: Any) -> None:
        """Begin to meter; idempotent, and quiet where the library is not installed."""
        from agentmeter.integration import is_installed

        if is_installed(self.library):
            from agentmeter_claude_agent_sdk.patch import apply

            apply()

    def uninstrument(self, **_: Any) -> None:
        """Put everything back."""
        from agentmeter.integration import is_installed

        if is_installed(self.library):
            from agentmeter_claude_agent_sdk.patch import undo

            undo()


__all__ = ["ClaudeAgentSDKIntegration"]
