"""Meters the ``mistralai`` client, 2.x (httpx) and 3.x (httpx2): chat, agents, embeddings, OCR."""

from typing import Any, ClassVar


class MistralIntegration:
    """Meters every client of the installed ``mistralai``, for Azure and Google's cloud as well."""

    name = "mistralai"
    library = "mistralai.client"  # what is above it is a namespace, whose import nobody is told of
    supported: ClassVar = {"mistralai": ">=2.0.0,<=3.7.0"}
    unknown = "cached tokens where the answer does not say them"

    def instrument(self, **_: Any) -> None:
        """Begin to meter; idempotent, and quiet where mistralai is not installed."""
        from agentmeter.integration import is_installed

        if is_installed(self.library):
            from agentmeter_mistralai.patch import apply

            apply()

    def uninstrument(self, **_: Any) -> None:
        """Put every patched method back."""
        from agentmeter_mistralai.patch import PATCHES

        PATCHES.undo()


__all__ = ["MistralIntegration"]
