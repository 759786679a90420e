"""Meters ``autogen``: teams, agents, tools and model clients."""

from typing import Any, ClassVar


class AutogenIntegration:
    """Meters every agent of the installed ``autogen_agentchat``."""

    name = "autogen"
    library = "autogen_agentchat"
    supported: ClassVar = {"autogen-agentchat": ">=0.7", "autogen-core": ">=0.7"}

    def instrument(self, **_: Any) -> None:
        """Begin to meter; idempotent, and quiet where the library is not installed."""
        from agentmeter.integration import is_installed

        if is_installed(self.library):
            from agentmeter_autogen.patch import apply

            apply()

    def uninstrument(self, **_: Any) -> None:
        """Put everything back."""
        from agentmeter.integration import is_installed

        if is_installed(self.library):
            from agentmeter_autogen.patch import undo

            undo()


__all__ = ["AutogenIntegration"]
