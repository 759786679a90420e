"""Meters ``google.adk``: agents, tools and model calls."""

from typing import Any, ClassVar


class GoogleADKIntegration:
    """Meters every agent of the installed ``google.adk``."""

    name = "google-adk"
    library = "google.adk"
    supported: ClassVar = {"google-adk": ">=2"}

    def instrument(self, **_: Any) -> None:
        """Begin to meter; idempotent, and quiet where the library is not installed."""
        if self._installed():
            from agentmeter_google_adk.patch import apply

            apply()

    def uninstrument(self, **_: Any) -> None:
        """Put everything back."""
        if self._installed():
            from agentmeter_google_adk.patch import undo

            undo()

    def _installed(self) -> bool:
        from importlib.util import find_spec

        try:
            return find_spec(self.library) is not None
        except ModuleNotFoundError:  # of the package that it would lie in
            return False


__all__ = ["GoogleADKIntegration"]
