"""What an integration is made of.

An integration is a class with a ``name``, the ``library`` (an import name) that it meters, and
``instrument``/``uninstrument``; its ``supported`` has, by distribution, the oldest and the newest
version that were tested, ``">=2.0.0,<=3.54.0"``, for ``agentmeter doctor``. It registers under the
entry-point group ``agentmeter.integrations``, by which ``opentelemetry-instrument`` finds it as
well, and uses only this package and the public API.

Most of one is a table of ``Endpoint``s: ``endpoint`` says what they are, ``streams`` follows what
they stream, and ``examples/own_integration.py`` is a whole one. A client that Stainless generated
needs only a ``StainlessLibrary``: see ``stainless``.
"""

from agentmeter.exceptions import BudgetExceeded
from agentmeter.integration.awaited import Awaited
from agentmeter.integration.batches import Batches, watch_lines, watched_lines
from agentmeter.integration.beside import leave_beside
from agentmeter.integration.bodies import Content, watch_body
from agentmeter.integration.bounds import Bounds, parts_of
from agentmeter.integration.chat import NO_OUTPUT, chat_bounds, limit, uncounted
from agentmeter.integration.endpoint import Accumulator, Attempts, Body, Endpoint
from agentmeter.integration.exchange import Exchange, begin, begin_async, current_exchange
from agentmeter.integration.hosts import Served, served_by
from agentmeter.integration.media import (
    NOBODY_SAYS,
    count_spoken,
    heard_facts,
    heard_from,
    image_facts,
    spoken_facts,
    spoken_from,
)
from agentmeter.integration.methods import MeteredMethods
from agentmeter.integration.registry import (
    Integration,
    available,
    is_installed,
    switch_off,
    switch_on,
)
from agentmeter.integration.reported import ReportedCall, reported_call
from agentmeter.integration.reporting import counted, reporting, reporting_context, said
from agentmeter.integration.runs import Runs
from agentmeter.integration.stainless import StainlessLibrary, StainlessPatch
from agentmeter.integration.streams import (
    Tally,
    WatchedAsyncIterator,
    WatchedIterator,
    advanced,
    advanced_async,
    see_close,
    watched,
    watched_async,
)
from agentmeter.integration.tries import tried, tried_async
from agentmeter.integration.wrapping import inside, inside_context
from agentmeter.model import (
    ESTIMATED,
    REPORTED,
    UNKNOWN,
    Attempt,
    Call,
    Evidence,
    Extent,
    Source,
    Status,
    Usage,
)
from agentmeter.model.providers import canonical
from agentmeter.runtime import tokenizer
from agentmeter.runtime.call import CallScope, facts_of
from agentmeter.runtime.carrier import (
    REQUEST,
    SCOPE,
    SIGNATURE,
    ResumedScope,
    carrier_in,
    inject,
)
from agentmeter.runtime.context import ASKING, attach, attached, current_scope, detach, innermost
from agentmeter.runtime.counting import COUNTER
from agentmeter.runtime.elsewhere import Handover, handover, taken_over
from agentmeter.runtime.faults import FAULTS, guarded
from agentmeter.runtime.patches import Patches
from agentmeter.runtime.provenance.describe import describe_input
from agentmeter.runtime.scope import AgentScope, Scope, StepScope, ToolScope
from agentmeter.runtime.state import STATE
from agentmeter.runtime.unfinished import until_exit

CARRIER_HEADERS = (REQUEST, SCOPE, SIGNATURE)
"""The names of the headers that carry a request."""


def hosts_to_carry_to() -> tuple[str, ...]:
    """The hosts that the application has named for carrying requests to."""
    return STATE.carry_to


def now_ns() -> int:
    """Tell the instant by the configured clock, in nanoseconds since the Unix epoch."""
    return STATE.now_ns()


__all__ = [
    "ASKING",
    "CARRIER_HEADERS",
    "COUNTER",
    "ESTIMATED",
    "FAULTS",
    "NOBODY_SAYS",
    "NO_OUTPUT",
    "REPORTED",
    "UNKNOWN",
    "Accumulator",
    "AgentScope",
    "Attempt",
    "Attempts",
    "Awaited",
    "Batches",
    "Body",
    "Bounds",
    "BudgetExceeded",
    "Call",
    "CallScope",
    "Content",
    "Endpoint",
    "Evidence",
    "Exchange",
    "Extent",
    "Handover",
    "Integration",
    "MeteredMethods",
    "Patches",
    "ReportedCall",
    "ResumedScope",
    "Runs",
    "Scope",
    "Served",
    "Source",
    "StainlessLibrary",
    "StainlessPatch",
    "Status",
    "StepScope",
    "Tally",
    "ToolScope",
    "Usage",
    "WatchedAsyncIterator",
    "WatchedIterator",
    "advanced",
    "advanced_async",
    "attach",
    "attached",
    "available",
    "begin",
    "begin_async",
    "canonical",
    "carrier_in",
    "chat_bounds",
    "count_spoken",
    "counted",
    "current_exchange",
    "current_scope",
    "describe_input",
    "detach",
    "facts_of",
    "guarded",
    "handover",
    "heard_facts",
    "heard_from",
    "hosts_to_carry_to",
    "image_facts",
    "inject",
    "innermost",
    "inside",
    "inside_context",
    "is_installed",
    "leave_beside",
    "limit",
    "now_ns",
    "parts_of",
    "reported_call",
    "reporting",
    "reporting_context",
    "said",
    "see_close",
    "served_by",
    "spoken_facts",
    "spoken_from",
    "switch_off",
    "switch_on",
    "taken_over",
    "tokenizer",
    "tried",
    "tried_async",
    "uncounted",
    "until_exit",
    "watch_body",
    "watch_lines",
    "watched",
    "watched_async",
    "watched_lines",
]
