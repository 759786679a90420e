"""Currencies: dated rates out of a table of the user's own, and the places of each currency.

[[currency]]
from = "USD"
to = "EUR"
on = 2026-11-01
rate = "0.92"                # units of ``to`` for one of ``from``: text, so that it stays exact
source = "ECB"               # optional

The rate of a day is the one of that day (UTC) or else the latest before it. A rate is never turned
round or chained, since that would divide or guess.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from agentmeter.exceptions import ConfigurationError
from agentmeter.pricing.tables import TableReader

_DAY_NS = 86_400_000_000_000
_FIELDS = ("from", "to", "on", "rate", "source")
_OTHER_PLACES = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
"""ISO 4217: the currencies whose minor unit is not a hundredth."""


def minor_places(currency: str) -> int:
    """The decimal places of a currency's minor unit."""
    places = (places for places, codes in _OTHER_PLACES.items() if currency in codes.split())
    return next(places, 2)


@dataclass(frozen=True, slots=True)
class CurrencyRate:
    """``rate`` units of ``to`` for one of ``base``, from ``day`` on (days since the epoch)."""

    base: str
    to: str
    day: int
    rate: Decimal
    source: str

    @property
    def on(self) -> str:
        """The day in ISO 8601."""
        return _day(self.day)


class CurrencyRates:
    """A table of dated rates."""

    def __init__(self, rates: tuple[CurrencyRate, ...] = (), name: str = "currency rates") -> None:
        self._rates = sorted(rates, key=lambda one: one.day)
        self._name = name

    def rate(self, base: str, to: str, at_ns: int) -> CurrencyRate:
        """The rate for an instant: of its day in UTC, or the latest before.

        Raises ``ConfigurationError`` where there is none.
        """
        between = [one for one in self._rates if (one.base, one.to) == (base, to)]
        day = at_ns // _DAY_NS
        known = [one for one in between if one.day <= day]
        if known:
            return known[-1]
        add = f"add [[currency]] from = '{base}', to = '{to}'"
        if not between:
            raise ConfigurationError(f"{self._name}: no rate from {base} to {to}; {add}")
        raise ConfigurationError(
            f"{self._name}: no rate from {base} to {to} on {_day(day)} or before, "
            f"the first is of {between[0].on}; {add} for that day"
        )


def _day(day: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)).date().isoformat()


def rates_from_file(path: str | Path) -> CurrencyRates:
    """The rates of a file. Raises ``ConfigurationError`` that names file, line and field."""
    return _rates(*_Reader.of_file(path))


def rates_from_text(text: str, name: str = "currency rates") -> CurrencyRates:
    """The rates of a text; ``name`` stands in its messages and as the rates' source."""
    return _rates(*_Reader.of_text(text, name))


def _rates(reader: "_Reader", data: Mapping[str, Any]) -> CurrencyRates:
    reader.only(data, ("currency",))
    found: dict[tuple[str, str, int], tuple[int, CurrencyRate]] = {}
    for line, table in reader.tables(data, "currency"):
        one = reader.one(table, line)
        earlier = found.setdefault((one.base, one.to, one.day), (line, one))
        if earlier[0] != line:
            problem = f"there is a rate of that day at line {earlier[0]} already"
            reader.fail(line, "on", f"{problem}; keep one of them")
    return CurrencyRates(tuple(rate for _, rate in found.values()), reader.name)


class _Reader(TableReader):
    """Reads ``[[currency]]`` tables."""

    def one(self, table: Mapping[str, Any], line: int) -> CurrencyRate:
        """One table."""
        self.only(table, _FIELDS, line)
        on_ns = self.instant(table, "on", line)
        if on_ns is None:
            self.fail(line, "on", "a date such as 2026-11-01 is needed")
        if on_ns % _DAY_NS:
            self.fail(line, "on", "expected a date without a time of day")
        if "rate" not in table:
            self.fail(line, "rate", "a rate such as '0.92' is needed")
        rate = self.number("rate", table["rate"], line, "0.92")
        if rate <= 0:
            self.fail(line, "rate", f"expected a rate above zero, got {table['rate']!r}")
        return CurrencyRate(
            self.currency(table, "from", line, ""),
            self.currency(table, "to", line, ""),
            on_ns // _DAY_NS,
            rate,
            self.text(table, "source", line) or self.name,
        )
