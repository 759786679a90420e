"""What the receiver takes at most, so that its memory is bounded whoever sends what."""

from dataclasses import dataclass

_MB = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """What one export and all together may take.

    ``body`` and ``inflated`` are bytes of a body as it comes and unpacked, ``written`` are those of
    its lines, each with its resource; ``attributes`` are those of one span, ``depth`` is how deep a
    value may nest. ``pending`` are the bytes of all that is not yet on disk: beyond it, senders are
    asked to come again. ``seconds`` is how long a body may take to come, and ``followers`` how many
    may follow the page's events.
    """

    body: int = 16 * _MB
    inflated: int = 16 * _MB
    attributes: int = 1024
    depth: int = 32
    written: int = 128 * _MB
    pending: int = 64 * _MB
    seconds: float = 30.0
    followers: int = 64
