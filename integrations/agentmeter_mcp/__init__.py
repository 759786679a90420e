"""Meters ``mcp``: a client's tool calls, and the calls that a tool server makes for them."""

from typing import Any, ClassVar


class MCPIntegration:
    """Carries the request from the clients to the servers of the installed ``mcp``."""

    name = "mcp"
    library = "mcp"
    supported: ClassVar = {"mcp": ">=1.20"}

    def instrument(self, **_: Any) -> None:
        """Begin to meter; idempotent, and quiet where the library is not installed."""
        if self._installed():
            from agentmeter_mcp.patch import apply

            apply()

    def uninstrument(self, **_: Any) -> None:
        """Put everything back."""
        if self._installed():
            from agentmeter_mcp.patch import undo

            undo()

    def _installed(self) -> bool:
        from importlib.util import find_spec

        try:
            return find_spec(self.library) is not None
        except ModuleNotFoundError:  # of the package that it would lie in
            return False


__all__ = ["MCPIntegration"]
