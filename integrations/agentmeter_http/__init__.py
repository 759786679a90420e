"""Carries the request to one's own services over HTTP: ``httpx``, ``httpx2`` and ``requests``.

Never to the host of a model provider, never inside a model call, and to no host that the
application has not named, other than those that cannot be a public service.
"""

from typing import Any


class HTTPIntegration:
    """Patches the HTTP clients that are installed."""

    name = "http"
    library = "agentmeter_http"  # whichever of the clients are installed

    def instrument(self, **_: Any) -> None:
        """Begin to carry; idempotent."""
        from agentmeter_http.patch import apply

        apply()

    def uninstrument(self, **_: Any) -> None:
        """Put every patched method back."""
        from agentmeter_http.patch import PATCHES

        PATCHES.undo()


__all__ = ["HTTPIntegration"]
