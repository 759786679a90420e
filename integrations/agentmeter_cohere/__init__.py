"""Meters the ``cohere`` client, 5.21 to 7.x: chat, embeddings and rankings of both versions."""

from typing import Any, ClassVar


class CohereIntegration:
    """Meters every client of the installed ``cohere``, by what it bills and not what it processed.

    One ``embed`` of the first version may be several calls, as that client sends several.
    """

    name = "cohere"
    library = "cohere"
    supported: ClassVar = {"cohere": ">=5.21.0,<=7.3.1"}
    unknown = "tokens that were processed and are not billed"

    def instrument(self, **_: Any) -> None:
        """Begin to meter; idempotent, and quiet where cohere is not installed."""
        from agentmeter.integration import is_installed

        if is_installed(self.library):
            from agentmeter_cohere.patch import apply

            apply()

    def uninstrument(self, **_: Any) -> None:
        """Put every patched method back."""
        from agentmeter_cohere.patch import PATCHES

        PATCHES.undo()


__all__ = ["CohereIntegration"]
