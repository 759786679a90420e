"""Segments: the pieces that a call's input is made of, and where each came from."""

from dataclasses import dataclass
from enum import StrEnum

from agentmeter.model.filled import filled_at_once


class Origin(StrEnum):
    """Where a piece of input comes from."""

    SYSTEM = "system"
    TOOLS = "tools"
    """Tool definitions."""
    USER = "user"
    ASSISTANT = "assistant"
    """The model's own earlier output."""
    TOOL = "tool"
    """A tool's result."""
    RETRIEVED = "retrieved"
    """A document that the application named with ``retrieved``."""
    IMAGE = "image"
    OTHER = "other"


@filled_at_once
@dataclass(frozen=True, slots=True)
class Segment:
    """One piece of a call's input, in the order in which the provider reads it.

    ``digest`` is 16 hex digits of a keyed hash, so that the same piece is known again without its
    text; ``weight`` is the tokenizer's own count, which only says how the reported input is
    divided; ``name`` is the tool's or the document's, where it has one.
    """

    origin: Origin
    digest: str
    weight: int
    name: str | None = None
