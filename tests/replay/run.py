"""One cassette: its exchanges made again, metered, and held against their own bodies."""

from pathlib import Path
from typing import Any

from agentmeter.model import Usage
from agentmeter.runtime.faults import FAULTS
from agentmeter.testing import metered
from tests.replay.cassettes import exchanges
from tests.replay.clients import client_for, send, truth

_WRITTEN = ("cache_write", "cache_write_5m", "cache_write_1h")


def replay(file: Path, folder: Path) -> dict[str, Any]:
    """A line of the outcome: agreed, or not and why, or why there was nothing to compare."""
    result: dict[str, Any] = {
        "file": str(file.relative_to(folder)),
        "provider": None,
        "calls": 0,
        "usage": {},
        "agreed": None,
        "why": None,
    }
    try:
        every = exchanges(file)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return {**result, "why": f"not a cassette: {error}"}
    known = [(found, one) for one in every if (found := client_for(one)) is not None]
    if not known:
        return {**result, "why": f"no exchange that is replayed: {_others(every)}"}
    try:
        return {**result, **_compared(known)}
    except Exception as error:
        return {**result, "agreed": False, "why": f"{type(error).__name__}: {error}"}


def _compared(known: list[Any]) -> dict[str, Any]:
    with metered() as meter:
        for (client, end), exchange in known:
            send(client, end, exchange)
        report = meter.report().unattributed
        faults = FAULTS.counts()
    calls = [record.call for record in meter.records if record.call is not None]
    usage = report.usage if report else Usage()
    told = {
        "provider": "+".join(sorted({str(call.provider) for call in calls})),
        "calls": len(calls),
        "usage": dict(usage),
    }
    if faults:
        return {**told, "agreed": False, "why": f"faults: {faults}"}
    try:
        truths = [truth(client, exchange) for (client, _), exchange in known]
    except ValueError:
        return {**told, "why": "a recorded body is not JSON"}
    if any(one is None for one in truths):
        evidence = dict(report.evidence) if report else {}
        return {**told, "why": f"a recorded body has no usage; metered as {evidence}"}
    whole = tuple(sum(one[place] for one in truths if one) for place in range(5))
    found = (
        usage.total_input,
        usage.get("cache_read", 0),
        sum(usage.get(name, 0) for name in _WRITTEN),
        usage.total_output,
        usage.get("reasoning", 0),
    )
    agreed = whole == found and len(calls) == len(known)
    return {**told, "agreed": agreed, "why": None if agreed else f"recorded {whole}"}


def _others(every: list[Any]) -> str:
    """The endpoints that nobody here speaks to."""
    found = {f"{one.method} {one.path}" for one in every}
    return ", ".join(sorted(found)[:3]) or "it is empty"
