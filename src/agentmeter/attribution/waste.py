"""Waste: why a leaf's cost bought nothing."""

from collections.abc import Mapping

from agentmeter.attribution.gather import Key, key_of
from agentmeter.model import Amendment, Kind, Record, Status

DISCARDED = "discarded"
REPEATED = "repeated call"
LOST = {
    Status.ERROR: "failed call",
    Status.CANCELLED: "cancelled call",
    Status.CUT: "lost stream",
}
_BRANCHES = {Status.ERROR: "failed branch", Status.CANCELLED: "cancelled branch"}


def waste(
    order: list[Record], below: Mapping[Key, list[Record]], said: list[Amendment]
) -> dict[Key, str]:
    """Why each scope's work bought nothing, where it did; ``order`` has parents first.

    What was thrown away takes everything below it along. Of calls that ask exactly the same, all
    after the first that was answered are repetitions.
    """
    verdicts = {one.scope_id: one for one in said if one.discarded is not None}
    reasons: dict[Key, str] = {}
    for record in order:
        key = key_of(record)
        verdict = verdicts.get(record.scope_id)
        thrown = reasons.get(key) or _thrown_away(record, verdict)
        if thrown is not None:
            reasons[key] = thrown
            reasons.update((key_of(child), thrown) for child in below.get(key, ()))
    for record in order:
        if record.call is not None and record.status in LOST:
            reasons.setdefault(key_of(record), LOST[record.status])
    reasons.update(_repeated(order, reasons))
    return reasons


def _thrown_away(record: Record, verdict: Amendment | None) -> str | None:
    """Why a scope is thrown away with all that is below it."""
    if verdict is not None and verdict.discarded:
        return verdict.reason or DISCARDED
    if record.kind is Kind.BRANCH and verdict is None:
        return _BRANCHES.get(record.status)
    return None


def _repeated(order: list[Record], reasons: Mapping[Key, str]) -> dict[Key, str]:
    """Calls begun once the same had been answered; side by side they are samples of one's own."""
    answered: dict[str, int] = {}
    repeated: dict[Key, str] = {}
    for record in sorted(order, key=lambda one: (one.started_ns, key_of(one))):
        digest = record.call.input_digest if record.call is not None else None
        if digest is None or key_of(record) in reasons:
            continue
        if record.started_ns >= answered.get(digest, record.ended_ns + 1):
            repeated[key_of(record)] = REPEATED
        answered[digest] = min(record.ended_ns, answered.get(digest, record.ended_ns))
    return repeated
