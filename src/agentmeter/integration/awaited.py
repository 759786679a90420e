"""Calls whose usage comes by another request than their own, after they have ended.

Work in the background is one call, however often it is looked at: the first answer that tells its
usage amends the call, also after the request that it is of has ended. A process that did not begin
it leaves a call of its own with the response's id, by which whoever reads the journal takes the two
for one. However many processes look, they leave one and the same, since its id is made from the
response's.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from agentmeter.integration.identity import identity
from agentmeter.model import REPORTED, Call, Evidence, Status
from agentmeter.runtime.call import CallScope
from agentmeter.runtime.faults import guarded

_MOST = 4096
_OBSERVER = "agentmeter.retrieved"
_TOLD = ("response_model", "service_tier", "finish_reasons")


class Awaited:
    """The calls that ended without their usage, by the id of the response."""

    def __init__(self) -> None:
        self._calls: OrderedDict[str, CallScope] = OrderedDict()
        self._told: OrderedDict[str, None] = OrderedDict()

    def forget(self) -> None:
        """Know of none any more."""
        self._calls.clear()
        self._told.clear()

    def wait(self, call: CallScope) -> None:
        """A call has ended, and its usage is not known yet."""
        response_id = call.facts.response_id
        if response_id and response_id not in self._calls:
            self._calls[response_id] = call
            _forget(self._calls)

    def told(
        self, response_id: str, read: Callable[[], Call], elsewhere: Mapping[str, Any] | None
    ) -> CallScope | None:
        """A look at a response has told its usage, which ``read`` gives; the first one counts.

        ``elsewhere`` are fields of the call where another process began it; ``None``: if this one
        does not know of it, it has been counted. Gives the call where it was begun here.
        """
        with guarded("usage that came later"):
            call = self._calls.pop(response_id, None)
            if call is None and (elsewhere is None or response_id in self._told):
                return None
            self._told[response_id] = None
            _forget(self._told)
            said = read()
            known = said.evidence or dict.fromkeys(said.usage, REPORTED)
            told = {name: value for name in _TOLD if (value := getattr(said, name))}
            if call is not None:
                call.update(**told)
                call.amend(said.usage, known)
            else:
                facts = {**(elsewhere or {}), **told, "response_id": response_id}
                _of_another_process(CallScope(model=said.response_model, **facts), said, known)
            return call
        return None


def _of_another_process(scope: CallScope, said: Call, known: Mapping[str, Evidence]) -> None:
    scope.observer = _OBSERVER
    scope.scope_id = identity("retrieved", scope.facts.response_id or "", 8)
    scope.open(None)
    scope.update(usage=said.usage, evidence=known)
    scope.close(status=Status.OK)


def _forget(known: OrderedDict[str, Any]) -> None:
    while len(known) > _MOST:
        known.popitem(last=False)
