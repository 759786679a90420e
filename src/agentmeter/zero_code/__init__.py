"""Metering a program without a change to its code, for ``agentmeter run`` and
``opentelemetry-instrument``.

By environment: ``AGENTMETER_REQUEST_PER`` says what a request is, ``process``, ``http`` (each HTTP
request and websocket), ``auto`` (both: each HTTP request is one, what is outside of them is the
process's) or ``none``; ``AGENTMETER_INTEGRATIONS`` names those to switch on, all where it is blank;
``AGENTMETER_USER``, ``_TENANT``, ``_FEATURE`` and ``_PLAN`` are the owner of these requests.
Requests that the program opens by itself are their own in any case.
"""

import atexit
import os
from collections.abc import Mapping
from typing import Any

from agentmeter.api import instrument, uninstrument
from agentmeter.integration import available
from agentmeter.runtime.faults import FAULTS, guarded
from agentmeter.runtime.naming import (
    PER_VARIABLE,
    integrations_named,
    per_named,
    unknown_integrations,
    unknown_per,
)
from agentmeter.runtime.owner import FIELDS
from agentmeter.runtime.settings import ZERO_CODE


class AgentmeterInstrumentor:
    """What ``opentelemetry-instrument`` finds and switches on.

    One for all integrations, since each of them is to begin when its library is imported, and not
    to import it.
    """

    def instrument(self, **_: Any) -> None:
        """Begin; idempotent."""
        begin()

    def uninstrument(self, **_: Any) -> None:
        """Put every patched method back."""
        uninstrument()
        from agentmeter.zero_code.servers import PATCHES

        PATCHES.undo()


def begin(environment: Mapping[str, str] = os.environ) -> None:
    """Meter this process as its environment says; what fails is counted and goes no further."""
    with guarded("zero-code"):
        _switch_on(environment)
    owner = {field: environment.get(f"AGENTMETER_{field.upper()}") or None for field in FIELDS}
    per = _per(environment)
    if per in ("auto", "process"):
        with guarded("the process's request"):
            from agentmeter.runtime import process

            atexit.register(process.end_as_interrupted)  # what is registered first runs last
            process.begin(owner)
    if per in ("auto", "http"):
        with guarded("HTTP requests"):
            from agentmeter.zero_code import servers

            servers.begin(owner)


def _switch_on(environment: Mapping[str, str]) -> None:
    """All integrations, or those that are named; of which one that does not exist is counted."""
    named = integrations_named(environment)
    known = available() if named else {}
    for problem in unknown_integrations(named, known):
        FAULTS.once(f"configuration: {problem}")
    wanted = [name for name in named if name in known]
    if wanted or not named:
        instrument(*wanted)


def _per(environment: Mapping[str, str]) -> str:
    problem = unknown_per(environment)
    if problem is None:
        return per_named(environment)
    FAULTS.once(f"configuration: {problem}")
    return str(ZERO_CODE[PER_VARIABLE])


__all__ = ["AgentmeterInstrumentor", "begin"]
