"""Shared work: what is done once for several requests, and falls to each by its weight."""

from collections.abc import Callable, Iterable, Mapping
from math import gcd, lcm
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import SpanContext

from agentmeter.exceptions import ScopeError
from agentmeter.model import NOBODY, Entry, Kind, Opened, Owner
from agentmeter.runtime.ledger import Ledger
from agentmeter.runtime.request import RequestHandle, RequestScope
from agentmeter.runtime.scope import Scope
from agentmeter.runtime.state import STATE

if TYPE_CHECKING:
    from agentmeter.pricing.tariff import Tariff

Sharing = RequestScope | RequestHandle | str
"""A request that shares: its scope, what ``current`` gave, or its id."""


class SharedLedger(Ledger):
    """Hands what was done to the ledger of every request that shares it."""

    def __init__(self, shares: Mapping[str, int], ledgers: Iterable[Ledger]) -> None:
        super().__init__(STATE.new_id(16), NOBODY)
        self.shares = shares
        self._ledgers = tuple(ledgers)

    def join(self, owner: Owner) -> None:
        """Whom the work is for is said already: a request inside fills no blanks of theirs."""

    @property
    def ledgers(self) -> tuple[Ledger, ...]:
        """The ledgers of those that share and run here."""
        return self._ledgers

    def add(self, entry: Entry, tariff: "Tariff | None" = None) -> None:
        """Take an entry, here and in the ledgers of those that share it."""
        super().add(entry, tariff)
        for ledger in self._ledgers:
            ledger.add(entry, tariff)

    def begun(self, scope_id: str, opened: Callable[[], Opened]) -> None:
        """A call has begun."""
        for ledger in self._ledgers:
            ledger.begun(scope_id, opened)

    def over(self, scope_id: str) -> None:
        """A call is over."""
        for ledger in self._ledgers:
            ledger.over(scope_id)


class SharedScope(Scope):
    """Work for several requests; everything in it is split among them."""

    kind = Kind.STEP

    def __init__(self, requests: Mapping[Sharing, int], name: str | None = None) -> None:
        super().__init__(name or "shared")
        self._requests = requests

    def fresh(self, name: str, arguments: Any) -> "SharedScope":
        """A new activation for a call of the decorated function."""
        return SharedScope(self._requests, self.given_name)

    def _belong(self, parent: Scope | None) -> None:
        self.parent = None
        here = [_ledger_of(one) for one in self._requests if not isinstance(one, str)]
        self.ledger = SharedLedger(_weights(self._requests), _each_once(here))

    def links(self) -> list[SpanContext]:
        """The spans of the requests that share, where they have any."""
        scopes = (one for one in self._requests if isinstance(one, RequestScope))
        return [scope.span.get_span_context() for scope in scopes if scope.span is not None]


def shared(
    requests: Mapping[Sharing, int] | Iterable[Sharing], name: str | None = None
) -> SharedScope:
    """Work that serves several requests: a batch of embeddings, a cache warmed for many.

    ``requests`` are the requests with their weights, or the requests alone for equal parts; a
    request is its scope, what ``current()`` gives, or its id. Tokens are split in whole numbers
    and money exactly, so that the parts sum to the whole. Raises ``ScopeError`` for a weight that
    is not a whole number above zero, and where nobody shares.
    """
    weights = dict(requests) if isinstance(requests, Mapping) else dict.fromkeys(requests, 1)
    for request, weight in weights.items():
        if isinstance(weight, bool) or not isinstance(weight, int) or weight <= 0:
            raise ScopeError(
                f"shared: the weight of {request!r} is {weight!r}; "
                "a weight is a whole number above zero"
            )
        if not isinstance(request, str):
            _ledger_of(request)
    if not weights:
        raise ScopeError("shared: name at least one request that the work is for")
    return SharedScope(weights, name)


def _ledger_of(request: RequestScope | RequestHandle) -> Ledger:
    if request.ledger is None:
        raise ScopeError("shared: this request has not begun; enter it first, or give its id")
    return request.ledger


def _each_once(ledgers: Iterable[Ledger]) -> Iterable[Ledger]:
    """The ledgers of single requests; shared work that shares again is for those it is for."""
    found: dict[int, Ledger] = {}
    for ledger in ledgers:
        single = ledger.ledgers if isinstance(ledger, SharedLedger) else (ledger,)
        found.update((id(one), one) for one in single)
    return found.values()


def _weights(requests: Mapping[Sharing, int]) -> dict[str, int]:
    """The weights by id of single requests, in whole numbers."""
    parts = [(_parts(request), weight) for request, weight in requests.items()]
    scale = lcm(*(sum(part.values()) for part, _ in parts))
    weights: dict[str, int] = {}
    for part, weight in parts:
        for request_id, share in part.items():
            own = weight * share * scale // sum(part.values())
            weights[request_id] = weights.get(request_id, 0) + own
    divisor = gcd(*weights.values())
    return {request_id: weight // divisor for request_id, weight in weights.items()}


def _parts(request: Sharing) -> Mapping[str, int]:
    if isinstance(request, str):
        return {request: 1}
    ledger = _ledger_of(request)
    return ledger.shares or {ledger.request_id: 1}
