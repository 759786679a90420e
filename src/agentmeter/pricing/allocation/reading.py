"""Rules of allocation out of TOML.

[[allocation]]
name = "OpenAI, volume"
kind = "volume"              # volume, commitment, capacity, fixed or credit
provider = "openai"          # optional, and model = "gpt-5*", a glob: the calls it is about
from = 2026-10-01            # UTC where no zone is given
until = 2027-01-01           # exclusive
every = "month"              # optional: the term holds for each month (or day) by itself
by = "cost"                  # cost, tokens, calls, requests, busy_seconds or a meter
quantum = "0.01"             # optional: the unit that amounts are shared in
currency = "USD"
source = "contract 7, 3.2"   # optional

measure = "cost"             # volume: cost, tokens, calls or a meter
mode = "graduated"           # volume: or all_units
steps = [{ above = 0, percent = 0 }, { above = "10000", percent = "5" }]   # or price = "2.50", per

amount = "5000"              # commitment, capacity, fixed, credit: for each period
total = "60000"              # commitment: for all periods, spread by their days
gpus = 2                     # capacity: or per_hour x gpus
per_hour = "4.20"

A credit goes to the requests in the order that they used it up, unless ``by`` says otherwise.
"""

import itertools
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from agentmeter.exceptions import UsageError
from agentmeter.model.meters import meter
from agentmeter.model.money import CONTEXT
from agentmeter.pricing.allocation.periods import EVERY, Span, periods
from agentmeter.pricing.allocation.rule import BY_USE, KEYS, Rule
from agentmeter.pricing.allocation.sharing import share
from agentmeter.pricing.allocation.terms import (
    ORDER,
    Capacity,
    Commitment,
    Credit,
    Fixed,
    Step,
    Term,
    Volume,
)
from agentmeter.pricing.providers import canonical
from agentmeter.pricing.tables import TableReader, overlap

_COMMON = (
    "name", "kind", "provider", "model", "from", "until", "every", "by", "quantum", "currency",
    "source",
)  # fmt: skip
_OF_KIND = {
    "volume": ("measure", "mode", "steps", "per"),
    "commitment": ("amount", "total"),
    "capacity": ("amount", "gpus", "per_hour"),
    "fixed": ("amount",),
    "credit": ("amount",),
}
_ONCE = ("volume", "commitment", "capacity")
_FINEST = -12


def rules_from_file(path: str | Path) -> tuple[Rule, ...]:
    """The rules of a file. Raises ``ConfigurationError`` that names file, line and field."""
    return _rules(*_Reader.of_file(path))


def rules_from_text(text: str, name: str = "allocations") -> tuple[Rule, ...]:
    """The rules of a text; ``name`` stands in its messages and as the rules' source."""
    return _rules(*_Reader.of_text(text, name))


def _rules(reader: "_Reader", data: Mapping[str, Any]) -> tuple[Rule, ...]:
    reader.only(data, ("allocation",))
    found: list[tuple[int, Rule]] = []
    for line, table in reader.tables(data, "allocation"):
        rule = reader.rule(table, line)
        for other, earlier in found:
            if _twice(rule, earlier):
                problem = f"holds for the same calls as the {rule.term.kind} of line {other}"
                reader.fail(line, "kind", f"{problem}; what they cost would be counted twice")
        found.append((line, rule))
    return tuple(rule for _, rule in found)


def _twice(one: Rule, other: Rule) -> bool:
    return (
        one.term.kind in _ONCE
        and _about(one) == _about(other)
        and any(overlap(mine, theirs) for mine in one.periods for theirs in other.periods)
    )


def _about(rule: Rule) -> tuple[object, ...]:
    measure = rule.term.measure if isinstance(rule.term, Volume) else None
    return (rule.term.kind, rule.provider, rule.model, rule.currency, measure)


class _Reader(TableReader):
    """Reads ``[[allocation]]`` tables."""

    def rule(self, table: Mapping[str, Any], line: int) -> Rule:
        """One table."""
        kind = self.needed(table, "kind", line, "commitment")
        if kind not in ORDER:
            self.fail(line, "kind", f"expected one of {', '.join(ORDER)}, got {kind!r}")
        self.only(table, (*_COMMON, *_OF_KIND[kind]), line)
        spans = self._spans(table, line)
        quantum = self._quantum(table, line)
        return Rule(
            self.needed(table, "name", line, "OpenAI, volume"),
            self._term(kind, table, line, spans, quantum),
            spans,
            self._by(table, line, BY_USE if kind == "credit" else "cost"),
            canonical(self.text(table, "provider", line)),
            (self.text(table, "model", line) or "*").lower(),
            self.currency(table, "currency", line, "USD"),
            quantum,
            self.text(table, "source", line) or self.name,
        )

    def _spans(self, table: Mapping[str, Any], line: int) -> tuple[Span, ...]:
        from_ns, until_ns = self.period(table, line)
        for field, at in (("from", from_ns), ("until", until_ns)):
            if at is None:
                self.fail(line, field, "a date such as 2026-10-01 is needed")
        every = self.text(table, "every", line)
        if every is not None and every not in EVERY:
            self.fail(line, "every", f"expected one of {', '.join(EVERY)}, got {every!r}")
        try:
            return periods(from_ns or 0, until_ns or 0, every)
        except ValueError as error:
            self.fail(line, "every", f"the span {error}; move 'from' and 'until'")

    def _quantum(self, table: Mapping[str, Any], line: int) -> int:
        if "quantum" not in table:
            return _FINEST
        unit = self.price("quantum", table["quantum"], line, "0.01").normalize(CONTEXT)
        sign, digits, exponent = unit.as_tuple()
        if sign or digits != (1,) or not isinstance(exponent, int):
            given = table["quantum"]
            self.fail(line, "quantum", f"expected a power of ten such as '0.01', got {given!r}")
        return exponent

    def _by(self, table: Mapping[str, Any], line: int, default: str) -> str:
        by = self.text(table, "by", line) or default
        return by if by == default or by in KEYS else self._meter(by, "by", line, KEYS)

    def _meter(self, name: str, field: str, line: int, others: tuple[str, ...]) -> str:
        try:
            return meter(name).name
        except UsageError:
            known = ", ".join(others)
            self.fail(line, field, f"expected {known} or a meter, got {name!r}")

    def _term(
        self, kind: str, table: Mapping[str, Any], line: int, spans: tuple[Span, ...], quantum: int
    ) -> Term:
        if kind == "volume":
            return self._volume(table, line)
        if kind == "commitment":
            return self._commitment(table, line, spans, quantum)
        if kind == "capacity":
            return self._capacity(table, line)
        amount = self._amount(table, "amount", line)
        return Fixed(amount) if kind == "fixed" else Credit(amount)

    def _amount(self, table: Mapping[str, Any], field: str, line: int) -> Decimal:
        if field not in table:
            self.fail(line, field, "an amount such as '5000' is needed")
        return self.price(field, table[field], line)

    def _commitment(
        self, table: Mapping[str, Any], line: int, spans: tuple[Span, ...], quantum: int
    ) -> Commitment:
        if ("amount" in table) == ("total" in table):
            self.fail(line, "amount", "write either amount (each period) or total (all of them)")
        if "amount" in table:
            return Commitment((self._amount(table, "amount", line),) * len(spans))
        lengths = {f"{number:09}": end - start for number, (start, end) in enumerate(spans)}
        parts = share(self._amount(table, "total", line), lengths, quantum)
        return Commitment(tuple(parts[name] for name in sorted(parts)))

    def _capacity(self, table: Mapping[str, Any], line: int) -> Capacity:
        if ("amount" in table) == ("per_hour" in table):
            self.fail(line, "amount", "write either amount (each period) or per_hour and gpus")
        if "amount" in table:
            return Capacity(amount=self._amount(table, "amount", line))
        gpus = self.whole({"gpus": 1, **table}, "gpus", line)
        return Capacity(
            per_hour=CONTEXT.multiply(self._amount(table, "per_hour", line), Decimal(gpus or 0))
        )

    def _volume(self, table: Mapping[str, Any], line: int) -> Volume:
        measure = self.text(table, "measure", line) or "cost"
        if measure not in ("cost", "tokens", "calls"):
            measure = self._meter(measure, "measure", line, ("cost", "tokens", "calls"))
        mode: Literal["graduated", "all_units"] = "graduated"
        if self.one_of(table, "mode", line, ("graduated", "all_units"), mode) == "all_units":
            mode = "all_units"
        steps = table.get("steps")
        if not isinstance(steps, list) or not steps or not all(isinstance(s, dict) for s in steps):
            self.fail(line, "steps", "write steps = [{ above = 0, percent = '5' }, …]")
        tens = self.tens(table, line, 1_000_000 if measure == "tokens" else 1)
        read = tuple(self._step(step, line, tens, measure) for step in steps)
        self._check_steps(read, line)
        return Volume(measure, read, mode)

    def _step(self, step: Mapping[str, Any], line: int, tens: int, measure: str) -> Step:
        self.only(step, ("above", "percent", "price"), line)
        if ("percent" in step) == ("price" in step):
            self.fail(line, "steps", "each step has either a percent (off) or a price")
        if "price" in step and measure == "cost":
            self.fail(line, "steps", "a price is for tokens, calls or a meter; measure those")
        above = self.price("steps", step.get("above", 0), line)
        if "price" in step:
            price = CONTEXT.scaleb(self.price("steps", step["price"], line), -tens)
            return Step(above, price=price)
        percent = self.price("steps", step["percent"], line)
        if percent > 100:
            self.fail(line, "steps", f"expected 0 to 100 percent, got {step['percent']!r}")
        return Step(above, percent=percent)

    def _check_steps(self, steps: tuple[Step, ...], line: int) -> None:
        if any(one.above >= next_.above for one, next_ in itertools.pairwise(steps)):
            self.fail(line, "steps", "each step must begin above the one before")
        if steps[0].above:
            self.fail(line, "steps", "the first step must begin at above = 0")
        if len({step.price is None for step in steps}) > 1:
            self.fail(line, "steps", "all steps have a percent, or all have a price")
