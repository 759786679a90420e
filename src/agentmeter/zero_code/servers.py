"""A request for each HTTP request, in servers and frameworks as they are.

Servers are patched where they take their application, so that any application will do; frameworks
where theirs is called, so that any server will do. Where both are there the outer one has opened
the request, and the inner one lets it pass.
"""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from functools import partial
from typing import Any

import wrapt

from agentmeter.runtime.faults import guarded
from agentmeter.runtime.patches import Patches
from agentmeter.runtime.quiet import QuietRequest
from agentmeter.runtime.state import STATE
from agentmeter.web import asgi, wsgi

_MARK = "agentmeter.request"
PATCHES = Patches()
_OWNER: dict[str, Any] = {}


class _Asgi(asgi.AgentmeterMiddleware):
    """Opens a quiet request, unless it is inside of one that was opened for the same scope."""

    request = QuietRequest

    async def __call__(
        self, scope: MutableMapping[str, Any], receive: asgi.Receive, send: asgi.Send
    ) -> None:
        if not PATCHES.on or scope.get("type") not in ("http", "websocket") or _MARK in scope:
            await self.app(scope, receive, send)
            return
        scope[_MARK] = STATE.serves = True
        await super().__call__(scope, receive, send)


class _Wsgi(wsgi.AgentmeterMiddleware):
    """The same for WSGI."""

    request = QuietRequest

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        if not PATCHES.on or _MARK in environ:
            return self.app(environ, start_response)
        environ[_MARK] = STATE.serves = True
        return super().__call__(environ, start_response)


def begin(owner: Mapping[str, Any]) -> None:
    """Patch what is imported already, and the rest when it comes to be; once."""
    _OWNER.update(owner)
    for module, name, method, make in _POINTS:
        wrapt.register_post_import_hook(partial(_patch, name, method, make), module)


def _patch(name: str, method: str, make: Callable[[Any], Any], module: Any) -> None:
    with guarded(f"HTTP requests of {module.__name__}"):
        owner = getattr(module, name, None)
        if owner is not None and method in vars(owner):
            PATCHES.replace(owner, method, make)


def _asgi_called(original: Any) -> Any:
    """For an application class whose objects are called by the server."""

    def call(self: Any, scope: Any, receive: Any, send: Any) -> Awaitable[None]:
        return _Asgi(partial(original, self), **_OWNER)(scope, receive, send)

    return call


def _wsgi_called(original: Any) -> Any:
    def call(self: Any, environ: Any, start_response: Any) -> Any:
        return _Wsgi(partial(original, self), **_OWNER)(environ, start_response)

    return call


def _loaded(original: Any) -> Any:
    """For ``Config.load`` of uvicorn, after which the application stands in ``loaded_app``."""

    def load(self: Any) -> None:
        original(self)
        self.loaded_app = _Asgi(self.loaded_app, **_OWNER)

    return load


def _holding(middleware: Any) -> Callable[[Any], Any]:
    """For the wrappers of hypercorn, which keep the application in ``app``."""

    def make(original: Any) -> Any:
        def init(self: Any, *args: Any, **kwargs: Any) -> None:
            original(self, *args, **kwargs)
            self.app = middleware(self.app, **_OWNER)

        return init

    return make


def _worker(original: Any) -> Any:
    """For workers of gunicorn, which load an application into ``wsgi``; the ASGI ones of uvicorn
    go through ``Config.load``.
    """

    def load_wsgi(self: Any) -> None:
        original(self)
        if "asgi" not in type(self).__module__ and "uvicorn" not in type(self).__module__:
            self.wsgi = _Wsgi(self.wsgi, **_OWNER)

    return load_wsgi


_POINTS: tuple[tuple[str, str, str, Callable[[Any], Any]], ...] = (
    ("uvicorn.config", "Config", "load", _loaded),
    ("hypercorn.app_wrappers", "ASGIWrapper", "__init__", _holding(_Asgi)),
    ("hypercorn.app_wrappers", "WSGIWrapper", "__init__", _holding(_Wsgi)),
    ("gunicorn.workers.base", "Worker", "load_wsgi", _worker),
    ("starlette.applications", "Starlette", "__call__", _asgi_called),
    ("django.core.handlers.asgi", "ASGIHandler", "__call__", _asgi_called),
    ("django.core.handlers.wsgi", "WSGIHandler", "__call__", _wsgi_called),
    ("flask.app", "Flask", "__call__", _wsgi_called),
)
"""Module, class, method, and what takes the method's place."""
