"""Contract discounts: by provider, model and period, on lines of their own.

[[discount]]
provider = "openai"          # optional; any provider where left out
model = "gpt-5*"             # optional, a glob; the most specific pattern that matches wins
percent = "12.5"             # off; or factor = "0.875", what is left to pay
from = 2026-01-01            # optional; a date or date-time, UTC where no zone is given
until = 2027-01-01           # optional, exclusive
source = "contract 2026-04"  # optional

A discount changes the rates of the tariff: a row's price is what is paid, and the discount is kept
beside it as the part that a line of its own shows. So a discounted call is still quantity x rate
for everything that multiplies, SQL included, which need not know of discounts; line and discount
add up to the net price by construction; and since rows are what the journal keeps under the
tariff's digest, a report from the journal shows the same lines without the contract at hand. A
second set of negative rows would say the same, at the price of a second join for every call.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any

from agentmeter.model.money import CONTEXT, plain
from agentmeter.pricing.pricer import Pricer
from agentmeter.pricing.providers import canonical
from agentmeter.pricing.rows import between, laid_over, settled
from agentmeter.pricing.tables import TableReader, overlap
from agentmeter.pricing.tariff import DISCOUNT, Adjustment, PriceKey, Rate, Tariff, Unpriced

_FIELDS = ("provider", "model", "percent", "factor", "from", "until", "source")
_HUNDRED = Decimal(100)


@dataclass(frozen=True, slots=True)
class Discount:
    """``percent`` off the prices of the models that match, within a period (ns, UTC)."""

    percent: Decimal
    source: str
    provider: str | None = None
    model: str = "*"
    from_ns: int | None = None
    until_ns: int | None = None

    def matches(self, key: PriceKey) -> bool:
        """Whether it is a discount on what ``key`` asks for."""
        return (
            key.model is not None
            and fnmatchcase(key.model.lower(), self.model)
            and self.provider in (None, canonical(key.provider))
        )

    def off(self, rate: Rate) -> Rate:
        """``rate`` at the discounted price."""
        share = CONTEXT.scaleb(self.percent, -2)
        if not rate.price:
            return rate
        part = CONTEXT.minus(CONTEXT.multiply(rate.price, share))
        told = Adjustment(DISCOUNT, part, self.source, f"{plain(self.percent)}% off {rate.meter}")
        return replace(rate, price=CONTEXT.add(rate.price, part), adjusted=(*rate.adjusted, told))


class Discounted:
    """A pricer's tariffs with contract discounts taken off."""

    def __init__(self, pricer: Pricer, discounts: tuple[Discount, ...], name: str) -> None:
        """``name`` says where the discounts come from; it stands in the tariff's version."""
        self._pricer = pricer
        self._discounts = sorted(
            discounts, key=lambda one: closeness((one.provider, one.model)), reverse=True
        )
        self._name = name

    def tariff(self, key: PriceKey) -> Tariff | Unpriced:
        """The tariff for ``key``; of several discounts at a time the most specific is taken."""
        answer = self._pricer.tariff(key)
        found = [one for one in self._discounts if one.matches(key)]
        if isinstance(answer, Unpriced) or not found:
            return answer
        rates = tuple(part for rate in settled(answer.rates) for part in _parts(rate, found))
        version = f"{answer.version}, discounts of {self._name}"
        return Tariff(answer.key, answer.currency, version, rates)


def _parts(rate: Rate, discounts: list[Discount]) -> tuple[Rate, ...]:
    """The row, cut at the discounts' beginnings and ends; a free one too, since of two rows that
    hold the one that begins later wins.
    """
    parts: tuple[Rate, ...] = ()
    for one in discounts:
        held = between(rate, one.from_ns, one.until_ns)
        if held is not None:
            parts = laid_over(parts, [one.off(held)])
    return laid_over(parts, [rate])


def closeness(pattern: tuple[str | None, str | None]) -> tuple[bool, int, bool]:
    """Orders (provider, model) patterns from the widest to the most specific."""
    provider, model = pattern[0], pattern[1] or ""
    exact_name = not any(mark in model for mark in "*?[")
    return (exact_name, len(model), provider is not None)


def read_discounts(reader: TableReader, data: Mapping[str, Any]) -> tuple[Discount, ...]:
    """The ``[[discount]]`` tables; two for the same pattern at the same time are refused."""
    found: list[tuple[int, Discount]] = []
    for line, table in reader.tables(data, "discount"):
        one = _discount(reader, table, line)
        for other, earlier in found:
            if _same_place(one, earlier):
                problem = f"overlaps in time with the discount of line {other}"
                field = "from" if "from" in table else "discount"
                reader.fail(line, field, f"{problem}; end one where the other begins")
        found.append((line, one))
    return tuple(one for _, one in found)


def _same_place(one: Discount, other: Discount) -> bool:
    return (one.provider, one.model) == (other.provider, other.model) and overlap(
        (one.from_ns, one.until_ns), (other.from_ns, other.until_ns)
    )


def _discount(reader: TableReader, table: Mapping[str, Any], line: int) -> Discount:
    reader.only(table, _FIELDS, line)
    return Discount(
        _percent(reader, table, line),
        reader.text(table, "source", line) or reader.name,
        canonical(reader.text(table, "provider", line)),
        (reader.text(table, "model", line) or "*").lower(),
        *reader.period(table, line),
    )


def _percent(reader: TableReader, table: Mapping[str, Any], line: int) -> Decimal:
    if ("percent" in table) == ("factor" in table):
        reader.fail(line, "percent", "write either percent = '12.5' (off) or factor = '0.875'")
    if "percent" in table:
        percent = reader.number("percent", table["percent"], line, "12.5")
        if not 0 <= percent <= _HUNDRED:
            reader.fail(line, "percent", f"expected 0 to 100, got {table['percent']!r}")
        return percent
    factor = reader.number("factor", table["factor"], line, "0.875")
    if not 0 <= factor <= 1:
        reader.fail(line, "factor", f"expected 0 to 1, got {table['factor']!r}")
    return CONTEXT.subtract(_HUNDRED, CONTEXT.scaleb(factor, 2))
