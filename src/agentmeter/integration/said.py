"""What is said of a call later, and when it is now."""

from agentmeter.model import Amendment, Evidence, Usage
from agentmeter.runtime.call import CallScope
from agentmeter.runtime.faults import guarded
from agentmeter.runtime.scope import emit
from agentmeter.runtime.state import STATE


def now_ns() -> int:
    """The instant of the configured clock, in nanoseconds since the epoch."""
    return STATE.now_ns()


def amend_usage(scope: CallScope, usage: Usage, evidence: dict[str, Evidence]) -> None:
    """Say later what a closed call used: an amendment, since records never change.

    The tariff is asked for again, since a call closed without any usage named none.
    """
    with guarded("amendment"):
        tariff, _ = STATE.tariff_of(scope.facts)
        said = Amendment(
            STATE.new_id(8),
            scope.request_id,
            scope.scope_id,
            STATE.now_ns(),
            usage,
            evidence,
            tariff.digest if tariff else None,
        )
        emit(said, scope.ledger, tariff)
        scope.amend_reservation(usage, evidence, tariff)
