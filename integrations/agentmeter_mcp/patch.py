"""The patched methods of mcp: a client's tool call carries its request in ``_meta``, and a server
does the tool's work for the request that is named there.

A server in a pipe was started by its client, which it may believe. One that is reached over HTTP
follows what is signed with the configured key, as at every door that is open to strangers.
"""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from mcp.client.session import ClientSession
from mcp.server.lowlevel.server import Server

from agentmeter.integration import (
    FAULTS,
    Patches,
    ResumedScope,
    ToolScope,
    carrier_in,
    guarded,
    inject,
    inside,
)

PATCHES = Patches()
_TOOL_CALL = "tools/call"


def apply() -> None:
    """Patch; does nothing if already patched."""
    if PATCHES.on:
        return
    try:
        PATCHES.replace(ClientSession, "call_tool", _carrying)
        PATCHES.replace(ClientSession, "call_tool", inside(PATCHES, _tool))
        if find_spec("mcp.server.runner") is not None:
            from mcp.server.runner import ServerRunner

            PATCHES.replace(ServerRunner, "_compose_server_middleware", _serving)
        else:
            PATCHES.replace(Server, "_handle_request", _handling)
    except BaseException:
        PATCHES.undo()  # half a patch would meter half
        raise


def undo() -> None:
    """Put every method back."""
    PATCHES.undo()


def _tool(session: Any, args: Any, kwargs: Any) -> ToolScope:
    return ToolScope(args[0] if args else kwargs["name"])


def _carrying(original: Any) -> Any:
    async def call_tool(self: Any, *args: Any, **kwargs: Any) -> Any:
        if PATCHES.on:
            with guarded("mcp call"):
                kwargs = {**kwargs, **_with_carrier(kwargs.get("meta"))}
        return await original(self, *args, **kwargs)

    return call_tool


def _with_carrier(meta: Mapping[str, Any] | None) -> dict[str, Any]:
    carried = dict(inject({}))
    return {"meta": {**(meta or {}), **carried}} if carried else {}


def _serving(original: Any) -> Any:
    """From 2.0 on: the chain of handlers of one message."""

    def compose(self: Any, inner: Any) -> Any:
        call = original(self, inner)

        async def serve(ctx: Any) -> Any:
            scope = None
            if PATCHES.on and ctx.method == _TOOL_CALL:
                name = (ctx.params or {}).get("name")
                scope = _resumed(ctx.meta, name, remote=getattr(ctx, "request", None) is not None)
            if scope is None:
                return await call(ctx)
            with scope:
                return await call(ctx)

        return serve

    return compose


def _handling(original: Any) -> Any:
    """Before 2.0: the handler of one request."""

    async def handle(self: Any, message: Any, req: Any, *args: Any, **kwargs: Any) -> Any:
        scope = None
        if PATCHES.on and getattr(req, "method", None) == _TOOL_CALL:
            meta = getattr(message.request_meta, "model_extra", None)
            http = getattr(getattr(message, "message_metadata", None), "request_context", None)
            scope = _resumed(meta, req.params.name, remote=http is not None)
        if scope is None:
            return await original(self, message, req, *args, **kwargs)
        with scope:
            return await original(self, message, req, *args, **kwargs)

    return handle


def _resumed(meta: Any, name: str | None, *, remote: bool) -> ResumedScope | None:
    try:
        headers = {key: text for key, text in dict(meta or {}).items() if isinstance(text, str)}
        carrier = carrier_in(headers, trusted=not remote)
        return ResumedScope(carrier, name) if carrier is not None else None
    except Exception as error:
        FAULTS.count("mcp request", error)
        return None
