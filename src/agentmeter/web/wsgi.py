"""WSGI: one request for every HTTP request, until the last piece of its answer."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from agentmeter.runtime.context import attached
from agentmeter.runtime.request import RequestScope
from agentmeter.runtime.scope import Scope
from agentmeter.web.cost import CostHeader, cost_headers, what_to_show
from agentmeter.web.door import Door, Given, Trust, When

App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class AgentmeterMiddleware:
    """Meters a WSGI application: ``app = AgentmeterMiddleware(app, user=…)``.

    The request ends when the server closes the answer. Owner fields are values, or callables over
    the WSGI environ. A carrier that comes in is followed only where it is signed with the
    configured key, or comes from a peer in ``trust``: networks, or a callable over the environ.
    What ``when``, a callable over it, does not accept is no request.

    With ``cost_header`` (see ``web.asgi``) an answer that the application gives whole, as a list
    or a tuple, has its cost in its headers; one that is made piece by piece has not.
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

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Serve one request."""
        if not self._door.is_for(environ):
            return self.app(environ, start_response)
        headers = {
            name.removeprefix("HTTP_"): value
            for name, value in environ.items()
            if name.startswith("HTTP_")
        }
        title = f"{environ.get('REQUEST_METHOD', 'GET')} {environ.get('PATH_INFO', '/')}"
        request = self._door.opened(environ, headers, environ.get("REMOTE_ADDR"), title)
        request.open(None)
        start = start_response if self._shown is None else _Start(start_response)
        try:
            with attached(request):
                answer = self.app(environ, start)
            if self._shown is not None and isinstance(start, _Start):
                is_whole = isinstance(answer, list | tuple)
                start.go_on(cost_headers(request, self._shown) if is_whole else [])
        except BaseException as error:
            request.close(error)
            raise
        return _Answer(answer, request)


class _Start:
    """Holds back the head of an answer until the application has given the answer."""

    def __init__(self, start_response: Callable[..., Any]) -> None:
        self._start = start_response
        self._given: tuple[Any, ...] | None = None
        self._holds = True
        self._write: Callable[[bytes], object] | None = None

    def __call__(self, status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
        """``start_response``, whose ``write`` sends the head first."""
        if not self._holds:
            return self._start(status, headers, *error)
        self._given = (status, headers, *error)
        return self._written

    def _written(self, data: bytes) -> object:
        self.go_on([])
        return self._write(data) if self._write is not None else None

    def go_on(self, more: list[tuple[str, str]]) -> None:
        """Send the head, with more headers, and hold back no longer."""
        self._holds = False
        if self._given is not None:
            status, headers, *error = self._given
            self._given = None
            self._write = self._start(status, [*headers, *more], *error)


class _Answer:
    """The application's answer, each piece made with the request open and none in between."""

    def __init__(self, answer: Iterable[bytes], request: Scope) -> None:
        self._answer = answer
        self._request = request
        self._pieces: Iterator[bytes] | None = None

    def __iter__(self) -> "_Answer":
        return self

    def __next__(self) -> bytes:
        try:
            with attached(self._request):
                if self._pieces is None:
                    self._pieces = iter(self._answer)
                return next(self._pieces)
        except StopIteration:
            raise
        except BaseException as error:
            self._request.close(error)
            raise

    def close(self) -> None:
        """The server is done with the answer, or has given up on it."""
        try:
            close = getattr(self._answer, "close", None)
            if close is not None:
                with attached(self._request):
                    close()
        except BaseException as error:
            self._request.close(error)
            raise
        finally:
            self._request.close()
