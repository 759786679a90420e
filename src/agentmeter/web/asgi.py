"""ASGI: one request for every HTTP request and every websocket connection."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from agentmeter.runtime.context import attached
from agentmeter.runtime.request import RequestScope
from agentmeter.runtime.scope import Scope
from agentmeter.web.asgi_cost import CostSend
from agentmeter.web.cost import CostHeader, what_to_show
from agentmeter.web.door import Door, Given, Trust, When

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


class AgentmeterMiddleware:
    """Meters an ASGI application: ``app = AgentmeterMiddleware(app, user=…)``.

    The request ends when the application has sent all of its answer, or given up. Owner fields are
    values, or callables over the ASGI scope. A carrier that comes in is followed only where it is
    signed with the configured key, or comes from a peer in ``trust``: networks, or a callable over
    the ASGI scope. What ``when``, a callable over that scope, does not accept is no request.

    With ``cost_header`` an answer whose cost is known before its headers go out has it there, as
    ``X-Request-Cost: 0.006785 USD`` (``; at-least`` where more may have been used) and in
    ``Server-Timing``; ``"cost"``, or ``True``, is the true cost, ``"charge"`` what the owner's plan
    among the configured ones charges. An answer that is streamed has it in its trailers where the
    server and the client do trailers, else not at all.
    """

    request: type[RequestScope] = RequestScope
    """The kind of request that is opened."""

    def __init__(
        self,
        app: App,
        *,
        name: str | None = None,
        user: Given = None,
        tenant: Given = None,
        feature: Given = None,
        plan: Given = None,
        tags: Mapping[str, str] | Callable[[Any], Mapping[str, str]] | None = None,
        trust: Trust = (),
        when: When = None,
        cost_header: CostHeader = False,
    ) -> None:
        self.app = app
        owner = {"user": user, "tenant": tenant, "feature": feature, "plan": plan, "tags": tags}
        self._door = Door(name, owner, trust, when, self.request)
        self._shown = what_to_show(cost_header)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one connection; lifespan events pass through."""
        if scope.get("type") not in ("http", "websocket") or not self._door.is_for(scope):
            await self.app(scope, receive, send)
            return
        headers = {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in scope.get("headers", ())
        }
        client = scope.get("client")
        request = self._door.opened(scope, headers, client[0] if client else None, _title(scope))
        request.open(None)
        priced = self._priced(scope, send, request)
        try:
            with attached(request):
                await self.app(scope, receive, priced or send)
                if priced is not None:
                    await priced.flush()
        except BaseException as error:
            request.close(error)
            raise
        request.close()

    def _priced(
        self, scope: MutableMapping[str, Any], send: Send, request: Scope
    ) -> CostSend | None:
        if self._shown is None or scope["type"] != "http":
            return None
        trailers = "http.response.trailers" in (scope.get("extensions") or {})
        return CostSend(send, request, self._shown, trailers=trailers)


def _title(scope: Mapping[str, Any]) -> str:
    return f"{scope.get('method', 'WEBSOCKET')} {scope.get('path', '/')}"
