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

[[discount]]                 # off the catalog's prices and the card's: pricing/discount.py
provider = "openai"
percent = "12.5"

[[tool]]                     # what charge(name, quantity=…) costs: pricing/tools.py
name = "serpapi.search"
per = 1_000
price = "5.00"

[[self_hosted]]              # GPU time, by the second or by the token: pricing/selfhosted.py
model = "llama*"
gpus = 2
per_hour = "4.20"
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Self

from agentmeter.exceptions import RateCardError, UsageError
from agentmeter.model.meters import METERS, meter
from agentmeter.model.money import CONTEXT
from agentmeter.pricing.discount import Discount, Discounted, closeness, read_discounts
from agentmeter.pricing.keys import TOOLS
from agentmeter.pricing.pricer import Layered, Pricer
from agentmeter.pricing.providers import canonical, standard
from agentmeter.pricing.rows import between, laid_over, with_derived
from agentmeter.pricing.selfhosted import self_hosted_rates
from agentmeter.pricing.tables import TableReader, nearest
from agentmeter.pricing.tariff import PriceKey, Rate, Tariff, Unpriced
from agentmeter.pricing.tools import tool_rate

_TOP = ("currency", "rate", "discount", "tool", "self_hosted")
_CONDITIONS = ("provider", "model", "tier", "per", "from", "until", "above", "source")
_PRICED = tuple(name for name, known in METERS.items() if not known.unsplit)


@dataclass(frozen=True, slots=True)
class _Row:
    provider: str | None
    model: str | None
    """A glob in lower case; ``None`` for the tools of the application, which no model has."""
    tier: str | None
    line: int
    rates: tuple[Rate, ...]


class RateCard:
    """A pricer that answers from a rate card, and ``Unpriced`` for what is not on it."""

    def __init__(
        self,
        name: str,
        currency: str,
        rows: tuple[_Row, ...],
        discounts: tuple[Discount, ...] = (),
    ) -> None:
        self._name = name
        self._currency = currency
        self._rows = rows
        self.discounts = discounts

    @classmethod
    def from_file(cls, path: str | Path) -> Self:
        """Read a card. Raises ``RateCardError`` that names file, line and field."""
        return cls._read(*_Reader.of_file(path))

    @classmethod
    def from_text(cls, text: str, name: str = "rate card") -> Self:
        """Read a card from text; ``name`` stands in its messages and as the rates' source."""
        return cls._read(*_Reader.of_text(text, name))

    @classmethod
    def _read(cls, reader: "_Reader", data: Mapping[str, Any]) -> Self:
        reader.only(data, _TOP)
        currency = reader.currency(data, "currency", 0, "USD")
        return cls(reader.name, currency, reader.rows(data), read_discounts(reader, data))

    def tariff(self, key: PriceKey) -> Tariff | Unpriced:
        """The rates whose pattern matches the key's model most closely, meter by meter.

        Of two patterns that are equally close, the one that stands first in the card wins.
        """
        rows = [row for row in self._rows if _matches(row, key)]
        if not rows:
            what = "any [[tool]]" if key == TOOLS else repr(key.model)
            return Unpriced(f"{self._name} has no rate for {what}")
        patterns: dict[tuple[str | None, str | None], tuple[Rate, ...]] = {}
        for row in rows:
            pattern = (row.provider, row.model)
            patterns[pattern] = patterns.get(pattern, ()) + row.rates
        rates: tuple[Rate, ...] = ()
        for pattern in sorted(patterns, key=closeness, reverse=True):
            rates = laid_over(rates, patterns[pattern])
        return Tariff(key, self._currency, self._name, with_derived(rates))

    def over(self, base: Pricer) -> Pricer:
        """The card laid over ``base``, with its discounts taken off what either asks."""
        layered = Layered(self, base)
        return Discounted(layered, self.discounts, self._name) if self.discounts else layered


def _matches(row: _Row, key: PriceKey) -> bool:
    if row.model is None or key.model is None:
        return row.model is None and key == TOOLS
    tier = None if key.tier is None or standard(key.tier) else key.tier.lower()
    return (
        standard(key.speed)
        and fnmatchcase(key.model.lower(), row.model)
        and row.provider in (None, canonical(key.provider))
        and row.tier == ("batch" if key.batch else tier)
    )


class _Reader(TableReader):
    """Reads the ``[[rate]]``, ``[[tool]]`` and ``[[self_hosted]]`` tables as rows."""

    error = RateCardError

    def rows(self, data: Mapping[str, Any]) -> tuple[_Row, ...]:
        """Every row of the card; two that would both hold are refused."""
        rows = [self._row(line, table) for line, table in self.tables(data, "rate")]
        for line, table in self.tables(data, "tool"):
            rows.append(_Row(None, None, None, line, (tool_rate(self, table, line),)))
        rows.extend(self._hosted(line, table) for line, table in self.tables(data, "self_hosted"))
        self._refuse_overlaps(rows)
        return tuple(rows)

    def _row(self, line: int, table: Mapping[str, Any]) -> _Row:
        for field, value in table.items():
            self._check_name(field, value, line)
        tier = self.text(table, "tier", line)
        return _Row(
            canonical(self.text(table, "provider", line)),
            self.needed(table, "model", line, "gpt-5*").lower(),
            None if tier is None or standard(tier) else tier.lower(),
            line,
            self._rates(table, line),
        )

    def _hosted(self, line: int, table: Mapping[str, Any]) -> _Row:
        provider = canonical(self.text(table, "provider", line))
        model = self.needed(table, "model", line, "llama*").lower()
        return _Row(provider, model, None, line, self_hosted_rates(self, table, line))

    def _rates(self, table: Mapping[str, Any], line: int) -> tuple[Rate, ...]:
        from_ns, until_ns = self.period(table, line)
        above = self.whole(table, "above", line)
        source = self.text(table, "source", line) or self.name
        rates = tuple(
            Rate(
                meter=field,
                price=CONTEXT.scaleb(
                    self.price(field, value, line), -self.tens(table, line, _units(field))
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
            self.fail(line, "rate", "the table has no price; add one such as input = '1.25'")
        return rates

    def _check_name(self, field: str, value: object, line: int) -> None:
        if field in _CONDITIONS or field in _PRICED:
            return
        if isinstance(value, dict):
            self.fail(line, field, "unknown table; quote a meter of your own: 'acme.page' = '1'")
        try:
            meter(field)
        except UsageError:
            self.fail(line, field, f"unknown field{nearest(field, [*_PRICED, *_CONDITIONS])}")
        if field in METERS:
            whole = field.removesuffix("_unsplit")
            self.fail(
                line, field, f"is not priced by itself; price {whole!r}, which it is billed as"
            )

    def _refuse_overlaps(self, rows: Iterable[_Row]) -> None:
        seen: dict[tuple[object, ...], list[tuple[int, Rate]]] = {}
        for row in rows:
            for rate in row.rates:
                place = (row.provider, row.model, row.tier, rate.meter, rate.above)
                for line, earlier in seen.setdefault(place, []):
                    if between(rate, earlier.from_ns, earlier.until_ns) is not None:
                        problem = f"overlaps in time with the rate of line {line}"
                        self.fail(
                            row.line, rate.meter, f"{problem}; end one where the other begins"
                        )
                seen[place].append((row.line, rate))


def _units(field: str) -> int:
    return 1_000_000 if meter(field).unit == "token" else 1
