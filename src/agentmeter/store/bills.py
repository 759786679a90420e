"""Bills read from files: CSV (also tab-separated or gzipped), JSON pages, JSON lines, Parquet."""

import csv
import gzip
import io
import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from agentmeter.exceptions import SourceError
from agentmeter.report.reconcile.bill import Bill, Fields, read_rows
from agentmeter.report.reconcile.layouts import detected


def read_bill(path: str | Path) -> Bill:
    """The bill in a file, whose layout is told by its columns.

    Rows that cannot be read are named in ``problems`` and the others kept. Raises ``SourceError``
    for a file that cannot be read, is of no known layout, or holds no readable row.
    """
    file = Path(path)
    try:
        data = file.read_bytes()
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
        rows = list(_rows(file, data))
    except (OSError, UnicodeDecodeError, EOFError, csv.Error) as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(f"{file}: cannot be read: {error}") from error
    columns = frozenset(name for row in rows for name in row.values)
    return read_rows(detected(columns, str(file)), rows, str(file))


def _rows(file: Path, data: bytes) -> Iterator[Fields]:
    if data[:4] == b"PAR1":
        yield from _parquet(file)
    elif data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"["):
        yield from _json(file, data.decode("utf-8-sig"))
    else:
        yield from _csv(file, data.decode("utf-8-sig"))


def _csv(file: Path, text: str) -> Iterator[Fields]:
    head = text.partition("\n")[0]
    reader = csv.DictReader(io.StringIO(text), delimiter="\t" if "\t" in head else ",")
    for row in reader:
        values = {name: value for name, value in row.items() if name is not None}
        yield Fields(values, f"{file}, line {reader.line_num}")


def _parquet(file: Path) -> Iterator[Fields]:
    try:
        import duckdb
    except ModuleNotFoundError as error:
        problem = f"{file}: Parquet needs {error.name}: pip install 'agentmeter-otel[store]'"
        raise SourceError(problem) from error
    with duckdb.connect() as connection:
        try:
            connection.execute("SET TimeZone = 'UTC'")
            found = connection.execute("SELECT * FROM read_parquet(?)", [str(file)])
        except duckdb.Error as error:
            raise SourceError(f"{file}: not Parquet: {error}") from error
        names = [column[0] for column in found.description or ()]
        for number, row in enumerate(found.fetchall(), 1):
            values = dict(zip(names, row, strict=True))
            yield Fields(_flat(values), f"{file}, row {number}")


def _json(file: Path, text: str) -> Iterator[Fields]:
    """The results of every bucket of every page, each with the time of its bucket."""
    for line, page in _pages(file, text):
        items = page.get("data", page) if isinstance(page, dict) else page
        for number, item in enumerate(items if isinstance(items, list) else [items]):
            place = f"{file}, line {line}: data[{number}]"
            if not isinstance(item, dict):
                raise SourceError(f"{place}: expected an object, got {type(item).__name__}")
            results = item.get("results")
            if not isinstance(results, list):
                yield Fields(_flat(item), place)
                continue
            bucket = {name: value for name, value in item.items() if name != "results"}
            for index, result in enumerate(results or [{}]):
                values = {**bucket, **(result if isinstance(result, dict) else {})}
                yield Fields(_flat(values), f"{place}.results[{index}]")


def _pages(file: Path, text: str) -> Iterator[tuple[int, Any]]:
    """One document, or one on each line; numbers with a point stay decimal."""
    try:
        yield 1, json.loads(text, parse_float=Decimal)
        return
    except json.JSONDecodeError as error:
        whole = error
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                yield number, json.loads(line, parse_float=Decimal)
            except json.JSONDecodeError as error:
                at = whole if number == 1 else error
                line_no = at.lineno if number == 1 else number
                problem = f"{file}, line {line_no}, column {at.colno}: not JSON: {at.msg}"
                raise SourceError(problem) from error


def _flat(values: Mapping[str, Any], lead: str = "") -> dict[str, Any]:
    """Objects inside a row as columns of their own: ``amount.value``."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{lead}{name}.")
        else:
            flat[f"{lead}{name}"] = value
    return flat
