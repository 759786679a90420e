"""TOML tables with the lines they stand at: what every file that a user writes is read by."""

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn, Self

from agentmeter.exceptions import ConfigurationError, MoneyError
from agentmeter.model.money import exact

_POWER_OF_TEN = re.compile("10*")


class TableReader:
    """Reads ``[[…]]`` tables. Every error names file, line and field, and says what to do."""

    error: type[ConfigurationError] = ConfigurationError

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self._lines = text.splitlines()

    @classmethod
    def of_file(cls, path: str | Path) -> tuple[Self, dict[str, Any]]:
        """The reader of a file, and what the file holds."""
        try:
            text = Path(path).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise cls.error(f"{path}: cannot be read as text: {error}") from error
        return cls.of_text(text, str(path))

    @classmethod
    def of_text(cls, text: str, name: str) -> tuple[Self, dict[str, Any]]:
        """The reader of a text, and what the text holds; ``name`` stands in the messages."""
        try:
            data = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            at = re.search(r"line (\d+)", str(error))
            line = int(at[1]) if at else len(text.splitlines())
            raise cls.error(f"{name}, line {line}: not TOML: {error}") from error
        return cls(name, text), data

    def only(self, data: Mapping[str, Any], known: Iterable[str], line: int = 0) -> None:
        """Refuse a field that is not known, with the nearest that is."""
        for field in data:
            if field not in known:
                self.fail(line, field, f"unknown field{nearest(field, known)}")

    def tables(self, data: Mapping[str, Any], kind: str) -> list[tuple[int, dict[str, Any]]]:
        """The tables of a kind, each with the line that it begins at."""
        tables = data.get(kind, [])
        if not isinstance(tables, list) or not all(isinstance(one, dict) for one in tables):
            self.fail(0, kind, f"write [[{kind}]] with two brackets above each table")
        head = re.compile(rf"\s*\[\[\s*{kind}\s*\]\]")
        starts = [number for number, line in enumerate(self._lines, 1) if head.match(line)]
        return [
            (starts[index] if index < len(starts) else 1, table)
            for index, table in enumerate(tables)
        ]

    def text(self, table: Mapping[str, Any], field: str, line: int) -> str | None:
        """A text, or ``None`` where the field is absent."""
        value = table.get(field)
        if value is not None and not isinstance(value, str):
            self.fail(line, field, f"expected text, got {value!r}")
        return value

    def needed(self, table: Mapping[str, Any], field: str, line: int, example: str) -> str:
        """A text that cannot be left out."""
        value = self.text(table, field, line)
        if not value:
            self.fail(line, field, f"a text such as {example!r} is needed")
        return value

    def one_of(
        self, table: Mapping[str, Any], field: str, line: int, known: Iterable[str], default: str
    ) -> str:
        """One of the words that are known."""
        value = table.get(field, default)
        if value not in known:
            self.fail(line, field, f"expected one of {', '.join(known)}, got {value!r}")
        return str(value)

    def currency(self, table: Mapping[str, Any], field: str, line: int, default: str) -> str:
        """A currency code: three capitals."""
        currency = table.get(field, default)
        if not isinstance(currency, str) or not re.fullmatch("[A-Z]{3}", currency):
            self.fail(line, field, f"expected a code such as 'USD', got {currency!r}")
        return currency

    def whole(self, table: Mapping[str, Any], field: str, line: int) -> int | None:
        """A count, or ``None`` where the field is absent."""
        value = table.get(field)
        if value is not None and (
            isinstance(value, bool) or not isinstance(value, int) or value < 0
        ):
            self.fail(line, field, f"expected a count, got {value!r}")
        return value

    def instant(self, table: Mapping[str, Any], field: str, line: int) -> int | None:
        """A date or date-time in ns since the epoch; UTC where it names no zone."""
        value = table.get(field)
        if value is None:
            return None
        if not isinstance(value, date):
            self.fail(line, field, f"expected a date such as 2026-01-01, got {value!r}")
        at = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day)
        at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
        since = at - datetime(1970, 1, 1, tzinfo=UTC)
        return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1000

    def period(self, table: Mapping[str, Any], line: int) -> tuple[int | None, int | None]:
        """``from`` and ``until``, in order where both are given."""
        from_ns, until_ns = self.instant(table, "from", line), self.instant(table, "until", line)
        if from_ns is not None and until_ns is not None and from_ns >= until_ns:
            self.fail(line, "until", "must be later than 'from'; it is the first moment after")
        return from_ns, until_ns

    def tens(self, table: Mapping[str, Any], line: int, default: int) -> int:
        """How many units a price is for, as a power of ten: 6 for a million."""
        per = table.get("per", default)
        power = isinstance(per, int) and not isinstance(per, bool)
        if not power or not _POWER_OF_TEN.fullmatch(str(per)):
            self.fail(line, "per", f"expected a power of ten such as 1_000_000, got {per!r}")
        return len(str(per)) - 1

    def price(self, field: str, value: object, line: int, example: str = "1.25") -> Decimal:
        """An exact price, not negative."""
        amount = self.number(field, value, line, example)
        if amount < 0:
            self.fail(line, field, f"a price cannot be negative, got {value!r}")
        return amount

    def number(self, field: str, value: object, line: int, example: str) -> Decimal:
        """An exact number: text or an integer, never a float."""
        if isinstance(value, float):
            self.fail(line, field, f'{value} is a binary fraction; write it as text: "{value}"')
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            what = "a price" if example == "1.25" else "a number"
            self.fail(line, field, f"expected {what} such as '{example}', got {value!r}")
        try:
            return exact(value, field)
        except MoneyError as error:
            self.fail(line, field, str(error).removeprefix(f"{field}: "))

    def fail(self, line: int, field: str, problem: str) -> NoReturn:
        """Raise the error that names file, line and field."""
        at = self._line_of(line, field)
        raise self.error(f"{self.name}, line {at}: {field}: {problem}")

    def _line_of(self, table: int, field: str) -> int:
        """The line of a field in the table that begins at line ``table``, else that line."""
        for number, text in enumerate(self._lines[table:], table + 1):
            if text.strip().startswith("[["):
                break
            if re.match(rf"\s*[\"']?{re.escape(field)}[\"']?\s*[=.]", text):
                return number
        return max(table, 1)


def nearest(field: str, names: Iterable[str]) -> str:
    """A hint at the name that was meant, or what to do with one that means nothing."""
    near = difflib.get_close_matches(field, list(names), n=1)
    return f"; did you mean {near[0]!r}?" if near else "; remove it"


def overlap(one: tuple[int | None, int | None], other: tuple[int | None, int | None]) -> bool:
    """Whether two periods, each with an exclusive end, have a moment in common."""
    return all(
        start is None or end is None or start < end
        for start, end in ((one[0], other[1]), (other[0], one[1]))
    )
