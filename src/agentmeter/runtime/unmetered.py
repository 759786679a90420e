"""A hint, once in a process: a request ended without a call, and a client is not metered."""

import sys

from agentmeter.model import Status
from agentmeter.runtime.faults import FAULTS
from agentmeter.runtime.ledger import Ledger
from agentmeter.runtime.state import STATE

_CLIENTS = {
    "openai": "openai",
    "anthropic": "anthropic",
    "google.genai": "google-genai",
    "mistralai.client": "mistralai",
    "cohere": "cohere",
    "litellm": "litellm",
}
"""A client's module → the integration that meters it. Not botocore, which has other work to do."""

_said = False


def note_unmetered(ledger: Ledger, status: Status) -> None:
    """Look once, at the first request that ended well and saw no call."""
    global _said
    if _said or not STATE.notices or status is not Status.OK:
        return
    if ledger.last_call() is not None or ledger.still_open():
        return
    for module, integration in _CLIENTS.items():
        if module in sys.modules and integration not in STATE.integrations:
            _said = True
            FAULTS.notice(
                f"{module} is imported and not metered, and a request ended without a call: "
                "call agentmeter.instrument()"
            )
            return
