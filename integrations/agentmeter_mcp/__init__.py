"""Meters ``mcp``: a client's tool calls, and the calls that a tool server makes for them."""

from typing import Any, ClassVar


class MCPIntegration:
    """Carries the request from the clients to the servers of the installed ``mcp``."""

    name = "mcp"
    library = "mcp"
    supported: ClassVar = {"mcp": ">=1.30.0,<=2.3.0"}
    unknown = "what servers use that are not metered, or that run for nobody we know"

    def instrument(self, **_: Any) -> None:
        """Begin to meter; idempotent, and quiet where the library is not installed."""
        from agentmeter.integration import is_installed

        if is_installed(self.library):
            from agentmeter_mcp.patch import apply

            apply()

    def uninstrument(self, **_: Any) -> None:
        """Put everything back."""
        from agentmeter.integration import is_installed

        if is_installed(self.library):
            from agentmeter_mcp.patch import undo

            undo()


__all__ = ["MCPIntegration"]
