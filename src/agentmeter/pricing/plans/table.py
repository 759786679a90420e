"""One table of plans in TOML, which knows the line that it begins at and the tables within it."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any, NoReturn, Protocol

from agentmeter.exceptions import PlanError
from agentmeter.pricing.plans.units import places_of
from agentmeter.pricing.tables import TableReader

_LARGEST = 10**15
_FINEST = 15
"""Digits before and behind the point of a number in a plan: their products are still exact."""
_HEADER = re.compile(r"\s*\[\[?\s*([\w.\- ]+?)\s*\]\]?\s*(#.*)?$")


class Models(Protocol):
    """The models that a plan may name; patterns are in lower case."""

    def has(self, pattern: str) -> bool:
        """Whether a name or pattern means one of them."""

    def nearest(self, pattern: str) -> str | None:
        """The name that was perhaps meant."""


class PlanReader(TableReader):
    """Reads tables of tables: ``[[plan.charge]]`` belongs to the ``[[plan]]`` above it.

    A model that is none of ``models`` is refused, where those are known, unless the document says
    that it is one of its ``own``.
    """

    error = PlanError
    models: Models | None = None
    own: tuple[str, ...] = ()

    def knows(self, pattern: str) -> bool:
        """Whether a pattern means a model that there is."""
        own = any(fnmatchcase(pattern, one) or fnmatchcase(one, pattern) for one in self.own)
        return self.models is None or pattern == "*" or own or self.models.has(pattern)

    def headers(self, path: str, within: str, line: int) -> Iterator[int]:
        """The lines of the headers called ``path`` in the table ``within`` that is at ``line``."""
        for number, text in enumerate(self._lines[line:], line + 1):
            found = _HEADER.match(text)
            name = found[1].replace(" ", "") if found else None
            if name == path:
                yield number
            elif name is not None and within and not name.startswith(f"{within}."):
                return


@dataclass(frozen=True, slots=True)
class Table:
    """A table, and the line at which it begins; 0 for the document itself.

    The reading methods give ``None`` for a field that is not there, and raise ``PlanError`` with
    file, line and field for one that is of another kind.
    """

    reader: PlanReader
    path: str
    line: int
    data: Mapping[str, Any]

    @classmethod
    def parsed(cls, text: str, source: str, models: Models | None = None) -> "Table":
        """The document as its topmost table, with the ``models`` that it may name."""
        reader, data = PlanReader.of_text(text, source)
        reader.models = models
        top = cls(reader, "", 0, data)
        reader.own = tuple(one.lower() for one in top.texts("models"))
        return top

    def inside(self, field: str, data: Mapping[str, Any]) -> "Table":
        """The one table ``[field]`` with what it holds."""
        line = next(self.reader.headers(field, self.path, self.line), self.line)
        return Table(self.reader, field, line, data)

    def tables(self, field: str) -> "Iterator[Table]":
        """The tables of an array, ``[[field]]`` or inline, each with its line."""
        path = f"{self.path}.{field}".lstrip(".")
        values = self.data.get(field, [])
        if not isinstance(values, list) or not all(isinstance(one, dict) for one in values):
            self.fail(field, f"write [[{path}]] with two brackets above each of them")
        starts = list(self.reader.headers(path, self.path, self.line))
        for index, data in enumerate(values):
            line = starts[index] if index < len(starts) else self.line
            yield Table(self.reader, path, line, data)

    def known(self, *fields: str) -> None:
        """Complain of a field that is none of these."""
        self.reader.only(self.data, fields, self.line)

    def text(self, field: str) -> str | None:
        """A text that is not empty."""
        value = self.reader.text(self.data, field, self.line)
        if value is not None and not value.strip():
            self.fail(field, f"expected text, got {value!r}")
        return value

    def glob(self, field: str) -> str | None:
        """A pattern of ``*``, ``?`` and ``[…]``."""
        value = self.text(field)
        if value is not None and value.count("[") != value.count("]"):
            self.fail(field, f"the pattern {value!r} has a bracket that is not closed")
        return value

    def texts(self, field: str) -> tuple[str, ...]:
        """A list of texts; none where it is not there."""
        values = self.data.get(field, [])
        if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
            self.fail(field, f"expected a list of texts such as ['my-model*'], got {values!r}")
        return tuple(values)

    def model(self, field: str) -> str:
        """A pattern of models in lower case; ``*`` where it is not there."""
        pattern = (self.glob(field) or "*").lower()
        models = self.reader.models
        if models is not None and not self.reader.knows(pattern):
            near = models.nearest(pattern)
            hint = f"; did you mean {near!r}?" if near else "."
            self.fail(
                field,
                f"no model that has a price matches {pattern!r}{hint} "
                f'One of your own is named at the top of the file: models = ["{pattern}"]',
            )
        return pattern

    def choice(self, field: str, options: Iterable[str]) -> str | None:
        """One of some words."""
        if field not in self.data:
            return None
        return self.reader.one_of(self.data, field, self.line, list(options), "")

    def flag(self, field: str) -> bool | None:
        """``true`` or ``false``."""
        value = self.data.get(field)
        if value is not None and not isinstance(value, bool):
            self.fail(field, f"expected true or false, got {value!r}")
        return value

    def whole(self, field: str) -> int | None:
        """A count."""
        count = self.reader.whole(self.data, field, self.line)
        if count is not None:
            self._fits(field, Decimal(count))
        return count

    def number(self, field: str) -> Decimal | None:
        """An exact number, not negative: text or a whole number."""
        value = self.data.get(field)
        if value is None:
            return None
        amount = self.reader.number(field, value, self.line, "0.5")
        if amount < 0:
            self.fail(field, f"cannot be negative, got {value!r}")
        self._fits(field, amount)
        return amount

    def _fits(self, field: str, number: Decimal) -> None:
        if number >= _LARGEST or places_of(number) > _FINEST:
            self.fail(field, "expected a number below 10^15, with 15 decimal places at most")

    def day(self, field: str) -> date | None:
        """A date."""
        value = self.data.get(field)
        if value is not None and (not isinstance(value, date) or isinstance(value, datetime)):
            self.fail(field, f"expected a date such as 2026-01-01, got {value!r}")
        return value

    def currency(self, field: str, default: str) -> str:
        """A currency code."""
        return self.reader.currency(self.data, field, self.line, default)

    def fail(self, field: str, problem: str) -> NoReturn:
        """Complain of a field."""
        self.reader.fail(self.line, field, problem)
