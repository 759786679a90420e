"""Rows of text as a table."""

from collections.abc import Sequence


def table(rows: Sequence[tuple[str, ...]], right: tuple[int, ...]) -> str:
    """The rows in columns two spaces apart, those of ``right`` flush right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
