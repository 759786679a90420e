"""The choke points: where each client sends one hop, so that a redirect is looked at by itself."""

import importlib
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from agentmeter.integration import (
    CARRIER_HEADERS,
    CallScope,
    Patches,
    current_scope,
    guarded,
    hosts_to_carry_to,
    inject,
)
from agentmeter_http.hosts import allowed

Method = Callable[..., Any]
_HOPS = (
    ("httpx", "Client", "_send_single_request", False),
    ("httpx", "AsyncClient", "_send_single_request", True),
    ("httpx2", "Client", "_send_single_request", False),
    ("httpx2", "AsyncClient", "_send_single_request", True),
    ("requests", "Session", "send", False),
)
_HOP = "agentmeter-hop"
"""Marks what was put there by us, and is taken off again where a redirect leads elsewhere."""


PATCHES = Patches()


def apply() -> None:
    """Patch the clients that are installed; does nothing if already patched."""
    if PATCHES.on:
        return
    for module, client, method, is_async in _HOPS:
        owner = _client(module, client)
        if owner is not None and method in owner.__dict__:
            PATCHES.replace(owner, method, _async_hop if is_async else _hop)


def _client(module: str, name: str) -> type | None:
    try:
        return getattr(importlib.import_module(module), name, None)
    except ImportError:
        return None


def _hop(original: Method) -> Method:
    def send(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        _carry(request)
        return original(self, request, *args, **kwargs)

    return send


def _async_hop(original: Method) -> Method:
    async def send(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        _carry(request)
        return await original(self, request, *args, **kwargs)

    return send


def _carry(request: Any) -> None:
    """Put the carrier on one hop, or take off what a redirect has brought along."""
    if not PATCHES.on:
        return
    with guarded("carrying a request out"):
        if _HOP in request.headers:
            for name in (*CARRIER_HEADERS, _HOP):
                request.headers.pop(name, None)
        scope = current_scope()
        given = CARRIER_HEADERS[0] in request.headers  # by the application itself, for this host
        if scope is None or isinstance(scope, CallScope) or given:
            return
        parts = urlsplit(str(request.url))
        if allowed(parts.hostname or "", parts.port, hosts_to_carry_to()):
            request.headers.update({**inject({}), _HOP: "1"})
