"""Where openai-agents is hooked into: one tracing processor more, also when others are replaced."""

from typing import Any

from agents.tracing import add_trace_processor, get_trace_provider
from agents.tracing.provider import SynchronousMultiTracingProcessor

from agentmeter.integration import Patches
from agentmeter_openai_agents.processor import Processor

PATCHES = Patches()
PROCESSOR = Processor()


def apply() -> None:
    """Listen; does nothing if already listening."""
    if not PATCHES.on:
        PATCHES.replace(SynchronousMultiTracingProcessor, "set_processors", _set_processors)
        add_trace_processor(PROCESSOR)


def undo() -> None:
    """Listen no more."""
    PATCHES.undo()
    several = getattr(get_trace_provider(), "_multi_processor", None)
    if several is not None:
        several.set_processors([one for one in several._processors if one is not PROCESSOR])


def _set_processors(original: Any) -> Any:
    """Applications replace the processors to send traces elsewhere, and not to be unmetered."""

    def set_processors(self: Any, processors: list[Any]) -> None:
        original(self, [*processors, PROCESSOR] if PATCHES.on else processors)

    return set_processors
