"""Whom the server answers: looked at before anything of a request's body is read.

A page from elsewhere, opened in a browser on this machine, must neither read costs nor send spans.
Such a page's requests name its origin, which has to be ours; and where it has made a name of its
own point here, they name that as the host, which has to be one that this server goes by. A server
that asks for tokens goes by any name, since a page from elsewhere has none.
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.requests import Request

from agentmeter.serve.refusal import Refusal
from agentmeter.serve.tokens import Token, Tokens

_BASIC = 'Basic realm="agentmeter", charset="UTF-8"'
_ELSEWHERE = ("cross-site", "same-site")
_BEARER = 'Bearer realm="agentmeter"'


def is_loopback(host: str) -> bool:
    """Whether a host is reached from this machine alone."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Guard:
    """Lets a request in or raises ``Refusal``; ``names`` are hosts that it is reached by besides
    those of this machine.
    """

    tokens: Tokens
    names: Iterable[str] = ()

    def sender(self, request: Request) -> str | None:
        """Who sends: the tenant whose all of it is, or ``None`` where the spans say."""
        token = self._let_in(request, _BEARER)
        return token.tenant if token else None

    def reader(self, request: Request) -> None:
        """Let somebody in who wants to see the page."""
        token = self._let_in(request, _BASIC)
        if token is not None and not token.opens_page:
            raise Refusal(403, "this token sends spans; the page opens with one without a tenant")

    def _let_in(self, request: Request, challenge: str) -> Token | None:
        self._check_host(request)
        _check_origin(request)
        if not self.tokens.all:
            return None
        token = self.tokens.of(request.headers.get("authorization", ""))
        if token is None:
            raise Refusal(401, "a token is needed: Authorization: Bearer …", challenge=challenge)
        return token

    def _check_host(self, request: Request) -> None:
        host = _split(f"//{request.headers.get('host', '')}")[1]
        if not self.tokens.all and not is_loopback(host) and host not in self.names:
            raise Refusal(421, f"this server does not go by the name {host!r:.80}; "
                          "ask 127.0.0.1 or localhost")  # fmt: skip


def _check_origin(request: Request) -> None:
    """A browser says where a page is from; other senders say nothing."""
    origin = request.headers.get("origin")
    if origin is not None and _split(origin)[0] != request.headers.get("host"):
        raise Refusal(403, f"a page of {origin!r:.80} may not ask this server")
    follows_link = request.headers.get("sec-fetch-mode") == "navigate" and request.method == "GET"
    if request.headers.get("sec-fetch-site") in _ELSEWHERE and not follows_link:
        raise Refusal(403, "a page of another site may not ask this server")


def _split(address: str) -> tuple[str, str]:
    """Host and port of an address, and the host alone; blank where it is no address."""
    try:
        parts = urlsplit(address)
        return parts.netloc, parts.hostname or ""
    except ValueError:
        return "", ""
