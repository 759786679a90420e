"""Meters ``langchain`` and ``langgraph``: graphs, nodes, chains, tools, retrievers and model calls.

A callback handler is registered for everybody, so that no application has to pass one.
"""

from typing import Any, ClassVar


class LangChainIntegration:
    """Meters every runnable of the installed ``langchain_core``, and so of what builds on it."""

    name = "langchain"
    library = "langchain_core"
    supported: ClassVar = {"langchain-core": ">=1.0.0,<=1.8.3", "langgraph": ">=1.0.0,<=1.2.24"}
    unknown = "usage that a model class without a metered client does not put on its messages"

    def instrument(self, **_: Any) -> None:
        """Begin to meter; idempotent, and quiet where langchain is not installed."""
        from agentmeter.integration import is_installed

        if is_installed(self.library):
            from agentmeter_langchain.patch import apply

            apply()

    def uninstrument(self, **_: Any) -> None:
        """Take the handler away, and put every patched function back."""
        from agentmeter.integration import is_installed

        if is_installed(self.library):
            from agentmeter_langchain.patch import undo

            undo()


__all__ = ["LangChainIntegration"]
