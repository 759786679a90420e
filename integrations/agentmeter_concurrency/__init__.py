"""Carries the request into threads, pools and processes, so that no work falls out of it.

``threading.Thread`` and ``Timer``, ``ThreadPoolExecutor`` (and so ``run_in_executor``),
``ProcessPoolExecutor`` and ``multiprocessing.Process``, whether forked or spawned. What is started
outside of any request is left alone.
"""

from typing import Any


class ConcurrencyIntegration:
    """Patches the standard library's ways to run something elsewhere."""

    name = "concurrency"
    library = "threading"

    def instrument(self, **_: Any) -> None:
        """Begin to carry; idempotent."""
        from agentmeter_concurrency.patch import apply

        apply()

    def uninstrument(self, **_: Any) -> None:
        """Put every patched method back."""
        from agentmeter_concurrency.patch import PATCHES

        PATCHES.undo()


__all__ = ["ConcurrencyIntegration"]
