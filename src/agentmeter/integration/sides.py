"""The two sides of a call, its input and its output, and how far they are known."""

from agentmeter.model import UNKNOWN, Call, Extent


def unknown_sides(facts: Call) -> tuple[str, ...]:
    """Of ``input`` and ``output`` those that nobody has reported."""
    if not facts.evidence:
        return () if facts.usage else ("input", "output")
    return tuple(side for side in ("input", "output") if facts.evidence.get(side) == UNKNOWN)


def is_whole(facts: Call) -> bool:
    """Whether all of both sides has been reported, and nothing only in part."""
    partly = any(known.extent is Extent.AT_LEAST for known in facts.evidence.values())
    return not partly and not unknown_sides(facts)
