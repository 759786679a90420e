"""Meters ``autogen``: teams, agents, tools and model clients."""

from typing import Any, ClassVar


class AutogenIntegration:
    """Meters every agent of the installed ``autogen_agentchat``."""

    name = "autogen"
    library = "autogen_core"
    supported: ClassVar = {"autogen-agentchat": ">=0.7", "autogen-core": ">=0.7"}

    def instrument(self, **_: Any) -> None:
        """Begin to meter; idempotent, and quiet where the library is not installed."""
        if self._installed():
            from agentmeter_autogen.patch import apply

            apply()

    def uninstrument(self, **_: Any) -> None:
        """Put everything back."""
        if self._installed():
            from agentmeter_autogen.patch import undo

            undo()

    def _installed(self) -> bool:
        from importlib.util import find_spec

        try:
            return find_spec(self.library) is not None
        except ModuleNotFoundError:  # of the package that it would lie in
            return False


__all__ = ["AutogenIntegration"]
