"""ClickHouse's HTTP interface in front of its own engine in process (``chdb``), on loopback.

As much of the interface as clients and collectors use: a query in the URL or in the body, values
(``param_…``), external data as a multipart form, rows to insert after the query. The engine is the
real one; the server around it is this. ``cut_after`` ends a connection in the middle of an answer.
"""

import email
import email.policy
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from chdb.session import Session

HERE = Path(__file__).parent
TABLES = {"otel_traces": "map", "otel_traces_json": "json"}


class Engine:
    """One engine per process, which is all that there can be."""

    def __init__(self, folder: Path) -> None:
        self._session = Session(str(folder / "data"))
        self._spool = folder / "spool"
        self._spool.mkdir()
        self._lock = threading.Lock()
        self.asked: list[str] = []

    def close(self) -> None:
        """Put the engine away; one that is left open takes the process with it as that ends."""
        with self._lock:
            self._session.close()

    def run(self, sql: str, given: dict[str, str] | None = None, form: str = "TSV") -> bytes:
        with self._lock:
            for name, value in (given or {}).items():
                self._session.query(f"SET {name} = {_quoted(value)}")
            answer = self._session.query(sql, form)
            return bytes(answer.bytes())

    def create(self, database: str, table: str = "otel_traces") -> None:
        """A table of the collector's, empty."""
        self.run(f"DROP TABLE IF EXISTS {database}.{table}") if self._has(database) else None
        self.run(f"CREATE DATABASE IF NOT EXISTS {database}")
        ddl = (HERE / f"{table}.sql").read_text()
        self.run(ddl.replace("{database}", database).replace("{table}", table))

    def _has(self, database: str) -> bool:
        return b"1" in self.run(f"SELECT count() FROM system.databases WHERE name = '{database}'")

    def answer(self, sql: str, asked: dict[str, str], body: bytes, kind: str) -> bytes:
        """One request of the HTTP interface."""
        self.asked.append(sql)
        if asked.get("database"):
            self.run(f"USE {asked['database']}")
        values = {name: value for name, value in asked.items() if name.startswith("param_")}
        form = asked.get("default_format", "TabSeparated")
        if kind.startswith("multipart/form-data"):
            return self._with_tables(sql, asked, values, _parts(body, kind), form)
        if body and sql.lstrip()[:6].upper() == "INSERT":
            return self._insert(sql, body)
        return self.run(sql, values, form)

    def _with_tables(
        self,
        sql: str,
        asked: dict[str, str],
        values: dict[str, str],
        parts: dict[str, bytes],
        form: str,
    ) -> bytes:
        with self._lock:
            for name, data in parts.items():
                self._session.query(f"DROP TABLE IF EXISTS {name}")
                self._session.query(f"CREATE TEMPORARY TABLE {name} ({asked[f'{name}_structure']})")
                if data:
                    self._load(name, asked[f"{name}_format"], asked[f"{name}_structure"], data)
        try:
            return self.run(sql, values, form)
        finally:
            for name in parts:
                self.run(f"DROP TABLE IF EXISTS {name}")

    def _load(self, name: str, form: str, structure: str, data: bytes) -> None:
        file = self._spool / os.urandom(6).hex()
        file.write_bytes(data)
        try:
            self._session.query(
                f"INSERT INTO {name} SELECT * FROM file('{file}', {form}, {_quoted(structure)})"
            )
        finally:
            file.unlink()

    def _insert(self, sql: str, body: bytes) -> bytes:
        head, _, form = sql.rpartition("FORMAT")
        target = head.strip().split(None, 2)[2]
        table, _, columns = target.partition("(")
        names = [one.strip() for one in columns.rstrip(") \n").split(",") if one.strip()]
        kinds = dict(
            line.split("\t")[:2] for line in self.run(f"DESCRIBE {table}").decode().splitlines()
        )
        structure = ", ".join(f"`{name}` {_plain(kinds[name.strip('`')])}" for name in names)
        structure = structure.replace("``", "`")
        with self._lock:
            self._load(f"{table} ({', '.join(names)})", form.split()[0], structure, body)
        return b""


def _plain(kind: str) -> str:
    return kind.replace("\\'", "'")


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _parts(body: bytes, kind: str) -> dict[str, bytes]:
    message: Any = email.message_from_bytes(
        f"Content-Type: {kind}\r\n\r\n".encode() + body, policy=email.policy.HTTP
    )
    return {
        part.get_param("name", header="content-disposition"): part.get_payload(decode=True) or b""
        for part in message.iter_parts()
    }


class Front(ThreadingHTTPServer):
    """The interface of an engine; a context manager that listens while it is open."""

    daemon_threads = True

    def __init__(self, engine: Engine) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.engine = engine
        self.cut_after: int | None = None
        self.cut_where = ""

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def __enter__(self) -> "Front":
        self._thread = threading.Thread(target=self.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: Front
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self._body())

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        data = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return data

    def _answer(self, body: bytes) -> None:
        asked = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        sql = asked.pop("query", "")
        if not sql:
            if not body:
                return self._send(200, b"Ok.\n")
            sql, body = body.decode(), b""
        try:
            found = self.server.engine.answer(sql, asked, body, self.headers.get_content_type()
                if not self.headers.get("Content-Type", "").startswith("multipart")
                else self.headers["Content-Type"])  # fmt: skip
        except Exception as error:
            return self._send(500, str(error).encode())
        return self._send(200, found, sql)

    def _send(self, status: int, data: bytes, sql: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(len(data)))
        if status == 500:
            self.send_header("X-ClickHouse-Exception-Code", "1")
        self.end_headers()
        cut = self.server.cut_after
        if cut is not None and self.server.cut_where in sql and len(data) > cut:
            self.wfile.write(data[:cut])
            self.wfile.flush()
            self.connection.close()
            self.close_connection = True
            return
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Quiet."""
