"""Tables as CSV (RFC 4180, UTF-8)."""

import csv
import io
from collections.abc import Iterator
from typing import Any

from agentmeter.report.flat import Table

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_BOOLEANS = {True: "true", False: "false"}


def csv_lines(table: Table) -> Iterator[str]:
    """The header and a line for each row; what is not known is empty.

    A name that a spreadsheet would take for a formula has an apostrophe before it: names come
    from outside, and a formula may send what stands beside it elsewhere. Amounts are never so
    marked.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    amounts = {name for name in table.columns if name in ("cost", "waste", "allocated")}
    for row in (table.columns, *table.rows):
        writer.writerow(
            _cell(value, exact=name in amounts)
            for name, value in zip(table.columns, row, strict=True)
        )
        yield text.getvalue()
        text.seek(0)
        text.truncate()


def _cell(value: Any, *, exact: bool) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return _BOOLEANS[value]
    cell = str(value)
    is_name = isinstance(value, str) and not (exact and cell[1:2].isdigit())
    return f"'{cell}" if is_name and cell.startswith(_FORMULA) else cell
