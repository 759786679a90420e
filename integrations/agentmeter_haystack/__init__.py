"""Meters ``haystack``: pipelines, their components, agents and tools."""

from typing import Any, ClassVar


class HaystackIntegration:
    """Places the calls of clients in the pipelines of the installed ``haystack``."""

    name = "haystack"
    library = "haystack"
    supported: ClassVar = {"haystack-ai": ">=3"}

    def instrument(self, **_: Any) -> None:
        """Begin to meter; idempotent, and quiet where the library is not installed."""
        if self._installed():
            from agentmeter_haystack.patch import apply

            apply()

    def uninstrument(self, **_: Any) -> None:
        """Put everything back."""
        if self._installed():
            from agentmeter_haystack.patch import undo

            undo()

    def _installed(self) -> bool:
        from importlib.util import find_spec

        try:
            return find_spec(self.library) is not None
        except ModuleNotFoundError:  # of the package that it would lie in
            return False


__all__ = ["HaystackIntegration"]
