"""Meters ``llama_index``: agents, tools and language models."""

from typing import Any, ClassVar


class LlamaIndexIntegration:
    """Meters every agent of the installed ``llama_index``."""

    name = "llama-index"
    library = "llama_index.core"
    supported: ClassVar = {"llama-index-core": ">=0.14.10,<=0.14.25"}
    unknown = "the attempts of model clients that are not metered themselves"

    def instrument(self, **_: Any) -> None:
        """Begin to meter; idempotent, and quiet where the library is not installed."""
        from agentmeter.integration import is_installed

        if is_installed(self.library):
            from agentmeter_llama_index.patch import apply

            apply()

    def uninstrument(self, **_: Any) -> None:
        """Put everything back."""
        from agentmeter.integration import is_installed

        if is_installed(self.library):
            from agentmeter_llama_index.patch import undo

            undo()


__all__ = ["LlamaIndexIntegration"]
