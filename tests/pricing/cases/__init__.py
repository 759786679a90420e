"""The cases: raw usage, conditions and date, with the arithmetic on the rates that a source states.

``expected`` is what ``arithmetic`` amounts to, in decimal; neither comes from the code under test.
"""

import ast
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Context, Decimal
from pathlib import Path
from typing import Any

from agentmeter.report.priced import Served, read_served

_EXACT = Context(prec=80)
_FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Case:
    """One row. ``arithmetic`` and ``expected`` are missing where nothing can be priced."""

    group: str
    name: str
    fields: dict[str, Any]
    source: str
    arithmetic: str | None = None
    expected: str | None = None
    status: str = "priced"
    reason: str | None = None

    @property
    def id(self) -> str:
        return f"{self.group}: {self.name}"

    @property
    def served(self) -> Served:
        return read_served(self.fields, 0)


def cases() -> Iterator[Case]:
    """All cases, file by file."""
    for path in sorted(_FOLDER.glob("*.toml")):
        for row in tomllib.loads(path.read_text("utf-8"))["case"]:
            told = {name: row.pop(name, None) for name in ("arithmetic", "expected", "reason")}
            name, source = row.pop("name"), row.pop("source")
            status = row.pop("status", "priced")
            yield Case(path.stem, name, row, source, status=status, **told)


def worked_out(arithmetic: str) -> Decimal:
    """``(200 * 1.25 + 300 * 10) / 1000000``, in exact decimals."""
    return _value(ast.parse(arithmetic, mode="eval").body, arithmetic)


_OPERATIONS = {
    ast.Add: _EXACT.add,
    ast.Sub: _EXACT.subtract,
    ast.Mult: _EXACT.multiply,
    ast.Div: _EXACT.divide,
}


def _value(node: ast.expr, text: str) -> Decimal:
    if isinstance(node, ast.BinOp):
        return _OPERATIONS[type(node.op)](_value(node.left, text), _value(node.right, text))
    return Decimal(ast.get_source_segment(text, node) or "")
