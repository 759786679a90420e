"""Meters ``litellm`` from 1.106 on: completions, streams, Responses, embeddings, rankings, pictures
and audio, and its router.

litellm is not imported for it, since that takes seconds and asks the network for prices: whenever
the application imports it, it is metered.
"""

from typing import Any, ClassVar


class LiteLLMIntegration:
    """Meters the functions of ``litellm``, at the provider and the model that answered.

    Where a client that is metered by itself stands underneath, that one's call is the leaf. A
    function that was imported by name before metering began is not seen.
    """

    name = "litellm"
    library = "litellm"
    supported: ClassVar = {"litellm": ">=1.106.2,<=1.106.2"}
    unknown = "functions that were imported by name before metering began"

    def instrument(self, **_: Any) -> None:
        """Begin to meter, now or when litellm is imported; idempotent."""
        from agentmeter.integration import is_installed

        if is_installed(self.library):
            from agentmeter_litellm.patch import apply

            apply()

    def uninstrument(self, **_: Any) -> None:
        """Put every patched function back."""
        from agentmeter_litellm.patch import undo

        undo()


__all__ = ["LiteLLMIntegration"]
