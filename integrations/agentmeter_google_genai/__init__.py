"""Meters Google's ``google-genai`` client, 2.x (httpx) and 3.x (httpx2): content and embeddings,
live sessions, interactions, pictures and Gemini's batches.
"""

from typing import Any, ClassVar


class GoogleGenAIIntegration:
    """Meters every client of the installed ``google-genai``, for Gemini and for Vertex AI.

    Every round of automatic function calling is a call of its own, as it is billed.
    """

    name = "google-genai"
    library = "google.genai"
    supported: ClassVar = {"google-genai": ">=2.0.0,<=3.6.1"}
    unknown = (
        "the reasoning of a stream that is cut; videos (Veo) and the batches of Vertex AI are not "
        "metered"
    )

    def instrument(self, **_: Any) -> None:
        """Begin to meter; idempotent, and quiet where google-genai is not installed."""
        from agentmeter.integration import is_installed

        if is_installed(self.library):
            from agentmeter_google_genai.patch import apply

            apply()

    def uninstrument(self, **_: Any) -> None:
        """Put every patched method back."""
        from agentmeter_google_genai.patch import undo

        undo()


__all__ = ["GoogleGenAIIntegration"]
