"""Whether the records of two observers can be of one call."""

from agentmeter.model import Call, Extent, Record


def agree(one: Record, other: Record) -> bool:
    """Whether nothing that both say speaks against their being one call."""
    ours, theirs = one.call, other.call
    if ours is None or theirs is None or one.observer == other.observer:
        return False
    if ours.response_id and theirs.response_id:
        return ours.response_id == theirs.response_id
    return _same_model(ours, theirs) and _same_usage(ours, theirs)


def same_response(one: Record, other: Record) -> bool:
    """Whether two records that name the same response are of one call.

    Servers of one's own count their ids from a small number, or repeat one for ever, so that the
    records have to be of one time as well, or to agree in model and usage where clocks differ.
    """
    ours, theirs = one.call, other.call
    if ours is None or theirs is None or one.observer == other.observer:
        return False
    overlap = one.started_ns <= other.ended_ns and other.started_ns <= one.ended_ns
    return overlap or (_same_model(ours, theirs) and _same_usage(ours, theirs))


def _same_model(ours: Call, theirs: Call) -> bool:
    models = {name for name in (ours.model, ours.response_model) if name}
    others = {name for name in (theirs.model, theirs.response_model) if name}
    return not models or not others or bool(models & others)


def _same_usage(ours: Call, theirs: Call) -> bool:
    """Equal sums where both were reported whole; what one of them does not know is no quarrel."""
    pairs = (
        (_known_total(ours, "input"), _known_total(theirs, "input")),
        (_known_total(ours, "output"), _known_total(theirs, "output")),
    )
    return all(one is None or other is None or one == other for one, other in pairs)


def _known_total(call: Call, side: str) -> int | None:
    total = call.usage.total_input if side == "input" else call.usage.total_output
    if not total or any(known.extent is not Extent.WHOLE for known in call.evidence.values()):
        return None
    return total
