"""Meters ``autogen``: teams, agents, tools and model clients."""

from typing import Any, ClassVar


class AutogenCoreIntegration:
    """Meters every agent of the installed ``autogen_core``."""

    name = "autogen-core"
    library = "autogen_core"
    supported: ClassVar = {"autogen-core": ">=0.7.0,<=0.7.5"}
    unknown = "the attempts of model clients that are not metered themselves"

    def instrument(self, **_: Any) -> None:
        """Begin to meter; idempotent, and quiet where the library is not installed."""
        from agentmeter.integration import is_installed

        if is_installed(self.library):
            from agentmeter_autogen.core import apply

            apply(self.name)

    def uninstrument(self, **_: Any) -> None:
        """Put everything back that no other integration of the two needs."""
        from agentmeter.integration import is_installed

        if is_installed(self.library):
            from agentmeter_autogen.core import undo

            undo(self.name)


class AutogenIntegration:
    """Meters every agent of the installed ``autogen_agentchat``, and the core that it stands on."""

    name = "autogen"
    library = "autogen_agentchat"
    supported: ClassVar = {
        "autogen-agentchat": ">=0.7.0,<=0.7.5",
        "autogen-core": ">=0.7.0,<=0.7.5",
    }
    unknown = "the attempts of model clients that are not metered themselves"

    def instrument(self, **_: Any) -> None:
        """Begin to meter; idempotent, and quiet where the library is not installed."""
        from agentmeter.integration import is_installed

        if is_installed(self.library):
            import autogen_core  # noqa: F401  # whose own integration imports what we import next

            from agentmeter_autogen import core, patch

            core.apply(self.name)
            patch.apply()

    def uninstrument(self, **_: Any) -> None:
        """Put everything back that no other integration of the two needs."""
        from agentmeter.integration import is_installed

        if is_installed(self.library):
            from agentmeter_autogen import core, patch

            patch.undo()
            core.undo(self.name)


__all__ = ["AutogenCoreIntegration", "AutogenIntegration"]
