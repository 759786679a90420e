"""Meters ``llama_index``: agents, tools and language models."""

from typing import Any, ClassVar


class LlamaIndexIntegration:
    """Meters every agent of the installed ``llama_index``."""

    name = "llama-index"
    library = "llama_index.core"
    supported: ClassVar = {"llama-index-core": ">=0.14"}

    def instrument(self, **_: Any) -> None:
        """Begin to meter; idempotent, and quiet where the library is not installed."""
        if self._installed():
            from agentmeter_llama_index.patch import apply

            apply()

    def uninstrument(self, **_: Any) -> None:
        """Put everything back."""
        if self._installed():
            from agentmeter_llama_index.patch import undo

            undo()

    def _installed(self) -> bool:
        from importlib.util import find_spec

        try:
            return find_spec(self.library) is not None
        except ModuleNotFoundError:  # of the package that it would lie in
            return False


__all__ = ["LlamaIndexIntegration"]
