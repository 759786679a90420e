"""Meters ``pydantic_ai``: agents, tools and model requests."""

from typing import Any, ClassVar


class PydanticAIIntegration:
    """Meters every agent of the installed ``pydantic_ai``."""

    name = "pydantic-ai"
    library = "pydantic_ai"
    supported: ClassVar = {"pydantic-ai-slim": ">=2"}

    def instrument(self, **_: Any) -> None:
        """Begin to meter; idempotent, and quiet where the library is not installed."""
        if self._installed():
            from agentmeter_pydantic_ai.patch import apply

            apply()

    def uninstrument(self, **_: Any) -> None:
        """Put everything back."""
        if self._installed():
            from agentmeter_pydantic_ai.patch import undo

            undo()

    def _installed(self) -> bool:
        from importlib.util import find_spec

        try:
            return find_spec(self.library) is not None
        except ModuleNotFoundError:  # of the package that it would lie in
            return False


__all__ = ["PydanticAIIntegration"]
