"""Meters ``strands``: agents, cycles of their loop, tools and model streams."""

from typing import Any, ClassVar


class StrandsIntegration:
    """Meters every agent of the installed ``strands``."""

    name = "strands"
    library = "strands"
    supported: ClassVar = {"strands-agents": ">=1.40"}

    def instrument(self, **_: Any) -> None:
        """Begin to meter; idempotent, and quiet where the library is not installed."""
        if self._installed():
            from agentmeter_strands.patch import apply

            apply()

    def uninstrument(self, **_: Any) -> None:
        """Put everything back."""
        if self._installed():
            from agentmeter_strands.patch import undo

            undo()

    def _installed(self) -> bool:
        from importlib.util import find_spec

        try:
            return find_spec(self.library) is not None
        except ModuleNotFoundError:  # of the package that it would lie in
            return False


__all__ = ["StrandsIntegration"]
