"""The time that a call kept its GPUs busy, where its model is paid by time."""

from dataclasses import replace

from agentmeter.model import Call, Evidence, Extent, Kind, Record, Source, Usage
from agentmeter.pricing.cost import TIMED
from agentmeter.pricing.tariff import Tariff

_MEASURED = Evidence(Source.ESTIMATED)


def timed(record: Record, tariff: Tariff) -> Record:
    """``record`` with its busy time, where the tariff is by time and the call has none counted.

    A millisecond that has begun counts. The time is the client's, network in it: an estimate. A
    call that was refused before it used anything has none, and what only sums calls up has none.
    """
    call = record.call
    if not tariff.by_time or call is None or record.kind is not Kind.CALL:
        return record
    rates = tariff.quote(record.started_ns, call.usage.total_input).rates
    if "busy_millisecond" not in rates or not _consumed(call):
        return record
    if any(meter in call.usage for meter in TIMED):
        return record
    busy = -((record.started_ns - record.ended_ns) // 1_000_000)
    evidence = {**call.evidence, "busy_millisecond": _MEASURED}
    usage = call.usage + Usage(busy_millisecond=busy)
    return replace(record, call=replace(call, usage=usage, evidence=evidence))


def _consumed(call: Call) -> bool:
    unknown = any(known.extent is Extent.UNKNOWN for known in call.evidence.values())
    return bool(call.usage) or unknown
