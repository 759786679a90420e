"""A rate card of one's own: TOML tables over the catalog.

currency = "USD"

[[rate]]
provider = "openai"          # optional; any provider where left out
model = "gpt-5*"             # a glob or a list; the most specific pattern that matches wins
tier = "flex"                # optional, as are speed, region, deployment and search_context
per = 1_000_000              # units that a price is for, a power of ten; 1 for what is not tokens
from = 2026-01-01            # optional; a date or date-time, UTC where no zone is given
until = 2027-01-01           # optional, exclusive
window = "16:30-00:30"       # optional: a daily window in UTC
days = [1, 2, 3, 4, 5]       # optional: days of the week in UTC, 1 is Monday
above = 200_000              # optional: total input strictly above
minimum = 10                 # optional: the smallest quantity billed
input = "1.25"               # prices are strings or integers, so that they stay exact
output = "10"
source = "contract 2026-04"  # optional; assumed = "…" is shown beside the line as well

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

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from agentmeter.pricing.discount import Discount, Discounted, read_discounts
from agentmeter.pricing.keys import TOOLS
from agentmeter.pricing.pricer import Layered, Pricer
from agentmeter.pricing.providers import canonical
from agentmeter.pricing.rates import RateReader, Row, laid_by_closeness
from agentmeter.pricing.rows import with_derived
from agentmeter.pricing.selfhosted import self_hosted_rates
from agentmeter.pricing.tariff import PriceKey, Tariff, Unpriced
from agentmeter.pricing.tools import tool_rate

_TOP = ("currency", "rate", "discount", "tool", "self_hosted")


class RateCard:
    """A pricer that answers from a rate card, and ``Unpriced`` for what is not on it."""

    def __init__(
        self,
        name: str,
        currency: str,
        rows: tuple[Row, ...],
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
        return Tariff(key, self._currency, self._name, with_derived(laid_by_closeness(rows)))

    @property
    def models(self) -> tuple[str, ...]:
        """The patterns of the models that have a rate on the card, in lower case."""
        return tuple(dict.fromkeys(row.model for row in self._rows if row.model is not None))

    def over(self, base: Pricer) -> Pricer:
        """The card laid over ``base``, with its discounts taken off what either asks."""
        layered = Layered(self, base)
        return Discounted(layered, self.discounts, self._name) if self.discounts else layered


def _matches(row: Row, key: PriceKey) -> bool:
    return key == TOOLS if row.model is None else row.matches(key)


class _Reader(RateReader):
    """Reads the ``[[rate]]``, ``[[tool]]`` and ``[[self_hosted]]`` tables as rows."""

    def rows(self, data: Mapping[str, Any]) -> tuple[Row, ...]:
        """Every row of the card; two that would both hold are refused."""
        rows = list(self.priced(data))
        for line, table in self.tables(data, "tool"):
            rows.append(Row(None, None, None, line, (tool_rate(self, table, line),)))
        rows.extend(self._hosted(line, table) for line, table in self.tables(data, "self_hosted"))
        self.refuse_overlaps(rows)
        return tuple(rows)

    def _hosted(self, line: int, table: Mapping[str, Any]) -> Row:
        provider = canonical(self.text(table, "provider", line))
        model = self.needed(table, "model", line, "llama*").lower()
        return Row(provider, model, None, line, self_hosted_rates(self, table, line))
