"""Tariffs: what a pricer answers for a key, as rows of rates; and the quotes they give."""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Self

from agentmeter.model.money import CONTEXT, bounded, plain

_DAY = 86_400
_DAY_NS = _DAY * 1_000_000_000


@dataclass(frozen=True, slots=True)
class PriceKey:
    """What a tariff is asked for: neither instant nor quantity, so that keys repeat.

    ``tier`` is the *served* service tier, ``None`` for the standard one; ``search_context`` is how
    much a search put into the context, where fees depend on it.
    """

    provider: str | None
    model: str | None
    tier: str | None = None
    batch: bool = False
    speed: str | None = None
    region: str | None = None
    deployment: str | None = None
    search_context: str | None = None


_MOST_PLACES = 40
DISCOUNT = "discount"
"""The name of the adjustments that take something off a price."""


@dataclass(frozen=True, slots=True)
class Adjustment:
    """A part of a price that is shown by itself: a ``discount`` is negative."""

    name: str
    price: Decimal
    source: str
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """One row of a tariff: the price of one unit of a meter, and when it holds.

    ``from_ns`` is inclusive and ``until_ns`` exclusive (nanoseconds since the epoch, UTC);
    ``window`` is a daily window in seconds of the UTC day, which may wrap midnight, and ``days``
    the days of the week in UTC on which the row holds (1 is Monday); ``above`` holds where the
    total input is strictly larger; ``minimum`` is the smallest quantity billed; ``assumed`` states
    what is taken for granted where the source says nothing. ``adjusted`` are the parts of ``price``
    that stand on lines of their own. ``places`` is how many decimals an amount is rounded to, where
    the price of one unit could not be exact: an hour's price that is billed by the second.
    """

    meter: str
    price: Decimal
    source: str
    from_ns: int | None = None
    until_ns: int | None = None
    window: tuple[int, int] | None = None
    days: tuple[int, ...] | None = None
    above: int | None = None
    minimum: int | None = None
    assumed: str | None = None
    places: int | None = None
    adjusted: tuple[Adjustment, ...] = ()

    def holds(self, at_ns: int, total_input: int) -> bool:
        """Whether this row holds for a call that began at ``at_ns`` with that much input."""
        return (
            (self.from_ns is None or at_ns >= self.from_ns)
            and (self.until_ns is None or at_ns < self.until_ns)
            and (self.above is None or total_input > self.above)
            and (self.window is None or _in_window(at_ns // 1_000_000_000 % _DAY, self.window))
            and (self.days is None or weekday(at_ns) in self.days)
        )

    @property
    def unadjusted(self) -> Decimal:
        """The price before the adjustments."""
        price = self.price
        for part in self.adjusted:
            price = CONTEXT.subtract(price, part.price)
        return price

    def amount(self, quantity: int) -> Decimal:
        """What a quantity costs, adjustments in it."""
        amount = CONTEXT.multiply(Decimal(quantity), self.price)
        if self.places is None:
            return amount
        return CONTEXT.quantize(amount, CONTEXT.scaleb(Decimal(1), -self.places))

    @property
    def rank(self) -> tuple[bool, bool, bool, int, int]:
        """Of several rows that hold the highest wins: days, then hours, the latest, the step."""
        return (
            self.days is not None,
            self.window is not None,
            self.from_ns is not None,
            self.from_ns or 0,
            -1 if self.above is None else self.above,
        )


def _in_window(second: int, window: tuple[int, int]) -> bool:
    start, end = window
    return start <= second < end if start < end else second >= start or second < end


def weekday(at_ns: int) -> int:
    """The day of the week in UTC, 1 for Monday; the epoch was a Thursday."""
    return (at_ns // _DAY_NS + 3) % 7 + 1


@dataclass(frozen=True, slots=True)
class Unpriced:
    """No tariff, and why. Not a price of zero."""

    reason: str


@dataclass(frozen=True, slots=True)
class Quote:
    """The rates of a tariff that hold for one call, by meter."""

    currency: str
    rates: Mapping[str, Rate]
    tariff: str


@dataclass(frozen=True, slots=True)
class Tariff:
    """Rows of rates for a key, in one currency. ``version`` names the catalog they came from.

    ``digest`` is the first 16 hex digits of the SHA-256 over the canonical JSON of ``to_json``.
    """

    key: PriceKey
    currency: str
    version: str
    rates: tuple[Rate, ...]
    digest: str = field(init=False, compare=False)
    _bounds: tuple[tuple[int, ...], ...] = field(init=False, compare=False, repr=False)
    by_time: bool = field(init=False, compare=False, repr=False)
    """Whether any rate is for the time that a call keeps GPUs busy."""
    _weekly: bool = field(init=False, compare=False, repr=False)
    _quotes: dict[tuple[int, int, int, int], Quote] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "digest", _digest(self.to_json()))
        object.__setattr__(self, "_bounds", _bounds(self.rates))
        timed = any(rate.meter == "busy_millisecond" for rate in self.rates)
        object.__setattr__(self, "by_time", timed)
        object.__setattr__(self, "_weekly", any(rate.days is not None for rate in self.rates))
        object.__setattr__(self, "_quotes", {})

    def quote(self, at_ns: int, total_input: int) -> Quote:
        """The rates that hold at an instant (ns since the epoch) for a call's total input.

        All meters of the call are priced at the step that its total input reaches. Between two
        bounds of the rows nothing changes, so a quote is worked out once for each such cell.
        """
        instants, seconds, steps = self._bounds
        cell = (
            bisect_right(instants, at_ns),
            bisect_right(seconds, at_ns // 1_000_000_000 % _DAY) if seconds else 0,
            bisect_left(steps, total_input),
            weekday(at_ns) if self._weekly else 0,
        )
        known = self._quotes.get(cell)
        if known is None:
            known = self._quotes[cell] = self._quoted(at_ns, total_input)
        return known

    def _quoted(self, at_ns: int, total_input: int) -> Quote:
        rates: dict[str, Rate] = {}
        for rate in sorted(self.rates, key=lambda rate: rate.rank, reverse=True):
            if rate.holds(at_ns, total_input):
                rates.setdefault(rate.meter, rate)
        return Quote(self.currency, MappingProxyType(rates), self.digest)

    def to_json(self) -> dict[str, Any]:
        """The tariff as JSON values; prices are decimal strings."""
        return {
            "key": _given(self.key),
            "currency": self.currency,
            "version": self.version,
            "rates": [_row(rate) for rate in self.rates],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of ``to_json``. Raises ``KeyError``, ``TypeError`` or ``ValueError``."""
        key = PriceKey(**{"provider": None, "model": None, **data["key"]})
        if not all(isinstance(one, str) for one in (data["currency"], data["version"])):
            raise TypeError("a tariff has a currency and a version, as text")
        if not all(isinstance(one, (str, bool)) for one in _given(key).values()):
            raise TypeError("what a tariff is for is told as text")
        return cls(
            key,
            data["currency"],
            data["version"],
            tuple(_rate(row) for row in data["rates"]),
        )


def _digest(body: Mapping[str, Any]) -> str:
    import hashlib
    import json

    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _bounds(rates: tuple[Rate, ...]) -> tuple[tuple[int, ...], ...]:
    """Where rows begin or end: instants, seconds of the day, and steps of total input."""
    instants = {at for rate in rates for at in (rate.from_ns, rate.until_ns) if at is not None}
    seconds = {at for rate in rates for at in rate.window or ()}
    steps = {rate.above for rate in rates if rate.above is not None}
    return tuple(sorted(instants)), tuple(sorted(seconds)), tuple(sorted(steps))


def _given(value: PriceKey | Rate | Adjustment) -> dict[str, Any]:
    fields = {name: getattr(value, name) for name in value.__dataclass_fields__}
    return {name: given for name, given in fields.items() if given is not None}


def _row(rate: Rate) -> dict[str, Any]:
    row = {**_given(rate), "price": plain(rate.price)}
    parts = [{**_given(part), "price": plain(part.price)} for part in row.pop("adjusted")]
    return {**row, "adjusted": parts} if parts else row


def _rate(row: Mapping[str, Any]) -> Rate:
    lists = {name: tuple(row[name]) for name in ("window", "days") if row.get(name)}
    parts = row.get("adjusted", ())
    adjusted = tuple(
        Adjustment(**{**one, "price": bounded(one["price"], "price")}) for one in parts
    )
    price = bounded(row["price"], "price")
    made = Rate(**{**row, **lists, "price": price, "adjusted": adjusted})
    _check(made)
    return made


def _check(rate: Rate) -> None:
    """Refuse a row that could not be computed with: whoever wrote it may be anybody."""
    numbers = (rate.from_ns, rate.until_ns, rate.above, rate.minimum, rate.places)
    listed = (*(rate.window or ()), *(rate.days or ()))
    if any(type(one) is not int for one in (*listed, *filter(lambda n: n is not None, numbers))):
        raise TypeError(f"a rate of {rate.meter!r:.60}: expected whole numbers")
    if not all(isinstance(one, str) for one in (rate.meter, rate.source, rate.assumed or "")):
        raise TypeError(f"a rate of {rate.meter!r:.60}: expected text")
    if rate.window is not None and len(rate.window) != 2:  # from and until
        raise ValueError(f"a rate of {rate.meter!r:.60}: a window has a start and an end")
    if rate.places is not None and not 0 <= rate.places <= _MOST_PLACES:
        raise ValueError(f"a rate of {rate.meter!r:.60}: places are 0 to {_MOST_PLACES}")
