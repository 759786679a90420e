"""What an integration is, and how it is found.

An integration is a class with a ``name``, the ``library`` (an import name) that it meters, and
``instrument``/``uninstrument``. It registers under the entry-point group
``agentmeter.integrations`` (and ``opentelemetry_instrumentor``, so that zero-code
instrumentation finds it), and uses only this module and the public API.
"""

from collections.abc import Iterable
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import Any, Protocol, runtime_checkable

from agentmeter.exceptions import ConfigurationError
from agentmeter.model import (
    ESTIMATED,
    REPORTED,
    UNKNOWN,
    Amendment,
    Attempt,
    Call,
    Evidence,
    Extent,
    Source,
    Status,
    Usage,
)
from agentmeter.runtime import tokenizer
from agentmeter.runtime.call import CallScope, facts_of
from agentmeter.runtime.carrier import REQUEST, SCOPE, SIGNATURE, inject
from agentmeter.runtime.context import attach, attached, current_scope, detach
from agentmeter.runtime.counting import COUNTER
from agentmeter.runtime.elsewhere import Handover, handover, taken_over
from agentmeter.runtime.faults import FAULTS, guarded
from agentmeter.runtime.patches import Patches
from agentmeter.runtime.provenance.describe import describe_input
from agentmeter.runtime.scope import Scope, emit
from agentmeter.runtime.state import STATE
from agentmeter.runtime.unfinished import until_exit

GROUP = "agentmeter.integrations"

CARRIER_HEADERS = (REQUEST, SCOPE, SIGNATURE)
"""The names of the headers that carry a request."""


@runtime_checkable
class Integration(Protocol):
    """Meters one library. Both methods are idempotent; the second undoes the first entirely."""

    name: str
    library: str

    def instrument(self, **options: Any) -> None:
        """Begin to meter."""

    def uninstrument(self, **options: Any) -> None:
        """Put everything back."""


_on: dict[str, Integration] = {}


def available() -> dict[str, Any]:
    """Every known integration's entry point, by name."""
    return {point.name: point for point in entry_points(group=GROUP)}


def switch_on(only: Iterable[str] = ()) -> dict[str, bool]:
    """Switch on the named integrations, or all whose library is installed."""
    known = available()
    wanted = tuple(only)
    for name in wanted:
        if name not in known:
            raise ConfigurationError(f"no integration {name!r}; there are {sorted(known)}")
    for name in wanted or known:
        if name not in _on:
            with guarded(f"integration {name}"):
                integration = known[name].load()()
                if find_spec(integration.library) is not None:
                    integration.instrument()
                    _on[name] = integration
    STATE.integrations = tuple(sorted(_on))
    return {name: name in _on for name in sorted(known)}


def switch_off(only: Iterable[str] = ()) -> None:
    """Switch off the named integrations, or all that are on."""
    for name in tuple(only) or tuple(_on):
        if name in _on:
            with guarded(f"integration {name}"):
                _on.pop(name).uninstrument()
    STATE.integrations = tuple(sorted(_on))


def hosts_to_carry_to() -> tuple[str, ...]:
    """The hosts that the application has named for carrying requests to."""
    return STATE.carry_to


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


__all__ = [
    "CARRIER_HEADERS",
    "COUNTER",
    "ESTIMATED",
    "FAULTS",
    "REPORTED",
    "UNKNOWN",
    "Attempt",
    "Call",
    "CallScope",
    "Evidence",
    "Extent",
    "Handover",
    "Integration",
    "Patches",
    "Scope",
    "Source",
    "Status",
    "Usage",
    "amend_usage",
    "attach",
    "attached",
    "available",
    "current_scope",
    "describe_input",
    "detach",
    "facts_of",
    "guarded",
    "handover",
    "hosts_to_carry_to",
    "inject",
    "now_ns",
    "switch_off",
    "switch_on",
    "taken_over",
    "tokenizer",
    "until_exit",
]
