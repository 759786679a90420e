"""The page and what it asks for."""

from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse

from agentmeter.render.html import shell
from agentmeter.serve.body import JSON
from agentmeter.serve.guard import Guard
from agentmeter.serve.live import Live
from agentmeter.serve.refusal import Refusal

_HEADERS = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}


class PageRoutes:
    """The endpoints of the page; each lets in who may see costs."""

    def __init__(self, guard: Guard, live: Live) -> None:
        self._guard = guard
        self._live = live

    async def page(self, request: Request) -> Response:
        """The page, without figures."""
        self._guard.reader(request)
        return HTMLResponse(shell(), headers=_HEADERS)

    async def report(self, request: Request) -> Response:
        """Its figures; nothing where the reader has them already."""
        self._guard.reader(request)
        value = await self._live.value()
        headers = {**_HEADERS, "cache-control": "no-cache", "etag": value.tag}
        headers["vary"] = "accept-encoding"
        if request.headers.get("if-none-match") == value.tag:
            return Response(status_code=304, headers=headers)
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(value.packed, 200, {**headers, "content-encoding": "gzip"}, JSON)
        return Response(value.body, 200, headers, JSON)

    async def tree(self, request: Request) -> Response:
        """One request with its scopes."""
        self._guard.reader(request)
        request_id: Any = request.query_params.get("id", "")
        found = await self._live.tree(request_id)
        if not found:
            raise Refusal(404, f"no request {request_id!r:.80}")
        return Response(found, 200, _HEADERS, JSON)

    async def events(self, request: Request) -> Response:
        """An event whenever there is more to see."""
        self._guard.reader(request)
        headers = {**_HEADERS, "x-accel-buffering": "no"}
        return StreamingResponse(self._live.events(), 200, headers, media_type="text/event-stream")
