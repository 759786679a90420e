"""Tables as Parquet, whose decimals hold every digit. DuckDB writes them (extra ``store``)."""

import tempfile
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson

from agentmeter.exceptions import MoneyError
from agentmeter.model.money import exact, plain
from agentmeter.report.flat import Table

_DIGITS = 38
_TYPES = {bool: "BOOLEAN", int: "BIGINT", str: "VARCHAR"}
_INSTANT = "started_at"
_AMOUNTS = ("cost", "allocated")


def write_table(table: Table, path: Path) -> None:
    """A Parquet file of a flat table; amounts as decimals, instants in UTC, quantities as integers.

    Raises ``MoneyError`` where an amount does not fit into 38 digits beside the finest one.
    """
    amounts = [*_AMOUNTS, *([] if "scope_id" in table.columns else ["waste"])]
    names = [str(name) for name in table.columns]
    columns = list(zip(*table.rows, strict=True)) or [()] * len(names)
    by_name = dict(zip(names, columns, strict=True))
    scale = scale_of(
        exact(text, name) for name in amounts for text in by_name.get(name, ()) if text is not None
    )
    kinds = {
        name: f"DECIMAL({_DIGITS}, {scale})" if name in amounts else _kind(name, values)
        for name, values in by_name.items()
    }
    write_rows(kinds, (dict(zip(names, row, strict=True)) for row in table.rows), path)


def _kind(name: str, values: Iterable[Any]) -> str:
    if name == _INSTANT:
        return "TIMESTAMP"
    found = {type(value) for value in values if value is not None}
    return _TYPES.get(found.pop(), "VARCHAR") if len(found) == 1 else "VARCHAR"


def write_rows(kinds: Mapping[str, str], rows: Iterable[Mapping[str, Any]], path: Path) -> None:
    """Rows as a Parquet file, with a column of each kind; they go by way of JSON lines."""
    import duckdb

    columns = ", ".join(f"{_quoted(name)}: '{kind}'" for name, kind in kinds.items())
    named = ", ".join(_identifier(name) for name in kinds)
    with tempfile.TemporaryDirectory(prefix="agentmeter-") as folder, duckdb.connect() as to:
        lines = Path(folder) / "rows.jsonl"
        longest = 1 << 20
        with lines.open("wb") as file:
            for row in rows:
                line = orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)
                longest = max(longest, len(line))
                file.write(line)
        source = (
            f"read_json({_quoted(str(lines))}, format = 'newline_delimited', "
            f"columns = {{{columns}}}, maximum_object_size = {longest})"
        )
        if not lines.stat().st_size:
            nothing = (f"CAST(NULL AS {kind}) AS {_identifier(one)}" for one, kind in kinds.items())
            source = f"(SELECT {', '.join(nothing)} WHERE false)"
        to.execute(f"COPY (SELECT {named} FROM {source}) TO ? (FORMAT parquet)", [str(path)])


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def scale_of(amounts: Iterable[Decimal]) -> int:
    """The decimals that hold all amounts. Raises ``MoneyError`` where 38 digits do not."""
    texts = {plain(value) for value in amounts}
    scale = max((len(text.partition(".")[2]) for text in texts), default=0)
    for text in texts:
        if len(text.partition(".")[0].lstrip("-")) + scale > _DIGITS:
            raise MoneyError(
                f"{text} does not fit into {_DIGITS} digits beside an amount of {scale} decimals; "
                "write CSV, which has no such limit"
            )
    return scale
