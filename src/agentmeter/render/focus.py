"""FOCUS rows as CSV or Parquet. Parquet is written by DuckDB, from the extra ``store``."""

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from agentmeter.model.money import plain
from agentmeter.render.parquet import scale_of
from agentmeter.report.focus import COLUMNS, DECIMAL, INSTANT, FocusRow

_DIGITS = 38
_BATCH = 2048


def csv_lines(rows: Iterable[FocusRow]) -> Iterator[str]:
    """The header and a line for each row; what is not known is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow([_text(value) for value in row.values()])
        yield _taken(text)
    yield _taken(text)


def _taken(text: io.StringIO) -> str:
    value = text.getvalue()
    text.seek(0)
    text.truncate()
    return value


def _text(value: Any) -> str:
    if isinstance(value, Decimal):
        text = plain(value)
        return text if "." in text else f"{text}.0"  # readers guess a column's type from its text
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%SZ}"
    return "" if value is None else str(value)


def write_parquet(rows: Iterable[FocusRow], path: Path) -> None:
    """A Parquet file whose decimals hold every digit, and whose instants are in UTC.

    Raises ``MoneyError`` where an amount does not fit into 38 digits beside the finest one.
    """
    import duckdb

    listed = list(rows)
    amounts = (value for row in listed for value in row.values() if isinstance(value, Decimal))
    scale = scale_of(amounts)
    types = {DECIMAL: f"DECIMAL({_DIGITS}, {scale})", INSTANT: "TIMESTAMPTZ"}
    columns = ", ".join(f'"{name}" {types.get(kind, "VARCHAR")}' for name, kind in COLUMNS.items())
    with duckdb.connect() as connection:
        connection.execute(f"SET TimeZone = 'UTC'; CREATE TABLE focus ({columns})")
        marks = ", ".join("?" * len(COLUMNS))
        for start in range(0, len(listed), _BATCH):
            batch = [[_plain(value) for value in row.values()] for row in listed[start:][:_BATCH]]
            connection.executemany(f"INSERT INTO focus VALUES ({marks})", batch)
        connection.execute("COPY focus TO ? (FORMAT parquet)", [str(path)])


def _plain(value: Any) -> Any:
    return plain(value) if isinstance(value, Decimal) else value
