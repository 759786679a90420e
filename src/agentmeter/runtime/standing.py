"""How a request stands: what is known of it so far, in one look."""

from dataclasses import dataclass, field

from agentmeter.attribution.node import nodes
from agentmeter.model import Extent, Usage
from agentmeter.report.pricing import price_node
from agentmeter.report.report import Amounts, added
from agentmeter.runtime.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Standing:
    """Usage, true cost by currency, and calls of models; ``at_least`` where more is not known."""

    usage: Usage = field(default_factory=Usage)
    amounts: Amounts = field(default_factory=dict)
    calls: int = 0
    at_least: bool = False


def standing(ledger: Ledger) -> Standing:
    """The request as it stands; calls that are open, cut or not priced make it a lower bound."""
    view, tariffs = ledger.priced_view()
    if view is None:
        return Standing(at_least=bool(ledger.still_open()))
    usage, parts, calls = Usage(), [], 0
    at_least = bool(view.missing or ledger.still_open())
    for node in nodes(view.root):
        call = node.record.call
        if call is None or not node.is_call:
            continue
        cost = price_node(node, tariffs, view.request_id)
        usage = usage + node.usage if node.usage else usage
        parts.append({cost.currency: cost.amount} if cost.lines else {})
        calls += 0 if call.is_charge else call.calls
        cut = any(known.extent is not Extent.WHOLE for known in call.evidence.values())
        at_least = at_least or bool(cost.gaps) or cut or node.only_observed
    return Standing(usage, added(parts), calls, at_least)
