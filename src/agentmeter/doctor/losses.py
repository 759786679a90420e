"""What a journal says of tokens that were lost: never metered, dropped, or of unknown number."""

from collections.abc import Iterator

from agentmeter.doctor.seen import Seen

NOT_METERED = " is imported and not metered"
_DROPPED = ("journal queue full", "journal write", "journal encode")
"""How the faults begin that a journal's writer counts for entries that it could not keep."""


def losses(seen: Seen) -> Iterator[str]:
    """Each as a sentence, the library that is not metered first."""
    yield from (place for place in seen.faults if NOT_METERED in place)
    for place, count in seen.faults.items():
        if place.startswith(_DROPPED):
            yield f"{count:,} x {place}"
    for model in seen.models:
        if model.unknown:
            calls = "1 call" if model.unknown == 1 else f"{model.unknown:,} calls"
            yield f"{calls} of {model.model or model.provider or '-'} whose usage is not known"
