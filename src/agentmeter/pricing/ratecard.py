"""A rate card of one's own: TOML tables over the catalog.

currency = "USD"

[[rate]]
provider = "openai"          # optional; any provider where left out
model = "gpt-5*"             # a glob; the most specific pattern that matches wins
tier = "flex"                # optional
per = 1_000_000              # units that a price is for, a power of ten; 1 for what is not tokens
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
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NoReturn, Self

from agentmeter.exceptions import MoneyError, RateCardError, UsageError
from agentmeter.model.meters import METERS, meter
from agentmeter.model.money import CONTEXT, exact
from agentmeter.pricing.providers import canonical, standard
from agentmeter.pricing.rows import between, laid_over, with_derived
from agentmeter.pricing.tariff import PriceKey, Rate, Tariff, Unpriced

_TOP = ("currency", "rate")
_CONDITIONS = ("provider", "model", "tier", "per", "from", "until", "above", "source")
_PRICED = tuple(name for name, known in METERS.items() if not known.unsplit)


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
            at = re.search(r"line (\d+)", str(error))
            line = int(at[1]) if at else len(text.splitlines())
            raise RateCardError(f"{name}, line {line}: not TOML: {error}") from error
        reader = _Reader(name, text)
        return cls(name, reader.currency(data), reader.rows(data))

    def tariff(self, key: PriceKey) -> Tariff | Unpriced:
        """The rates whose pattern matches the key's model most closely, meter by meter.

        Of two patterns that are equally close, the one that stands first in the card wins.
        """
        rows = [row for row in self._rows if _matches(row, key)]
        if not rows:
            return Unpriced(f"{self._name} has no rate for {key.model!r}")
        patterns: dict[tuple[str | None, str], tuple[Rate, ...]] = {}
        for row in rows:
            pattern = (row.provider, row.model)
            patterns[pattern] = patterns.get(pattern, ()) + row.rates
        rates: tuple[Rate, ...] = ()
        for pattern in sorted(patterns, key=_closeness, reverse=True):
            rates = laid_over(rates, patterns[pattern])
        return Tariff(key, self._currency, self._name, with_derived(rates))


def _matches(row: _Row, key: PriceKey) -> bool:
    tier = None if key.tier is None or standard(key.tier) else key.tier.lower()
    return (
        key.model is not None
        and standard(key.speed)
        and fnmatchcase(key.model.lower(), row.model)
        and row.provider in (None, canonical(key.provider))
        and row.tier == ("batch" if key.batch else tier)
    )


def _closeness(pattern: tuple[str | None, str]) -> tuple[bool, int, bool]:
    provider, model = pattern
    exact_name = not any(mark in model for mark in "*?[")
    return (exact_name, len(model), provider is not None)


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

    def currency(self, data: Mapping[str, Any]) -> str:
        for field in data:
            if field not in _TOP:
                self._fail(0, field, f"unknown field{_nearest(field, _TOP)}")
        currency = data.get("currency", "USD")
        if not isinstance(currency, str) or not re.fullmatch("[A-Z]{3}", currency):
            self._fail(0, "currency", f"expected a code such as 'USD', got {currency!r}")
        return currency

    def rows(self, data: Mapping[str, Any]) -> tuple[_Row, ...]:
        tables = data.get("rate", [])
        if not isinstance(tables, list) or not all(isinstance(one, dict) for one in tables):
            self._fail(0, "rate", "write [[rate]] with two brackets above each table")
        rows = tuple(self._row(index, table) for index, table in enumerate(tables))
        self._refuse_overlaps(rows)
        return rows

    def _row(self, index: int, table: Mapping[str, Any]) -> _Row:
        line = self._starts[index] if index < len(self._starts) else 1
        for field, value in table.items():
            self._check_name(field, value, line)
        model = self._text(table, "model", line)
        if model is None:
            self._fail(line, "model", "a text such as 'gpt-5*' is needed")
        tier = self._text(table, "tier", line)
        return _Row(
            canonical(self._text(table, "provider", line)),
            model.lower(),
            None if tier is None or standard(tier) else tier.lower(),
            line,
            self._rates(table, line),
        )

    def _rates(self, table: Mapping[str, Any], line: int) -> tuple[Rate, ...]:
        from_ns, until_ns = self._instant(table, "from", line), self._instant(table, "until", line)
        if from_ns is not None and until_ns is not None and from_ns >= until_ns:
            self._fail(line, "until", "must be later than 'from'; it is the first moment after")
        above = self._whole(table, "above", line)
        source = self._text(table, "source", line) or self._name
        rates = tuple(
            Rate(
                meter=field,
                price=CONTEXT.scaleb(
                    self._price(field, value, line), -self._scale(table, field, line)
                ),
                source=source,
                from_ns=from_ns,
                until_ns=until_ns,
                above=above,
            )
            for field, value in table.items()
            if field not in _CONDITIONS
        )
        if not rates:
            self._fail(line, "rate", "the table has no price; add one such as input = '1.25'")
        return rates

    def _check_name(self, field: str, value: object, line: int) -> None:
        if field in _CONDITIONS or field in _PRICED:
            return
        if isinstance(value, dict):
            self._fail(line, field, "unknown table; quote a meter of your own: 'acme.page' = '1'")
        try:
            meter(field)
        except UsageError:
            self._fail(line, field, f"unknown field{_nearest(field, [*_PRICED, *_CONDITIONS])}")
        if field in METERS:
            whole = field.removesuffix("_unsplit")
            self._fail(
                line, field, f"is not priced by itself; price {whole!r}, which it is billed as"
            )

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

    def _scale(self, table: Mapping[str, Any], field: str, line: int) -> int:
        per = table.get("per", 1_000_000 if meter(field).unit == "token" else 1)
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
        seen: dict[tuple[object, ...], list[tuple[int, Rate]]] = {}
        for row in rows:
            for rate in row.rates:
                place = (row.provider, row.model, row.tier, rate.meter, rate.above)
                for line, earlier in seen.setdefault(place, []):
                    if between(rate, earlier.from_ns, earlier.until_ns) is not None:
                        problem = f"overlaps in time with the rate of line {line}"
                        self._fail(
                            row.line, rate.meter, f"{problem}; end one where the other begins"
                        )
                seen[place].append((row.line, rate))

    def _fail(self, line: int, field: str, problem: str) -> NoReturn:
        at = self._line_of(line, field)
        raise RateCardError(f"{self._name}, line {at}: {field}: {problem}")

    def _line_of(self, table: int, field: str) -> int:
        """The line of a field in the table that begins at line ``table``, else that line."""
        for number, text in enumerate(self._lines[table:], table + 1):
            if text.strip().startswith("[["):
                break
            if re.match(rf"\s*[\"']?{re.escape(field)}[\"']?\s*[=.]", text):
                return number
        return max(table, 1)


def _nearest(field: str, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(field, list(names), n=1)
    return f"; did you mean {near[0]!r}?" if near else "; remove it"
