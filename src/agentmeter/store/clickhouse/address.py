"""Where a table of spans is: ``clickhouse://user:password@host:8123/database?table=otel_traces``."""

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

from agentmeter.exceptions import ConfigurationError

SCHEMES = {"clickhouse": False, "clickhouses": True}
"""Scheme → whether the connection is encrypted."""
_PORTS = {False: 8123, True: 8443}
_KNOWN = ("table",)


@dataclass(frozen=True, slots=True)
class Address:
    """The HTTP interface of a server, a database and a table of spans."""

    host: str
    port: int
    user: str = "default"
    password: str = field(default="", repr=False)
    database: str = "default"
    table: str = "otel_traces"
    secure: bool = False

    def __str__(self) -> str:
        """The address without its password."""
        scheme = next(name for name, secure in SCHEMES.items() if secure is self.secure)
        return f"{scheme}://{self.user}@{self.host}:{self.port}/{self.database}?table={self.table}"

    @property
    def relation(self) -> str:
        """The table, for SQL."""
        return f"{backticked(self.database)}.{backticked(self.table)}"


def is_address(source: object) -> bool:
    """Whether a source is such an address, and no file or folder."""
    return str(source).partition("://")[0] in SCHEMES


def address(text: str) -> Address:
    """Read an address. Raises ``ConfigurationError`` that says what is wrong with it."""
    shape = "clickhouse://user@host:8123/database?table=otel_traces"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise ConfigurationError(
            f"{_shown(text)}: cannot be read as an address; write {shape}"
        ) from error
    if parts.scheme not in SCHEMES or not parts.hostname:
        raise ConfigurationError(f"{_shown(text)}: no host; write {shape}")
    asked = dict(parse_qsl(parts.query, keep_blank_values=True))
    strange = [name for name in asked if name not in _KNOWN]
    if strange:
        raise ConfigurationError(f"{_shown(text)}: {strange[0]!r} is not known; write {shape}")
    secure = SCHEMES[parts.scheme]
    return Address(
        parts.hostname,
        port or _PORTS[secure],
        unquote(parts.username or "default"),
        unquote(parts.password or ""),
        unquote(parts.path.strip("/")) or "default",
        asked.get("table") or "otel_traces",
        secure,
    )


def _shown(text: str) -> str:
    """An address without its password, wherever that ends."""
    return repr(re.sub(r"(?<=//)(.*?):.*@", r"\1@", text))


def backticked(name: str) -> str:
    """A name as an identifier of SQL."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def quoted(text: str) -> str:
    """Text as a literal of ClickHouse's SQL."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
