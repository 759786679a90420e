"""Meters ``haystack``: pipelines, their components, agents and tools."""

from typing import Any, ClassVar


class HaystackIntegration:
    """Places the calls of clients in the pipelines of the installed ``haystack``."""

    name = "haystack"
    library = "haystack"
    supported: ClassVar = {"haystack-ai": ">=3.0.0,<=3.4.1"}
    unknown = (
        "generators whose client has no integration: the pipeline is seen, their tokens are not"
    )

    def instrument(self, **_: Any) -> None:
        """Begin to meter; idempotent, and quiet where the library is not installed."""
        from agentmeter.integration import is_installed

        if is_installed(self.library):
            from agentmeter_haystack.patch import apply

            apply()

    def uninstrument(self, **_: Any) -> None:
        """Put everything back."""
        from agentmeter.integration import is_installed

        if is_installed(self.library):
            from agentmeter_haystack.patch import undo

            undo()


__all__ = ["HaystackIntegration"]
