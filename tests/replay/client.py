"""What the replayer knows of a client library."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from tests.replay.cassettes import Exchange

Truth = tuple[int, int, int, int, int]
"""Input, cached, written to the cache, output and reasoning tokens."""


def named(method: Callable[..., Any], exchange: Exchange) -> dict[str, Any]:
    """The body as arguments; what this version of the client has no argument for goes beside."""
    body = exchange.asked or {}
    known = inspect.signature(method).parameters
    extra = {name: value for name, value in body.items() if name not in known}
    given = {name: value for name, value in body.items() if name in known}
    return {**given, "extra_body": extra} if extra and "extra_body" in known else given


@dataclass(frozen=True, slots=True)
class Client:
    """One library: what it answers for, how it is made to ask, and how its bodies are read."""

    methods: Mapping[str, Callable[[Any, Exchange], Callable[..., Any]]]
    """By the end of the path: the method that sends such a request."""
    make: Callable[[str, Exchange, Any], Any]
    """A client for a base URL, whose requests a transport answers with the exchange."""
    truth: Callable[[Mapping[str, Any], dict[str, Any]], dict[str, Any]]
    """The usage said so far, with that of one more document."""
    counted: Callable[[Mapping[str, Any]], Truth]
    sends: str | None = None
    """The module that says whether it sends by httpx or by httpx2; ``None`` for neither."""
    host: str = ""
    """What is in the host, where the paths are those of another's protocol."""
    arguments: Callable[[Callable[..., Any], Exchange], dict[str, Any]] = named
    """A recorded request as the method's arguments."""
    around: Callable[[Exchange], Mapping[str, Any]] = lambda _: {}
    """What the header of the answer says beside its body."""


def transport(client: Client, exchange: Exchange) -> Any:
    """An HTTP client that answers everything with the recorded answer; it asks nobody."""
    if client.sends is None:
        return None
    source = inspect.getsource(import_module(client.sends))
    http = import_module("httpx2" if "import httpx2" in source else "httpx")

    def answer(_: Any) -> Any:
        headers = {"content-type": exchange.kind}
        return http.Response(exchange.status, headers=headers, content=exchange.answer)

    return http.Client(transport=http.MockTransport(answer))
