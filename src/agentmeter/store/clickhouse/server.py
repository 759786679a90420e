"""Questions to a ClickHouse server, through ``clickhouse-connect``.

What a question needs to know besides the table goes along with it as external data, so that
nothing is ever written to the server and the right to read the table is enough.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

import orjson

from agentmeter.exceptions import SourceError
from agentmeter.store.clickhouse.address import Address

_NAMED = re.compile(r"\$(\w+)")
_TYPES = {int: "Int64", str: "String"}


@dataclass(frozen=True, slots=True)
class Told:
    """A small table that goes along with a question: columns by type, and its rows."""

    columns: Mapping[str, str]
    rows: Sequence[Mapping[str, Any]]

    @property
    def data(self) -> bytes:
        """The rows as JSON lines."""
        return b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in self.rows)

    @property
    def structure(self) -> str:
        """The columns, as ClickHouse wants to be told."""
        return ", ".join(f"`{name}` {kind}" for name, kind in self.columns.items())


Row = tuple[Any, ...]


class Server(Protocol):
    """Whatever runs ClickHouse's SQL. Raises ``SourceError`` where it cannot."""

    def rows(
        self,
        sql: str,
        values: Mapping[str, Any] | None = None,
        told: Mapping[str, Told] | None = None,
    ) -> list[Row]:
        """All rows of an answer; ``$name`` stands for a value, and ``told`` for further tables."""

    def stream(
        self,
        sql: str,
        values: Mapping[str, Any] | None = None,
        told: Mapping[str, Told] | None = None,
    ) -> Iterator[Row]:
        """The rows of an answer as they come."""


class HTTPServer:
    """A server asked over its HTTP interface; a context manager."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._client: Any = None

    def __enter__(self) -> Self:
        try:
            import clickhouse_connect
        except ModuleNotFoundError as error:
            raise SourceError(
                f"{self.address}: needs {error.name}: pip install 'agentmeter-otel[clickhouse]'"
            ) from error
        where = self.address
        with self._told("cannot be reached"):
            self._client = clickhouse_connect.get_client(
                host=where.host,
                port=where.port,
                username=where.user,
                password=where.password,
                database=where.database,
                secure=where.secure,
                autogenerate_session_id=False,
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._client is not None:
            self._client.close()

    def rows(
        self,
        sql: str,
        values: Mapping[str, Any] | None = None,
        told: Mapping[str, Told] | None = None,
    ) -> list[Row]:
        """All rows of an answer."""
        with self._told("has not answered"):
            answer = self._client.query(
                bound(sql, values or {}),
                parameters=dict(values or {}) or None,
                external_data=_external(told or {}),
            )
            return [tuple(row) for row in answer.result_rows]

    def stream(
        self,
        sql: str,
        values: Mapping[str, Any] | None = None,
        told: Mapping[str, Told] | None = None,
    ) -> Iterator[Row]:
        """The rows of an answer as they come, a block at a time."""
        with (
            self._told("went away in the middle of an answer"),
            self._client.query_row_block_stream(
                bound(sql, values or {}),
                parameters=dict(values or {}) or None,
                external_data=_external(told or {}),
            ) as blocks,
        ):
            for block in blocks:
                yield from map(tuple, block)

    @contextmanager
    def _told(self, happened: str) -> Iterator[None]:
        """What goes wrong in between, as an error that names the server."""
        from clickhouse_connect.driver.exceptions import Error
        from urllib3.exceptions import HTTPError

        try:
            yield
        except (Error, HTTPError, OSError, EOFError) as error:
            said = _first_line(error)
            raise SourceError(
                f"{self.address}: the server {happened}: {said}; nothing is shown of what it did "
                "answer, run it again"
            ) from error


def bound(sql: str, values: Mapping[str, Any]) -> str:
    """SQL with each ``$name`` as ClickHouse writes a value that is sent beside the question."""

    def spelled(found: re.Match[str]) -> str:
        name = found[1]
        return f"{{{name}:{_TYPES[type(values[name])]}}}" if name in values else found[0]

    return _NAMED.sub(spelled, sql)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]:.300}" if lines else type(error).__name__


def _external(told: Mapping[str, Told]) -> Any:
    if not told:
        return None
    from clickhouse_connect.driver.external import ExternalData

    data = ExternalData()
    for name, one in told.items():
        data.add_file(file_name=name, data=one.data, fmt="JSONEachRow", structure=one.structure)
    return data
