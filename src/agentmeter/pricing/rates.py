"""``[[rate]]`` tables as rows, for rate cards and for the supplement of the catalog."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from agentmeter.exceptions import RateCardError, UsageError
from agentmeter.model.meters import METERS, meter
from agentmeter.pricing.providers import canonical, standard
from agentmeter.pricing.rows import between, for_one, laid_over
from agentmeter.pricing.tables import TableReader, nearest
from agentmeter.pricing.tariff import PriceKey, Rate

_PLACED = ("region", "deployment", "search_context")
_CONDITIONS = (
    *("provider", "model", "tier", "speed", *_PLACED),
    *("per", "from", "until", "window", "days", "above", "minimum", "source", "assumed", "note"),
)
_PRICED = tuple(name for name, known in METERS.items() if not known.unsplit)
_WINDOW = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


@dataclass(frozen=True, slots=True)
class Row:
    """The rates of one table for one pattern.

    ``model`` is a glob in lower case; ``None`` for the tools of the application, which no model
    has. ``place`` holds further globs by field of the key.
    """

    provider: str | None
    model: str | None
    tier: str | None
    line: int
    rates: tuple[Rate, ...]
    speed: str | None = None
    place: tuple[tuple[str, str], ...] = ()

    def matches(self, key: PriceKey) -> bool:
        """Whether the table is for what ``key`` asks."""
        return (
            self.model is not None
            and key.model is not None
            and fnmatchcase(key.model.lower(), self.model)
            and self.provider in (None, canonical(key.provider))
            and self.tier == tier_of(key)
            and self.speed == ordinary(key.speed)
            and all(
                fnmatchcase((getattr(key, field) or "").lower(), glob) for field, glob in self.place
            )
        )

    @property
    def closeness(self) -> tuple[bool, int, bool, int]:
        """A name before a pattern, the longer before the shorter, the narrower before the wider."""
        model = self.model or ""
        exact_name = not any(mark in model for mark in "*?[")
        return (exact_name, len(model), self.provider is not None, len(self.place))


def tier_of(key: PriceKey) -> str | None:
    """The tier of a key, with batch as one; ``None`` for the ordinary one."""
    return "batch" if key.batch else ordinary(key.tier)


def ordinary(tier: str | None) -> str | None:
    """A tier or speed in lower case; ``None`` for the ordinary one."""
    return None if tier is None or standard(tier) else tier.lower()


def laid_by_closeness(rows: Iterable[Row]) -> tuple[Rate, ...]:
    """The rates of rows that all match, those of a closer pattern over those of a wider one."""
    patterns: dict[tuple[object, ...], list[Row]] = {}
    for row in rows:
        patterns.setdefault((row.provider, row.model, row.place), []).append(row)
    rates: tuple[Rate, ...] = ()
    for alike in sorted(patterns.values(), key=lambda rows: rows[0].closeness, reverse=True):
        rates = laid_over(rates, (rate for row in alike for rate in row.rates))
    return rates


class RateReader(TableReader):
    """Reads ``[[rate]]`` tables. Raises ``RateCardError``."""

    error = RateCardError

    def priced(self, data: Mapping[str, Any], kind: str = "rate") -> tuple[Row, ...]:
        """The rows of the tables of a kind."""
        return tuple(
            row for line, table in self.tables(data, kind) for row in self._rows(table, line)
        )

    def refuse_overlaps(self, rows: Iterable[Row]) -> None:
        """Refuse two rows that would both hold."""
        seen: dict[tuple[object, ...], list[tuple[int, Rate]]] = {}
        for row in rows:
            for rate in row.rates:
                pattern = (row.provider, row.model, row.tier, row.speed, row.place)
                place = (pattern, rate.meter, rate.above, rate.window, rate.days)
                for line, earlier in seen.setdefault(place, []):
                    if between(rate, earlier.from_ns, earlier.until_ns) is not None:
                        problem = f"overlaps in time with the rate of line {line}"
                        self.fail(
                            row.line, rate.meter, f"{problem}; end one where the other begins"
                        )
                seen[place].append((row.line, rate))

    def texts(self, table: Mapping[str, Any], field: str, line: int) -> tuple[str, ...]:
        """A text, or a list of them, in lower case."""
        value = table.get(field)
        listed = value if isinstance(value, list) else [] if value is None else [value]
        for one in listed:
            if not isinstance(one, str):
                self.fail(line, field, f"expected text, got {one!r}")
        return tuple(one.lower() for one in listed)

    def _rows(self, table: Mapping[str, Any], line: int) -> Iterator[Row]:
        for field, value in table.items():
            self._check_name(field, value, line)
        models = self.texts(table, "model", line)
        if not models:
            self.fail(line, "model", "a text such as 'gpt-5*' is needed")
        provider = canonical(self.text(table, "provider", line))
        tier, speed = (ordinary(self.text(table, field, line)) for field in ("tier", "speed"))
        globs = ((field, self.text(table, field, line)) for field in _PLACED)
        place = tuple((field, glob.lower()) for field, glob in globs if glob)
        rates = tuple(self._rates(table, line))
        if not rates:
            self.fail(line, "rate", "the table has no price; add one such as input = '1.25'")
        for model in models:
            yield Row(provider, model, tier, line, rates, speed, place)

    def _rates(self, table: Mapping[str, Any], line: int) -> Iterator[Rate]:
        from_ns, until_ns = self.period(table, line)
        for field, value in table.items():
            if field in _CONDITIONS:
                continue
            rate = Rate(
                meter=field,
                price=self.price(field, value, line),
                source=self.text(table, "source", line) or self.name,
                from_ns=from_ns,
                until_ns=until_ns,
                window=self._window(table, line),
                days=self._days(table, line),
                above=self.whole(table, "above", line),
                minimum=self.whole(table, "minimum", line),
                assumed=self.text(table, "assumed", line),
            )
            yield for_one(rate, self._per(table, meter(field).unit, line))

    def _per(self, table: Mapping[str, Any], unit: str, line: int) -> int:
        """How many units a price is for; seconds may be priced by the minute or the hour."""
        per = table.get("per")
        if unit == "second" and per in (60, 3_600):
            return int(per)
        return int(10 ** self.tens(table, line, 1_000_000 if unit == "token" else 1))

    def _window(self, table: Mapping[str, Any], line: int) -> tuple[int, int] | None:
        """``"16:30-00:30"`` in seconds of the UTC day."""
        text = self.text(table, "window", line)
        if text is None:
            return None
        found = _WINDOW.fullmatch(text)
        if found is None or found[1] + found[2] == found[3] + found[4]:
            self.fail(line, "window", f"expected UTC times such as '16:30-00:30', got {text!r}")
        first, second, third, fourth = (int(part) for part in found.groups())
        return (first * 3600 + second * 60, third * 3600 + fourth * 60)

    def _days(self, table: Mapping[str, Any], line: int) -> tuple[int, ...] | None:
        """Days of the week in UTC, 1 for Monday."""
        value = table.get("days")
        if value is None:
            return None
        if not isinstance(value, list) or not value or any(day not in range(1, 8) for day in value):
            expected = "expected days such as [1, 2, 3, 4, 5], where 1 is Monday"
            self.fail(line, "days", f"{expected}; got {value!r}")
        return tuple(sorted(value))

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
