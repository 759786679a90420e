"""Meters ``google.adk``: agents, tools and model calls."""

from typing import Any, ClassVar


class GoogleADKIntegration:
    """Meters every agent of the installed ``google.adk``."""

    name = "google-adk"
    library = "google.adk"
    supported: ClassVar = {"google-adk": ">=2.0.0,<=2.13.0"}
    unknown = "the attempts of model clients that are not metered themselves"

    def instrument(self, **_: Any) -> None:
        """Begin to meter; idempotent, and quiet where the library is not installed."""
        from agentmeter.integration import is_installed

        if is_installed(self.library):
            from agentmeter_google_adk.patch import apply

            apply()

    def uninstrument(self, **_: Any) -> None:
        """Put everything back."""
        from agentmeter.integration import is_installed

        if is_installed(self.library):
            from agentmeter_google_adk.patch import undo

            undo()


__all__ = ["GoogleADKIntegration"]
