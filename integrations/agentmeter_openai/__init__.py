"""Meters the ``openai`` client, 2.x (httpx) and 3.x (httpx2): chat, Responses, also in the
background and over web sockets, completions, embeddings, pictures, audio, realtime and batches.
"""

from typing import Any, ClassVar


class OpenAIIntegration:
    """Meters every client of the installed ``openai``, made before or after."""

    name = "openai"
    library = "openai"
    supported: ClassVar = {"openai": ">=2.0.0,<=3.54.0"}
    unknown = (
        "the usage of servers that ignore `include_usage` is an estimate; the tokens of audio that "
        "is given as bytes, and the length of a plain transcript; a background response that "
        "nobody looks at, a batch whose results nobody reads; videos (Sora) and fine-tuning are "
        "not metered"
    )

    def instrument(self, **_: Any) -> None:
        """Begin to meter; idempotent, and quiet where openai is not installed."""
        from importlib.util import find_spec

        if find_spec(self.library) is not None:
            from agentmeter_openai.library import PATCH, SOCKETS

            PATCH.apply()
            SOCKETS.apply()

    def uninstrument(self, **_: Any) -> None:
        """Put every patched method back."""
        from agentmeter_openai.library import PATCH, SOCKETS

        PATCH.undo()
        SOCKETS.undo()


__all__ = ["OpenAIIntegration"]
