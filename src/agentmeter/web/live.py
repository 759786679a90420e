"""A live meter in one's own page: a request's events while it runs, for whoever may follow it.

    token = live.token(request)             # hand it to the request's owner, to nobody else
    live.server_sent(live.events(token))    # the body of a text/event-stream

An event is a small JSON object, made from the request as it then stands; nothing is queued.
"""

import asyncio
import base64
import binascii
import hmac
import os
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from agentmeter.exceptions import ScopeError
from agentmeter.model import Entry
from agentmeter.report.receipt import Disclosure, receipt
from agentmeter.runtime.counting import COUNTER
from agentmeter.runtime.ledger import Ledger
from agentmeter.runtime.receipting import charge_of, recorded
from agentmeter.runtime.request import RequestHandle, RequestScope
from agentmeter.runtime.state import STATE
from agentmeter.web.cost import Shown, what_to_show

if TYPE_CHECKING:
    from agentmeter.pricing.plans import PricedRequest
    from agentmeter.report.report import RequestReport

Event = dict[str, Any]
Followed = RequestScope | RequestHandle | str

_OWN_KEY = os.urandom(32)
_SECOND = 1_000_000_000
_REST = 4
"""Looking takes one part in five of the time at most, however large the request is."""
_SHARED = ("request_id", "asked", "outcome", "at_least", "done", "abridged", "work")
_followable: "WeakValueDictionary[str, Ledger]" = WeakValueDictionary()


def token(request: RequestScope | RequestHandle) -> str:
    """What lets its bearer follow this request, in this process, for as long as carriers are good.

    It is signed with the configured ``carrier_key``, else with a key of this process.
    """
    ledger = _ledger_in(request)
    _followable[ledger.request_id] = ledger
    issued = STATE.now_ns() // _SECOND
    name = base64.urlsafe_b64encode(ledger.request_id.encode()).decode().rstrip("=")
    return f"{name}.{issued}.{_signed(ledger.request_id, issued)}"


def _signed(request_id: str, issued: int) -> str:
    text = f"agentmeter live {issued} {request_id}".encode()
    return hmac.new(STATE.carrier_key or _OWN_KEY, text, "sha256").hexdigest()


def events(
    request: Followed,
    *,
    money: Shown | None = None,
    public_names: Mapping[str, str] | None = None,
    show_names: bool = False,
    every: float = 0.1,
) -> AsyncGenerator[Event, None]:
    """A request as it stands now, whenever it has changed, and at last when it is over.

    ``request`` is its scope, what ``current()`` gives, or a ``token``. Events are ``every`` seconds
    apart at least, and say what a receipt says: ``type`` (``progress``, ``end``), tokens and time
    as ``work``, steps and tools as ``done``; with ``money`` also ``cost``, the true cost so far, or
    ``charge``, the plan's so far. An iterator that is left behind gets the latest state, and no
    backlog. Raises ``ScopeError``, at once, for a token that is not good and for a request that is
    not of this process or is forgotten since it ended.
    """
    shown = what_to_show(money or False)
    names = STATE.public_names if public_names is None else public_names
    show = Disclosure(public_names=names, show_names=show_names, show_cost=shown == "cost")
    return _followed(_Look(_ledger_in(request), show, shown), every)


def _ledger_in(request: Followed) -> Ledger:
    if isinstance(request, str):
        return _ledger_of_token(request)
    if request.ledger is None:
        raise ScopeError("this request has not begun: enter it before it is followed")
    return request.ledger


def _ledger_of_token(text: str) -> Ledger:
    name, _, rest = text.partition(".")
    issued, _, signature = rest.partition(".")
    try:
        request_id = base64.urlsafe_b64decode(name + "=" * (-len(name) % 4)).decode()
        at = int(issued) if issued.isascii() and issued.isdecimal() and len(issued) < 13 else -1
    except (binascii.Error, ValueError):
        request_id, at = "", -1
    expected = _signed(request_id, at).encode()
    if at < 0 or not hmac.compare_digest(signature.encode("utf-8", "replace"), expected):
        raise ScopeError("this token is none that was given out for a request")
    if STATE.now_ns() // _SECOND - at > STATE.carrier_age:
        raise ScopeError(f"this token is older than {STATE.carrier_age} seconds")
    ledger = _followable.get(request_id)
    if ledger is None:
        raise ScopeError("the request of this token is not of this process, or long over")
    return ledger


class _Look:
    """Makes events; the account's other requests are read at the first and at the last."""

    def __init__(self, ledger: Ledger, show: Disclosure, shown: Shown | None) -> None:
        self.ledger = ledger
        self._show = show
        self._shown = shown
        self._others: list[PricedRequest] | None = None

    def event(self, *, over: bool) -> Event:
        if over:
            COUNTER.settle()
            self._others = None
        reports = self.ledger.known().requests
        kind = "end" if over else "progress"
        if not reports:
            return {"type": kind, "request_id": self.ledger.request_id}
        made = receipt(reports[0], self._show).to_json()
        told = {name: made[name] for name in _SHARED}
        if self._shown == "cost":
            told["cost"] = made["cost"]
        elif self._shown == "charge":
            told["charge"] = self._charge(reports[0])
        return {"type": kind, **told}

    def _charge(self, report: "RequestReport") -> Event | None:
        if STATE.plans is None:
            return None
        if self._others is None:
            self._others = list(recorded(STATE.plans))
        charge = charge_of(report, STATE.plans, others=self._others)
        return None if charge is None else receipt(report, self._show, charge).to_json()["charge"]


class _Waker:
    """Wakes a loop from whatever thread an entry comes, once until it has been awake."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._lock = threading.RLock()
        self._woken = False

    def hear(self, _: Ledger, __: Entry | None) -> None:
        with self._lock:
            woken, self._woken = self._woken, True
        if not woken:
            with suppress(RuntimeError):  # the loop is closed, and nobody waits any more
                self._loop.call_soon_threadsafe(self._changed.set)

    async def wait(self) -> None:
        await self._changed.wait()
        self._changed.clear()
        with self._lock:
            self._woken = False


async def _followed(look: _Look, every: float) -> AsyncGenerator[Event, None]:
    loop, waker = asyncio.get_running_loop(), _Waker()
    unlisten = look.ledger.listen(waker.hear)
    try:
        while True:
            over, began = look.ledger.closed, loop.time()
            event = await asyncio.to_thread(look.event, over=over)
            took = loop.time() - began
            yield event
            if over:
                return
            await asyncio.sleep(max(every, _REST * took))
            await waker.wait()
    finally:
        unlisten()


async def server_sent(
    events: AsyncGenerator[Event, None], beat: float = 15.0
) -> AsyncIterator[bytes]:
    """Events as the body of a ``text/event-stream``, named by their ``type``.

    Every ``beat`` seconds of silence a comment goes out, so that nothing in between hangs up.
    """
    import orjson

    following: asyncio.Future[Event] | None = None
    try:
        while True:
            following = following or asyncio.ensure_future(anext(events))
            done, _ = await asyncio.wait({following}, timeout=beat)
            if not done:
                yield b": still here\n\n"
                continue
            try:
                event = following.result()
            except StopAsyncIteration:
                return
            following = None
            yield b"event: %s\ndata: %s\n\n" % (event["type"].encode(), orjson.dumps(event))
    finally:
        if following is not None:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
        await events.aclose()
