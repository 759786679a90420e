"""A record priced by the tariff that it names."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from agentmeter.attribution.node import Node
from agentmeter.model import Entry, Extent, Record, Usage
from agentmeter.pricing.busy import timed
from agentmeter.pricing.cost import Cost, Gap, Line, price, shared_part, unpriced
from agentmeter.pricing.keys import key_of
from agentmeter.pricing.pricer import Pricer
from agentmeter.pricing.tariff import Tariff, Unpriced

NO_TARIFF = "no tariff was recorded for this call"
UNKNOWN_USAGE = "usage is not known"


def priced_now(
    entries: Iterable[Entry], tariffs: Mapping[str, Tariff], pricer: Pricer
) -> tuple[list[Entry], dict[str, Tariff]]:
    """Entries with a tariff for the calls that nobody had asked a pricer for.

    Those are calls known from the spans of other instrumentations, which name no tariff. A call
    that was priced when it was made, or that had no price then, stays as it is.
    """
    known = dict(tariffs)
    return [asked(entry, known, pricer) for entry in entries], known


def asked(entry: Entry, tariffs: dict[str, Tariff], pricer: Pricer) -> Entry:
    """One entry of ``priced_now``; its tariff is added to ``tariffs``."""
    if not isinstance(entry, Record) or not entry.foreign:
        return entry
    call = entry.call
    if call is None or not call.usage or call.tariff or call.unpriced:
        return entry
    answer = pricer.tariff(key_of(call))
    if isinstance(answer, Unpriced):
        return replace(entry, call=replace(call, unpriced=answer.reason))
    tariffs[answer.digest] = answer
    return timed(replace(entry, call=replace(call, tariff=answer.digest)), answer)


def price_node(node: Node, tariffs: Mapping[str, Tariff], request_id: str) -> Cost:
    """The cost of a scope's own usage; of shared work the part that is this request's."""
    if not node.is_call:
        return Cost()
    cost = price_call(node.record, node.whole, tariffs)
    shares = node.record.shares
    return shared_part(cost, shares, request_id) if shares else cost


def price_call(record: Record, usage: Usage, tariffs: Mapping[str, Tariff]) -> Cost:
    """The cost of a record's own ``usage``; what is unknown or has no rate is a gap."""
    call = record.call
    if call is None:
        return Cost()
    gaps = tuple(
        Gap(meter, None, UNKNOWN_USAGE)
        for meter, known in call.evidence.items()
        if known.extent is Extent.UNKNOWN
    )
    if call.charge is not None:
        amount = call.charge.amount
        return Cost(call.charge.currency, (Line(record.name, 1, amount, amount, "charged"),), gaps)
    cost = _priced(record, usage, tariffs)
    return Cost(cost.currency, cost.lines, cost.gaps + gaps)


def _priced(record: Record, usage: Usage, tariffs: Mapping[str, Tariff]) -> Cost:
    call = record.call
    if call is None or not usage:
        return Cost()
    if call.tariff is None:
        return unpriced(usage, call.unpriced or NO_TARIFF)
    tariff = tariffs.get(call.tariff)
    if tariff is None:
        return unpriced(usage, f"tariff {call.tariff} is missing from the records")
    return price(usage, tariff.quote(record.started_ns, call.usage.total_input))
