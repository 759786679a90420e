"""What other models have taken for an answer: calls of their own, beside the one that was made.

A response in which a picture was drawn tells the tokens of the model that drew it apart from its
own, and a picture in SVG those of the model that wrote it. They have prices of their own.
"""

from typing import Any

from agentmeter.integration.endpoint import Endpoint
from agentmeter.model import REPORTED, Status
from agentmeter.runtime.call import CallScope
from agentmeter.runtime.faults import guarded


def leave_beside(call: CallScope, endpoint: Endpoint, answer: Any) -> None:
    """Leave the calls that ``answer`` tells of beside ``call``, which it ends: below the same."""
    if endpoint.beside is None:
        return
    with guarded("calls beside"):
        for told in endpoint.beside(answer):
            made = CallScope(model=told.model, operation=told.operation)
            made.open(call.parent)
            made.started_ns = call.started_ns
            made.update(provider=call.facts.provider, region=call.facts.region)
            made.update(usage=told.usage, evidence=dict.fromkeys(told.usage, REPORTED))
            made.close(status=Status.OK)
