"""Carrying a request over HTTP, a queue or a process: a small dict of headers."""

from collections.abc import Mapping, MutableMapping
from typing import Any

from agentmeter.model import Kind, Owner
from agentmeter.runtime.context import current_scope
from agentmeter.runtime.ledger import Ledger
from agentmeter.runtime.scope import Scope

REQUEST = "agentmeter-request"
SCOPE = "agentmeter-scope"


def inject(headers: MutableMapping[str, str]) -> MutableMapping[str, str]:
    """Put the current request into ``headers`` and return them; unchanged outside of a request."""
    scope = current_scope()
    if scope is not None and scope.ledger is not None:
        headers[REQUEST] = scope.request_id
        headers[SCOPE] = f"{scope.scope_id}-{scope.trace_id}-{scope.span_id}"
    return headers


class ResumedScope(Scope):
    """A request that was begun elsewhere, continued here; it leaves a step of its own."""

    kind = Kind.STEP

    def __init__(self, headers: Mapping[str, str]) -> None:
        super().__init__("resumed")
        known = {name.lower(): value for name, value in headers.items()}
        self._carried_request = known.get(REQUEST)
        self._carried_scope = known.get(SCOPE, "")

    def fresh(self, name: str, arguments: Any) -> "ResumedScope":
        """A new activation for a call of the decorated function."""
        return ResumedScope({REQUEST: self._carried_request or "", SCOPE: self._carried_scope})

    def _belong(self, parent: Scope | None) -> None:
        if not self._carried_request:
            super()._belong(parent)
            return
        self.parent = None
        known = parent.ledger if parent is not None else None
        same = known is not None and known.request_id == self._carried_request
        self.ledger = known if same else Ledger(self._carried_request, Owner())

    def _parent_id(self) -> str | None:
        if not self._carried_request:
            return super()._parent_id()
        return self._carried_scope.partition("-")[0] or None


def resume(headers: Mapping[str, str]) -> ResumedScope:
    """Continue the request that ``inject`` put into ``headers``, also after it has ended.

    Only for headers from a peer that you trust: they name the request that will be billed.
    Without a request in them the work stays where it is.
    """
    return ResumedScope(headers)
