"""A rate card of one's own: TOML tables over the catalog.

currency = "USD"

[[rate]]
provider = "openai"          # optional; any provider where left out
model = "gpt-5*"             # a glob; the most specific pattern that matches wins
tier = "flex"                # optional
per = 1_000_000              # how many units a price is for; a power of ten
from = 2026-01-01            # optional; a date or date-time, UTC where no zone is given
until = 2027-01-01           # optional, exclusive
above = 200_000              # optional: total input strictly above
input = "1.25"               # prices are strings or integers, so that they stay exact
output = "10"
source = "contract 2026-04"  # optional
"""

import difflib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NoReturn, Self

from agentmeter.exceptions import MoneyError, RateCardError
from agentmeter.model.meters import METERS
from agentmeter.model.money import exact
from agentmeter.pricing.tariff import PriceKey, Rate, Tariff, Unpriced

_CONDITIONS = ("provider", "model", "tier", "per", "from", "until", "above", "source")


@dataclass(frozen=True, slots=True)
class _Row:
    provider: str | None
    model: str
    tier: str | None
    line: int
    rates: tuple[Rate, ...]


class RateCard:
    """A pricer that answers from a rate card, and ``Unpriced`` for what is not on it."""

    def __init__(self, name: str, currency: str, rows: tuple[_Row, ...]) -> None:
        self._name = name
        self._currency = currency
        self._rows = rows

    @classmethod
    def from_file(cls, path: str | Path) -> Self:
        """Read a card. Raises ``RateCardError`` that names file, line and field."""
        try:
            text = Path(path).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise RateCardError(f"{path}: cannot be read as text: {error}") from error
        return cls.from_text(text, str(path))

    @classmethod
    def from_text(cls, text: str, name: str = "rate card") -> Self:
        """Read a card from text; ``name`` stands in its messages and as the rates' source."""
        try:
            data = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise RateCardError(f"{name}: not TOML: {error}") from error
        return cls(name, _currency(data, name), _Reader(name, text).rows(data))

    def tariff(self, key: PriceKey) -> Tariff | Unpriced:
        """The rates whose pattern matches the key's model most closely, meter by meter.

        Of two patterns that are equally close, the one that stands first in the card wins.
        """
        rows = [row for row in self._rows if _matches(row, key)]
        if not rows:
            return Unpriced(f"{self._name} has no rate for {key.model!r}")
        rates: tuple[Rate, ...] = ()
        for place in sorted({_place(row) for row in rows}, reverse=True):
            here = (rate for row in rows if _place(row) == place for rate in row.rates)
            rates = laid_over(rates, here)
        return Tariff(key, self._currency, self._name, with_derived(rates))


def _matches(row: _Row, key: PriceKey) -> bool:
    tier = None if standard(key.tier) else key.tier
    return (
        key.model is not None
        and key.speed is None
        and fnmatchcase(key.model.lower(), row.model)
        and row.provider in (None, canonical(key.provider))
        and row.tier == ("batch" if key.batch else tier)
    )


def _place(row: _Row) -> tuple[bool, int, bool, str, int]:
    """How close a row's pattern is: an exact name, then the longest text, then its provider.

    The line of the pattern's first table sets two different patterns apart.
    """
    exact_name = not any(mark in row.model for mark in "*?[")
    return (exact_name, len(row.model), row.provider is not None, row.model, 0)


def _currency(data: Mapping[str, Any], name: str) -> str:
    currency = data.get("currency", "USD")
    if not isinstance(currency, str) or not re.fullmatch("[A-Z]{3}", currency):
        raise RateCardError(f"{name}: currency: {currency!r} is not a code such as 'USD'")
    for field in data:
        if field not in ("currency", "rate"):
            raise RateCardError(
                f"{name}: unknown field {field!r}; a card has currency and [[rate]]"
            )
    return currency


class _Reader:
    """Reads the ``[[rate]]`` tables, knowing at which lines they stand."""

    def __init__(self, name: str, text: str) -> None:
        self._name = name
        self._lines = text.splitlines()
        self._starts = [
            number
            for number, line in enumerate(self._lines, 1)
            if re.match(r"\s*\[\[\s*rate\s*\]\]", line)
        ]

    def rows(self, data: Mapping[str, Any]) -> tuple[_Row, ...]:
        tables = data.get("rate", [])
        if not isinstance(tables, list):
            raise RateCardError(f"{self._name}: write [[rate]] with two brackets")
        rows = tuple(self._row(index, table) for index, table in enumerate(tables))
        self._refuse_overlaps(rows)
        return rows

    def _row(self, index: int, table: Mapping[str, Any]) -> _Row:
        line = self._starts[index] if index < len(self._starts) else 1
        for field in table:
            self._known(field, line)
        model = table.get("model")
        if not isinstance(model, str):
            self._fail(line, "model", "a text such as 'gpt-5*' is needed")
        shared = {
            "source": str(table.get("source", self._name)),
            "from_ns": self._instant(table, "from", line),
            "until_ns": self._instant(table, "until", line),
            "above": self._whole(table, "above", line),
        }
        scale = self._scale(table, line)
        rates = tuple(
            Rate(meter=field, price=self._price(field, value, line).scaleb(-scale), **shared)
            for field, value in table.items()
            if field not in _CONDITIONS
        )
        if not rates:
            self._fail(line, "rate", "the table has no price, such as input = '1.25'")
        return _Row(
            self._text(table, "provider", line), model, self._text(table, "tier", line), line, rates
        )

    def _known(self, field: str, line: int) -> None:
        if field in _CONDITIONS or field in METERS or "." in field:
            return
        near = difflib.get_close_matches(field, [*METERS, *_CONDITIONS], n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        self._fail(line, field, f"unknown field{hint}")

    def _text(self, table: Mapping[str, Any], field: str, line: int) -> str | None:
        value = table.get(field)
        if value is not None and not isinstance(value, str):
            self._fail(line, field, f"expected text, got {value!r}")
        return value

    def _whole(self, table: Mapping[str, Any], field: str, line: int) -> int | None:
        value = table.get(field)
        if value is not None and (
            isinstance(value, bool) or not isinstance(value, int) or value < 0
        ):
            self._fail(line, field, f"expected a count, got {value!r}")
        return value

    def _instant(self, table: Mapping[str, Any], field: str, line: int) -> int | None:
        value = table.get(field)
        if value is None:
            return None
        if not isinstance(value, date):
            self._fail(line, field, f"expected a date such as 2026-01-01, got {value!r}")
        at = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day)
        at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
        since = at - datetime(1970, 1, 1, tzinfo=UTC)
        return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1000

    def _scale(self, table: Mapping[str, Any], line: int) -> int:
        per = table.get("per", 1_000_000)
        if isinstance(per, bool) or not isinstance(per, int) or not re.fullmatch("10*", str(per)):
            self._fail(line, "per", f"expected a power of ten such as 1_000_000, got {per!r}")
        return len(str(per)) - 1

    def _price(self, field: str, value: object, line: int) -> Decimal:
        if isinstance(value, float):
            self._fail(line, field, f'{value} is a binary fraction; write it as text: "{value}"')
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            self._fail(line, field, f"expected a price such as '1.25', got {value!r}")
        try:
            amount = exact(value, field)
        except MoneyError as error:
            self._fail(line, field, str(error))
        if amount < 0:
            self._fail(line, field, f"a price cannot be negative, got {value!r}")
        return amount

    def _refuse_overlaps(self, rows: tuple[_Row, ...]) -> None:
        seen: dict[tuple[object, ...], list[tuple[_Row, Rate]]] = {}
        for row in rows:
            for rate in row.rates:
                key = (row.provider, row.model, row.tier, rate.meter, rate.above)
                for other, known in seen.setdefault(key, []):
                    if _overlap(rate, known):
                        self._fail(
                            row.line,
                            rate.meter,
                            f"overlaps in time with the rate of line {other.line} for the same model",
                        )
                seen[key].append((row, rate))

    def _fail(self, line: int, field: str, problem: str) -> NoReturn:
        at = line
        for number in range(line, len(self._lines)):
            text = self._lines[number].strip()
            if text.startswith("[["):
                break
            if re.match(rf"[\"']?{re.escape(field)}[\"']?\s*=", text):
                at = number + 1
                break
        raise RateCardError(f"{self._name}, line {at}: {field}: {problem}")


def _overlap(one: Rate, other: Rate) -> bool:
    starts = max(one.from_ns or 0, other.from_ns or 0)
    ends = [end for end in (one.until_ns, other.until_ns) if end is not None]
    return not ends or starts < min(ends)
