"""What the frames of Claude Code say of usage: of one message, and of a session so far."""

from collections.abc import Iterable, Mapping
from typing import Any

from agentmeter.integration import REPORTED, Evidence, Extent, Usage, counted

_AT_LEAST = Evidence(extent=Extent.AT_LEAST)
_OUTPUT = ("output", "reasoning", "output_unsplit")


def evidence(usage: Usage, *, whole: bool) -> dict[str, Evidence]:
    """A message is shown with the counts of its beginning: its output has only begun by then."""
    output = dict.fromkeys(("output",), REPORTED if whole else _AT_LEAST)
    begun = {name: REPORTED if whole else _AT_LEAST for name in usage if name in _OUTPUT}
    return {**output, **dict.fromkeys(usage, REPORTED), **begun}


def so_far(told: Mapping[str, Any]) -> Usage:
    """What a model has used in a session, as a result tells it: cached input stands beside."""
    written = told.get("cacheCreationInputTokens") or 0
    hour = told.get("cacheCreationEphemeral1hInputTokens") or 0
    read = told.get("cacheReadInputTokens") or 0
    usage = counted(
        (told.get("inputTokens") or 0) + read,
        told.get("outputTokens"),
        cache_read=read,
        reasoning=told.get("thinkingTokens"),
    )
    searches = told.get("webSearchRequests") or 0
    more = {**_written(written, hour, told), "web_search": searches}
    return usage + Usage(more)


def _written(written: int, hour: int, told: Mapping[str, Any]) -> dict[str, int]:
    if "cacheCreationEphemeral1hInputTokens" not in told:
        return {"cache_write": written}
    return {"cache_write_1h": hour, "cache_write_5m": max(0, written - hour)}


def same_model(told: str, shown: str) -> bool:
    """Whether a result's name of a model and a message's are of one: ``[1m]``, a date, a region or
    a version may stand around either.
    """
    one, other = told.partition("[")[0], shown.partition("[")[0]
    return one in other or other in one


def capped(usage: Usage, most: Usage) -> Usage:
    """``usage``, of which no side exceeds the same side of ``most``."""
    if usage.total_input > most.total_input:
        usage = Usage({name: n for name, n in usage.items() if name in _OUTPUT})
    if usage.total_output > most.total_output:
        usage = Usage({name: n for name, n in usage.items() if name not in _OUTPUT})
    return usage


def only_output(usage: Usage) -> bool:
    """Whether all of it is output."""
    return all(name in _OUTPUT for name in usage)


def summed(usages: Iterable[Usage]) -> Usage:
    """All of them together."""
    total = Usage()
    for usage in usages:
        total = total + usage
    return total
