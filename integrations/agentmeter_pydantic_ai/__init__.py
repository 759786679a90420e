"""Meters ``pydantic_ai``: agents, tools and model requests."""

from typing import Any, ClassVar


class PydanticAIIntegration:
    """Meters every agent of the installed ``pydantic_ai``."""

    name = "pydantic-ai"
    library = "pydantic_ai"
    supported: ClassVar = {"pydantic-ai-slim": ">=2.18.0,<=2.68.0"}
    """Releases before it read no usage out of answers that tell of reasoning with a newer
    ``genai-prices``: what they call is metered by the integration of the client alone.
    """
    unknown = "the attempts of models whose client is not metered itself"

    def instrument(self, **_: Any) -> None:
        """Begin to meter; idempotent, and quiet where the library is not installed."""
        from agentmeter.integration import is_installed

        if is_installed(self.library):
            from agentmeter_pydantic_ai.patch import apply

            apply()

    def uninstrument(self, **_: Any) -> None:
        """Put everything back."""
        from agentmeter.integration import is_installed

        if is_installed(self.library):
            from agentmeter_pydantic_ai.patch import undo

            undo()


__all__ = ["PydanticAIIntegration"]
