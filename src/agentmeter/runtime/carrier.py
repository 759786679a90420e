"""Carrying a request over HTTP, a queue or a process: a small dict of headers.

A carrier names the request that will be billed, so that who may write one decides who pays. With a
key configured every carrier is signed, and one with a wrong signature is refused everywhere; at a
door that is open to strangers only a signed one is taken at all.
"""

import re
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

from agentmeter.model import Kind, Owner
from agentmeter.runtime.context import current_scope
from agentmeter.runtime.faults import FAULTS, guarded
from agentmeter.runtime.ledger import Ledger
from agentmeter.runtime.scope import Scope
from agentmeter.runtime.state import STATE

REQUEST = "agentmeter-request"
SCOPE = "agentmeter-scope"
SIGNATURE = "agentmeter-signature"

_ID = re.compile(r"[!-~]{1,128}")
_PLACE = re.compile(r"[0-9a-f]{16}-[0-9a-f]{32}-[0-9a-f]{16}")
_SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Carrier:
    """What a carrier says: the request, and the scope in it that the work hangs below."""

    request_id: str
    scope_id: str | None = None


def inject(headers: MutableMapping[str, str]) -> MutableMapping[str, str]:
    """Put the current request into ``headers`` and return them; unchanged outside of a request.

    An id of the application's own that cannot stand in a header (up to 128 visible ASCII
    characters can) is not carried, which is counted.

    In an environment (a mapping with a ``PATH``) the names are ``AGENTMETER_REQUEST`` and so on,
    as shells pass them on: ``subprocess.run(…, env=am.inject(dict(os.environ)))``; a journal's
    folder that was configured here goes along as ``AGENTMETER_DIR`` unless that is set.
    """
    scope = current_scope()
    if scope is None or scope.ledger is None:
        return headers
    carried = carrier_of(scope)
    if not carried:
        return headers
    scope.ledger.was_carried = True
    environment = "PATH" in headers
    for name, value in carried.items():
        headers[name.upper().replace("-", "_") if environment else name] = value
    if environment and STATE.settings.get("journal"):
        headers.setdefault("AGENTMETER_DIR", STATE.settings["directory"])
    return headers


def carrier_of(scope: Scope) -> dict[str, str]:
    """The carrier of a scope; empty, and counted, where the request's id cannot stand in one."""
    if not _ID.fullmatch(scope.request_id):
        FAULTS.count("carrier not written: the request's id cannot stand in a header")
        return {}
    place = f"{scope.scope_id}-{scope.trace_id}-{scope.span_id}"
    carried = {REQUEST: scope.request_id, SCOPE: place}
    if STATE.carrier_key is not None:
        issued = STATE.now_ns() // _SECOND
        carried[SIGNATURE] = f"{issued}-{_signed(scope.request_id, place, issued)}"
    return carried


def carrier_in(headers: Mapping[str, str], *, trusted: bool) -> Carrier | None:
    """The carrier in ``headers``; ``None`` where there is none, or none that may be followed.

    Without ``trusted`` only a carrier with a valid signature is followed. A refusal is counted
    with its reason, and never raised.
    """
    known = {_header(name): value for name, value in headers.items()}
    request_id = known.get(REQUEST)
    if request_id is None:
        return None
    place = known.get(SCOPE, "")
    refused = _refused(request_id, place, known.get(SIGNATURE), trusted=trusted)
    if refused is not None:
        FAULTS.count(f"carrier refused: {refused}")
        return None
    return Carrier(request_id, place.partition("-")[0] or None)


def _header(name: str) -> str:
    """A header's name, or that of a variable: ``agentmeter_request`` is neither, and gets past
    whoever takes our headers off at the edge.
    """
    return name.lower().replace("_", "-") if name.isupper() else name.lower()


def _refused(request_id: str, place: str, signature: str | None, *, trusted: bool) -> str | None:
    if not _ID.fullmatch(request_id) or (place and not _PLACE.fullmatch(place)):
        return "malformed"
    if signature is None or STATE.carrier_key is None:
        return None if trusted else "not signed, and from a peer that is not trusted"
    from hmac import compare_digest

    issued, _, digest = signature.partition("-")
    if not issued.isdecimal() or len(issued) > 12:
        return "malformed signature"
    if not compare_digest(digest, _signed(request_id, place, int(issued))):
        return "wrong signature"
    age = STATE.now_ns() // _SECOND - int(issued)
    return f"older than {STATE.carrier_age} seconds" if age > STATE.carrier_age else None


def _signed(request_id: str, place: str, issued: int) -> str:
    import hmac

    text = f"{request_id} {place} {issued}".encode()
    return hmac.new(STATE.carrier_key or b"", text, "sha256").hexdigest()


class ResumedScope(Scope):
    """A request that was begun elsewhere, continued here; it leaves a step of its own."""

    kind = Kind.STEP

    def __init__(self, carrier: Carrier | None, name: str | None = None) -> None:
        super().__init__(name or "resumed")
        self._carrier = carrier

    def fresh(self, name: str, arguments: Any) -> "ResumedScope":
        """A new activation for a call of the decorated function."""
        return ResumedScope(self._carrier, self.given_name)

    def _belong(self, parent: Scope | None) -> None:
        if self._carrier is None:
            super()._belong(parent)
            return
        self.parent = None
        known = parent.ledger if parent is not None else None
        same = known is not None and known.request_id == self._carrier.request_id
        self.ledger = known if same else Ledger(self._carrier.request_id, Owner())
        if STATE.gate is not None:
            with guarded("budget"):
                self.accounts = STATE.gate.of_request(self._carrier.request_id)

    def _parent_id(self) -> str | None:
        return super()._parent_id() if self._carrier is None else self._carrier.scope_id


def resume(headers: Mapping[str, str]) -> ResumedScope:
    """Continue the request that ``inject`` put into ``headers``, also after it has ended.

    For headers from a peer that you trust, since they name the request that will be billed; with
    ``carrier_key`` configured, one that is signed wrongly or too old is refused and counted.
    Without a request in them the work stays where it is. ``os.environ`` will do as well.
    """
    return ResumedScope(carrier_in(headers, trusted=True))
