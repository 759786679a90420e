"""Meters the ``anthropic`` client, 0.60 to 2.x: messages, streams, tools, beta and batches."""

from typing import Any, ClassVar


class AnthropicIntegration:
    """Meters every client of the installed ``anthropic``, made before or after.

    Clients for Bedrock, Vertex and Foundry are metered as what those serve.
    """

    name = "anthropic"
    library = "anthropic"
    supported: ClassVar = {"anthropic": ">=0.60.0,<=2.12.0"}
    unknown = "what a batch used, until its results are read"

    def instrument(self, **_: Any) -> None:
        """Begin to meter; idempotent, and quiet where anthropic is not installed."""
        from importlib.util import find_spec

        if find_spec(self.library) is not None:
            from agentmeter_anthropic.library import PATCH

            PATCH.apply()

    def uninstrument(self, **_: Any) -> None:
        """Put every patched method back."""
        from agentmeter_anthropic.library import BATCHES, PATCH

        PATCH.undo()
        BATCHES.forget()


__all__ = ["AnthropicIntegration"]
