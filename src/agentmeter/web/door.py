"""The door of a server: whom it trusts, and the request that it opens."""

import ipaddress
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from agentmeter.exceptions import ConfigurationError
from agentmeter.runtime.carrier import ResumedScope, carrier_in
from agentmeter.runtime.faults import guarded
from agentmeter.runtime.request import RequestScope
from agentmeter.runtime.scope import Scope

Given = str | Callable[[Any], str | None] | None
"""An owner field: a value, or a callable over what the server was handed."""

Trust = Iterable[str] | Callable[[Any], bool]
"""Networks such as ``"10.0.0.0/8"``, or a callable over what the server was handed."""


When = Callable[[Any], bool] | None
"""Which of what comes in is a request: all of it, or a callable over what the server was handed."""


class Door:
    """Opens a request for what comes in, or resumes the one that a trusted peer names.

    Raises ``ConfigurationError`` for a network that is none.
    """

    def __init__(
        self,
        name: str | None,
        owner: Mapping[str, Any],
        trust: Trust,
        when: When = None,
        request: type[RequestScope] = RequestScope,
    ) -> None:
        self._request = request
        self._when = when
        self._name = name
        self._owner = owner
        self._asked = trust if callable(trust) else None
        self._networks = () if callable(trust) else tuple(map(_network, trust))

    def opened(self, given: Any, headers: Mapping[str, str], peer: str | None, name: str) -> Scope:
        """A scope for ``given``, not yet entered; ``peer`` is the address that it came from."""
        with guarded("carrier"):
            carrier = carrier_in(headers, trusted=self._trusts(given, peer))
            if carrier is not None:
                return ResumedScope(carrier, self._name or name)
        owner = {field: _worked_out(field, value, given) for field, value in self._owner.items()}
        return self._request(self._name or name, owner=owner)

    def is_for(self, given: Any) -> bool:
        """Whether ``given`` is a request; it is where the callable fails, which is counted."""
        if self._when is None:
            return True
        with guarded("when"):
            return bool(self._when(given))
        return True

    def _trusts(self, given: Any, peer: str | None) -> bool:
        if self._asked is not None:
            return bool(self._asked(given))
        if not self._networks or peer is None:
            return False
        address = ipaddress.ip_address(peer)
        return any(address in network for network in self._networks)


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise ConfigurationError(f"trust: {text!r} is no network such as '10.0.0.0/8'") from error


def _worked_out(field: str, value: Any, given: Any) -> Any:
    """A callable's answer; one that fails leaves its field blank, counted."""
    if not callable(value):
        return value
    with guarded(f"owner field {field!r}"):
        return value(given)
    return None
