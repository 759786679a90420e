"""Meters ``smolagents``: agents, tools and generations."""

from typing import Any, ClassVar


class SmolagentsIntegration:
    """Meters every agent of the installed ``smolagents``."""

    name = "smolagents"
    library = "smolagents"
    supported: ClassVar = {"smolagents": ">=1.20"}

    def instrument(self, **_: Any) -> None:
        """Begin to meter; idempotent, and quiet where the library is not installed."""
        if self._installed():
            from agentmeter_smolagents.patch import apply

            apply()

    def uninstrument(self, **_: Any) -> None:
        """Put everything back."""
        if self._installed():
            from agentmeter_smolagents.patch import undo

            undo()

    def _installed(self) -> bool:
        from importlib.util import find_spec

        try:
            return find_spec(self.library) is not None
        except ModuleNotFoundError:  # of the package that it would lie in
            return False


__all__ = ["SmolagentsIntegration"]
