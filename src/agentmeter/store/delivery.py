"""One OTLP/HTTP endpoint: a body in, what the collector said of it out.

Over the standard library's own connections, which no instrumentation of HTTP clients reports on:
what is sent about the work must not become work that is reported.
"""

import http.client
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import SplitResult, urlsplit

from agentmeter.exceptions import ConfigurationError
from agentmeter.store.protobuf import partial_success

TRACES = "/v1/traces"
_AGAIN = (408, 429, 502, 503, 504)
"""What OTLP says may be sent again."""
_TOO_LARGE = 413
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[!-~\xa1-\xff]([ \t!-~\xa0-\xff]*[!-~\xa1-\xff])?|")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one attempt.

    ``refused`` is how many spans were not taken, ``None`` for all of them; ``again`` whether it is
    to be tried again, ``after`` so many seconds where the collector says so.
    """

    refused: int | None = 0
    said: str = ""
    again: bool = False
    after: float | None = None
    too_large: bool = False
    error: BaseException | None = None


class Collector:
    """A collector's endpoint for traces, with one connection that is kept."""

    def __init__(
        self, endpoint: str, headers: Mapping[str, str] | None = None, timeout: float = 10.0
    ) -> None:
        """Raises ``ConfigurationError`` for an address or headers that cannot be used;
        what may be a secret is not repeated in it.
        """
        parts, self._host, self._port = _address(endpoint)
        self._secure = parts.scheme == "https"
        path = parts.path.rstrip("/")
        self._path = path if path.endswith(TRACES) else path + TRACES
        self._headers = {
            **_checked(headers or {}),
            "Content-Type": "application/x-protobuf",
            "Content-Encoding": "gzip",
        }
        self._timeout = timeout
        self._connection: http.client.HTTPConnection | None = None

    def anew(self) -> None:
        """Forget a connection that is another process's."""
        self._connection = None

    def close(self) -> None:
        """Let go of the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def send(self, body: bytes) -> Answer:
        """One attempt. Never raises for what the network or the collector does."""
        try:
            return self._sent(body)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            return Answer(None, again=True, error=error)

    def _sent(self, body: bytes) -> Answer:
        connection = self._connected()
        connection.request("POST", self._path, body, self._headers)
        response = connection.getresponse()
        said = response.read()
        if response.will_close:
            self.close()
        if 200 <= response.status < 300:
            refused, why = partial_success(said, response.headers.get_content_type())
            return Answer(refused, why)
        again = response.status in _AGAIN
        after = _seconds(response.headers.get("Retry-After")) if again else None
        large = response.status == _TOO_LARGE
        return Answer(None, f"HTTP {response.status}", again, after, large)

    def _connected(self) -> http.client.HTTPConnection:
        if self._connection is None:
            if self._secure:
                context = ssl.create_default_context()
                self._connection = http.client.HTTPSConnection(
                    self._host, self._port, timeout=self._timeout, context=context
                )
            else:
                self._connection = http.client.HTTPConnection(
                    self._host, self._port, timeout=self._timeout
                )
        return self._connection


def _address(endpoint: str) -> tuple[SplitResult, str, int | None]:
    expected = "expected an address such as http://host:4318 or https://host/path"
    try:
        parts = urlsplit(endpoint)
        port, host = parts.port, parts.hostname
    except (AttributeError, ValueError) as error:
        raise ConfigurationError(expected) from error
    if "@" in parts.netloc:
        raise ConfigurationError(
            f"{expected}, without a password; send it as a header (otlp_headers, otlp_token)"
        )
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigurationError(f"{expected}, got {endpoint!r:.80}")
    return parts, host, port


def _checked(headers: Mapping[str, str]) -> Mapping[str, str]:
    for name, value in headers.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ConfigurationError(f"headers: {name!r:.60} is no name of a header")
        if not isinstance(value, str) or not _VALUE.fullmatch(value):
            raise ConfigurationError(
                f"headers: the value of {name} is no text that a header can hold: one line of "
                "Latin letters, digits and signs, without blanks around it"
            )
    return headers


def _seconds(after: str | None) -> float | None:
    """``Retry-After`` as seconds from now: a number, or a date."""
    if after is None:
        return None
    try:
        return max(0.0, float(after))
    except ValueError:
        pass
    try:
        from datetime import UTC, datetime

        return max(0.0, (parsedate_to_datetime(after) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None
