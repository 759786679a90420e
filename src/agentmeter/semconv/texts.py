"""Attempts and segments as one line of text each, and back."""

from agentmeter.model import Attempt, Origin, Segment


def attempt_text(attempt: Attempt) -> str:
    """``start|end|status|billed|error``; the error last, since it may hold any character."""
    status = "" if attempt.http_status is None else attempt.http_status
    billed = {None: "", True: "1", False: "0"}[attempt.billed]
    error = "" if attempt.error_type is None else f"={attempt.error_type}"
    return f"{attempt.started_ns}|{attempt.ended_ns}|{status}|{billed}|{error}"


def attempt(text: str) -> Attempt:
    """The inverse of ``attempt_text``. Raises ``ValueError`` for any other text."""
    started, ended, status, billed, error = text.split("|", 4)
    return Attempt(
        int(started),
        int(ended),
        int(status) if status else None,
        error[1:] if error else None,
        {"": None, "1": True, "0": False}[billed],
    )


def segment_text(segment: Segment) -> str:
    """``origin|digest|weight`` and ``|name``, which may hold any character, where there is one."""
    name = "" if segment.name is None else f"|{segment.name}"
    return f"{segment.origin}|{segment.digest}|{segment.weight}{name}"


def segment(text: str) -> Segment:
    """The inverse of ``segment_text``. Raises ``ValueError`` for any other text."""
    origin, digest, weight, *name = text.split("|", 3)
    return Segment(Origin(origin), digest, int(weight), name[0] if name else None)
