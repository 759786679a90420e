"""Meters ``strands``: agents, tools and model streams."""

from typing import Any, ClassVar


class StrandsIntegration:
    """Meters every agent of the installed ``strands``."""

    name = "strands"
    library = "strands"
    supported: ClassVar = {"strands-agents": ">=1.40.0,<=1.62.0"}
    unknown = "the attempts of models whose client is not metered itself"

    def instrument(self, **_: Any) -> None:
        """Begin to meter; idempotent, and quiet where the library is not installed."""
        from agentmeter.integration import is_installed

        if is_installed(self.library):
            from agentmeter_strands.patch import apply

            apply()

    def uninstrument(self, **_: Any) -> None:
        """Put everything back."""
        from agentmeter.integration import is_installed

        if is_installed(self.library):
            from agentmeter_strands.patch import undo

            undo()


__all__ = ["StrandsIntegration"]
