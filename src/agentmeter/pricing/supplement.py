"""What the catalog lacks or has wrong, read from ``supplement.toml``, each entry with its source.

Beside the ``[[rate]]`` tables of a rate card the file has four more. A ``[[multiplier]]`` prices a
tier, a batch or a speed, or a place (a region or deployment), as so many times the standard
rates of the meters it names. A ``[[refusal]]`` is for what is not bought by the token. An
``[[alias]]`` says under which name the catalog has a model that is served in some place. A
``[[limit]]`` says how many tokens a model generates at most in one answer.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any

from agentmeter.model.meters import METERS
from agentmeter.pricing.providers import canonical
from agentmeter.pricing.rates import RateReader, Row, ordinary, tier_of
from agentmeter.pricing.tables import nearest
from agentmeter.pricing.tariff import PriceKey

_TOKENS = frozenset(name for name, known in METERS.items() if known.unit == "token")
_PATTERN = ("provider", "model", "except", "tier", "speed", "place", "source", "note")
_FIELDS = {
    "multiplier": (*_PATTERN, "name", "times", "meters", "from", "until"),
    "refusal": (*_PATTERN, "reason"),
    "alias": (*_PATTERN, "priced_as"),
    "limit": ("provider", "model", "except", "max_output", "source", "note"),
}
_EVERYWHERE = ("", "global", "global-standard", "globalstandard", "worldwide", "not_available")


@dataclass(frozen=True, slots=True)
class Pattern:
    """Which keys an entry is for: globs over model and place, and one tier or speed."""

    provider: str | None
    models: tuple[str, ...]
    excluded: tuple[str, ...]
    tier: str | None
    speed: str | None
    places: tuple[str, ...]

    def names(self, key: PriceKey) -> bool:
        """Whether the entry is for the provider and model of ``key``."""
        model = (key.model or "").lower()
        return (
            self.provider in (None, canonical(key.provider))
            and any(fnmatchcase(model, glob) for glob in self.models)
            and not any(fnmatchcase(model, glob) for glob in self.excluded)
        )

    def served(self, key: PriceKey) -> bool:
        """Whether it is for the tier and speed of ``key``, which are not the ordinary ones."""
        asked = (tier_of(key), ordinary(key.speed))
        return asked != (None, None) and (self.tier, self.speed) == asked

    def placed(self, place: str | None) -> bool:
        """Whether it is for a place."""
        return place is not None and any(fnmatchcase(place.lower(), glob) for glob in self.places)


@dataclass(frozen=True, slots=True)
class Multiplier:
    """So many times the standard rates, from when until when, for which meters."""

    pattern: Pattern
    times: Decimal
    meters: frozenset[str]
    from_ns: int | None
    until_ns: int | None
    name: str
    source: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """What has no price by the token, and why."""

    pattern: Pattern
    reason: str


@dataclass(frozen=True, slots=True)
class Alias:
    """``priced_as`` is a template over ``{model}``."""

    pattern: Pattern
    priced_as: str


@dataclass(frozen=True, slots=True)
class Limit:
    """``max_output`` tokens, reasoning among them, are the longest answer of a model."""

    pattern: Pattern
    max_output: int
    source: str


@dataclass(frozen=True, slots=True)
class Supplement:
    """The entries of a supplement, in their order; ``fills`` lie below the catalog's own rates."""

    version: str
    rates: tuple[Row, ...]
    fills: tuple[Row, ...]
    multipliers: tuple[Multiplier, ...]
    refusals: tuple[Refusal, ...]
    aliases: tuple[Alias, ...]
    limits: tuple[Limit, ...]


def somewhere(place: str | None) -> str | None:
    """A place that may matter for the price; ``None`` for everywhere."""
    return None if place is None or place.strip().lower() in _EVERYWHERE else place.strip()


def read_supplement(text: str, name: str) -> Supplement:
    """Read a supplement. Raises ``RateCardError`` that names file, line and field."""
    reader, data = _Reader.of_text(text, name)
    reader.only(data, ("version", "rate", "fill", *_FIELDS))
    rates, fills = reader.priced(data), reader.priced(data, "fill")
    reader.refuse_overlaps(rates)
    reader.refuse_overlaps(fills)
    return Supplement(
        reader.needed(data, "version", 0, "supplement 2026-11-24"),
        rates,
        fills,
        tuple(reader.multiplier(table, at) for at, table in reader.tables(data, "multiplier")),
        tuple(
            Refusal(reader.pattern("refusal", table, at), reader.needed(table, "reason", at, "…"))
            for at, table in reader.tables(data, "refusal")
        ),
        tuple(
            Alias(reader.pattern("alias", table, at), reader.needed(table, "priced_as", at, "…"))
            for at, table in reader.tables(data, "alias")
        ),
        tuple(reader.limit(table, at) for at, table in reader.tables(data, "limit")),
    )


class _Reader(RateReader):
    """Reads the tables that only a supplement has."""

    def multiplier(self, table: Mapping[str, Any], line: int) -> Multiplier:
        """One ``[[multiplier]]``."""
        pattern = self.pattern("multiplier", table, line)
        meters = self.texts(table, "meters", line)
        for meter in meters:
            if meter not in METERS:
                self.fail(line, "meters", f"unknown meter {meter!r}{nearest(meter, METERS)}")
        return Multiplier(
            pattern,
            self.price("times", table.get("times"), line, "1.1"),
            frozenset(meters) or _TOKENS,
            *self.period(table, line),
            self.needed(table, "name", line, "batch"),
            self.needed(table, "source", line, "price list of 2026-11"),
        )

    def pattern(self, kind: str, table: Mapping[str, Any], line: int) -> Pattern:
        """Which keys a table is for."""
        made = self._pattern(kind, table, line)
        if made.tier is None and made.speed is None and not made.places:
            self.fail(line, kind, "name what it is for: a tier, a speed or a place")
        return made

    def limit(self, table: Mapping[str, Any], line: int) -> Limit:
        """One ``[[limit]]``."""
        pattern = self._pattern("limit", table, line)
        most = self.whole(table, "max_output", line)
        if not most:
            self.fail(line, "max_output", f"expected a count of tokens, got {most!r}")
        return Limit(pattern, most, self.needed(table, "source", line, "model page of 2026-11"))

    def _pattern(self, kind: str, table: Mapping[str, Any], line: int) -> Pattern:
        self.only(table, _FIELDS[kind], line)
        tier, speed = (ordinary(self.text(table, field, line)) for field in ("tier", "speed"))
        places = self.texts(table, "place", line)
        return Pattern(
            canonical(self.text(table, "provider", line)),
            self.texts(table, "model", line) or ("*",),
            self.texts(table, "except", line),
            tier,
            speed,
            places,
        )
