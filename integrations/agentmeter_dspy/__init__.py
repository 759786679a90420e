"""Meters ``dspy``: modules, tools and calls of language models; its threads keep the request."""

from typing import Any, ClassVar


class DSPyIntegration:
    """Meters every module of the installed ``dspy``."""

    name = "dspy"
    library = "dspy"
    supported: ClassVar = {"dspy": ">=3.4"}

    def instrument(self, **_: Any) -> None:
        """Begin to meter; idempotent, and quiet where the library is not installed."""
        if self._installed():
            from agentmeter_dspy.patch import apply

            apply()

    def uninstrument(self, **_: Any) -> None:
        """Put everything back."""
        if self._installed():
            from agentmeter_dspy.patch import undo

            undo()

    def _installed(self) -> bool:
        from importlib.util import find_spec

        try:
            return find_spec(self.library) is not None
        except ModuleNotFoundError:  # of the package that it would lie in
            return False


__all__ = ["DSPyIntegration"]
