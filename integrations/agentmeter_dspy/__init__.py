"""Meters ``dspy``: modules, tools and calls of language models; its threads keep the request."""

from typing import Any, ClassVar


class DSPyIntegration:
    """Meters every module of the installed ``dspy``."""

    name = "dspy"
    library = "dspy"
    supported: ClassVar = {"dspy": ">=3.4.0,<=3.4.1"}
    unknown = "the attempts of model clients that are not metered themselves"

    def instrument(self, **_: Any) -> None:
        """Begin to meter; idempotent, and quiet where the library is not installed."""
        from agentmeter.integration import is_installed

        if is_installed(self.library):
            from agentmeter_dspy.patch import apply

            apply()

    def uninstrument(self, **_: Any) -> None:
        """Put everything back."""
        from agentmeter.integration import is_installed

        if is_installed(self.library):
            from agentmeter_dspy.patch import undo

            undo()


__all__ = ["DSPyIntegration"]
