"""The requests of a folder as traffic for plans: grouped, summed and put in order in SQL.

A million of them are held as columns, and never as trees or rows. The figures are those that
``report.traffic`` makes of the same requests, to the last decimal.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from importlib.resources import files
from itertools import groupby, islice, zip_longest
from operator import eq, itemgetter, mul
from typing import Any

import orjson

from agentmeter.model import UNATTRIBUTED, Owner, Status
from agentmeter.pricing.plans import Traffic
from agentmeter.pricing.plans.columns import Columns, fewest_places
from agentmeter.pricing.plans.priced_request import Kind
from agentmeter.pricing.plans.traffic import Rows
from agentmeter.pricing.plans.units import FINEST, in_units, places_of
from agentmeter.report.traffic import CHARGED, Rate, converted
from agentmeter.store.engine import Embedded
from agentmeter.store.leaves import SCALE
from agentmeter.store.rows import LARGEST

_MARKS = 60
"""Meters whose presence one number tells."""
_OF_REQUEST = 12
"""The columns of a row before its marks, as ``traffic.sql`` has them."""


def unattributed(store: Embedded, rate: Rate) -> Decimal:
    """What the work that belongs to no request cost, in one currency."""
    found = store.select(
        "SELECT currency, sum(cost) FROM leaves WHERE request_id = $name AND cost IS NOT NULL "
        "GROUP BY currency ORDER BY currency",
        {"name": UNATTRIBUTED},
    )
    return converted(dict(found), rate)


def traffic(store: Embedded, currency: str, rate: Rate) -> Traffic:
    """The requests of a folder with their true cost in one currency.

    Raises ``PlanError`` for a currency that has no rate.
    """
    asked = _asked(store, rate)
    gathered = _Gathered(asked)
    for rows in _whole_requests(store.stream(asked.sql, asked.values)):
        gathered.take(rows)
    return Traffic(Rows(gathered.columns()), currency)


@dataclass(frozen=True, slots=True)
class _Asked:
    """The question: which meters and currencies it is about, and at what rates and places."""

    sql: str
    values: Mapping[str, str]
    meters: Sequence[str]
    rates: Sequence[Decimal]
    places: int

    @property
    def marks(self) -> int:
        """How many numbers tell which meters were used."""
        return -(-len(self.meters) // _MARKS)

    @property
    def finest(self) -> int:
        """The decimal places that hold every amount at its rate."""
        return self.places + max(map(places_of, self.rates), default=0)

    def in_one(self, amounts: Sequence[Sequence[int]], count: int) -> Sequence[int]:
        """Amounts by currency as one, in units of ``finest``."""
        finest = self.finest - self.places
        factors = [in_units(rate, finest) for rate in self.rates]
        if factors == [1]:
            return amounts[0]
        parts = zip(*amounts, strict=True) if amounts else [()] * count
        return [sum(map(mul, factors, part)) for part in parts]


def _asked(store: Embedded, rate: Rate) -> _Asked:
    own = []
    if store.own_meters:
        own = [str(row[0]) for row in store.select(
            "SELECT DISTINCT unnest(map_keys(own_usage)) AS meter FROM leaves", {}
        )]  # fmt: skip
    values = {f"meter{number}": meter for number, meter in enumerate(own)}
    each = {meter: f"m_{meter}" for meter in store.meters}
    each |= {meter: f"own_usage[${name}]" for name, meter in values.items()}
    each[CHARGED] = "charged"
    meters = sorted(each)
    sums = [f"sum({each[meter]})" for meter in meters]
    currencies, places, small = _currencies(store)
    sql = _filled(
        marks=_each(_marks(sums)),
        meters=_each(f"CAST(coalesce({one}, 0) AS {_whole(store)})" for one in sums),
        costs=_each(_units(f"$currency{at}", places, small=small) for at in range(len(currencies))),
        unattributed=UNATTRIBUTED,
    )
    values |= {f"currency{at}": currency for at, currency in enumerate(currencies)}
    return _Asked(sql, values, meters, [rate(one) for one in currencies], places)


def _whole(store: Embedded) -> str:
    """The quickest type that holds every sum of quantities."""
    names = [f"sum(m_{meter})" for meter in store.meters]
    ((most, *_),) = store.select(f"SELECT greatest(count(*){_each(names)}) FROM leaves", {})
    return "BIGINT" if most <= LARGEST and not store.own_meters else "HUGEINT"


@cache
def _sql() -> str:
    text = files("agentmeter.store").joinpath("traffic.sql").read_text("utf-8")
    return "\n".join(line for line in text.splitlines() if not line.startswith("--"))


def _filled(**parts: str) -> str:
    sql = _sql()
    for mark, text in parts.items():
        sql = sql.replace(f":{mark}", text)
    return sql


def _each(expressions: Iterable[str]) -> str:
    return "".join(f",\n    {one}" for one in expressions)


def _marks(sums: Sequence[str]) -> Iterator[str]:
    for first in range(0, len(sums), _MARKS):
        own = enumerate(sums[first : first + _MARKS])
        yield " + ".join(f"CASE WHEN {one} > 0 THEN {1 << bit} ELSE 0 END" for bit, one in own)


def _units(currency: str, places: int, *, small: bool) -> str:
    """An amount as a whole number of units; a large one by way of text, which always holds it."""
    amount = f"coalesce(sum(CASE WHEN currency = {currency} THEN cost END), 0)"
    exact = f"CAST({amount} AS DECIMAL(38, {places}))"
    if small:
        return f"CAST({exact} * CAST({10**places} AS DECIMAL({places + 1}, 0)) AS BIGINT)"
    return f"CAST(replace(CAST({exact} AS VARCHAR), '.', '') AS HUGEINT)"


def _currencies(store: Embedded) -> tuple[list[str], int, bool]:
    """The currencies in use, the places that hold every amount, and whether all of them are small.

    Small is what fits into 64 bits with those places.
    """
    found = store.select(
        "SELECT currency, sum(cost), "
        "bool_or(cost % CAST('0.000000000001' AS DECIMAL(38, 18)) <> 0) "
        "FROM leaves WHERE cost IS NOT NULL AND request_id <> $name "
        "GROUP BY currency ORDER BY currency",
        {"name": UNATTRIBUTED},
    )
    places = SCALE if any(row[2] for row in found) else FINEST
    small = all(in_units(row[1], places) <= LARGEST for row in found)
    return [str(row[0]) for row in found], places, small


_Row = tuple[Any, ...]


def _whole_requests(parts: Iterable[list[_Row]]) -> Iterator[list[_Row]]:
    """Rows in parts of which none ends within a request."""
    kept: list[_Row] = []
    for part in parts:
        kept += part
        last = kept[-1][0]
        cut = len(kept)
        while cut and kept[cut - 1][0] == last:
            cut -= 1
        if cut:
            yield kept[:cut]
            kept = kept[cut:]
    if kept:
        yield kept


@dataclass(slots=True)
class _Gathered:
    """Columns as they grow, and the owners and kinds of request by number."""

    asked: _Asked
    ids: list[str] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    owners: list[int] = field(default_factory=list)
    kinds: list[int] = field(default_factory=list)
    complete: bytearray = field(default_factory=bytearray)
    counts: dict[tuple[int, str], list[int]] = field(default_factory=dict)
    costs: dict[int, list[int]] = field(default_factory=dict)
    owner: dict[_Row, int] = field(default_factory=dict)
    kind: dict[_Row, int] = field(default_factory=dict)

    def take(self, rows: list[_Row]) -> None:
        """Add the uses of some requests."""
        parts = _by_use(rows)
        firsts = parts[0][0]
        before = len(self.ids)
        ids, _, starts, *owned, names, statuses, unsure, _ = _turned(firsts)[:_OF_REQUEST]
        used = [self._take_use(number, *part, before) for number, part in enumerate(parts)]
        self.ids += ids
        self.starts += starts
        self.owners += _numbers(self.owner, zip(*owned, strict=True))
        self.kinds += _numbers(self.kind, zip_longest(names, statuses, *used, fillvalue=()))
        self.complete += bytes([not one for one in unsure])
        for column in (*self.counts.values(), *self.costs.values()):
            column.extend([0] * (len(self.ids) - len(column)))

    def _take_use(
        self, number: int, rows: list[_Row], places: Sequence[int], before: int
    ) -> Sequence[_Row]:
        """Add one use of each request that has so many; gives their models and meters."""
        columns = _turned(rows)
        after, width = _OF_REQUEST + self.asked.marks, len(self.asked.meters)
        for meter, values in zip(self.asked.meters, columns[after:], strict=False):
            if any(values):
                _put(self.counts.setdefault((number, meter), []), values, places, before)
        costs = self.asked.in_one(columns[after + width :], len(rows))
        _put(self.costs.setdefault(number, []), costs, places, before)
        forms = list(zip(*columns[1:2], *columns[_OF_REQUEST - 1 : after], strict=True))
        if isinstance(places, range):
            return forms
        found: list[_Row] = [()] * (places[-1] + 1)
        for place, form in zip(places, forms, strict=True):
            found[place] = form
        return found

    def columns(self) -> Columns:
        """All that was added."""
        costs = [self.costs[number] for number in range(len(self.costs))]
        finest = self.asked.finest
        places = fewest_places(costs, finest)
        scale = 10 ** (finest - places)
        return Columns(
            self.ids,
            self.starts,
            self.owners,
            self.kinds,
            self.complete,
            self.counts,
            costs if scale == 1 else [[unit // scale for unit in one] for one in costs],
            places,
            [_owner(*one) for one in self.owner],
            [_kind(one, self.asked.meters) for one in self.kind],
        )


def _by_use(rows: list[_Row]) -> list[tuple[list[_Row], Sequence[int]]]:
    """The first, second … use of each request that has so many, and which requests these are."""
    ids = [row[0] for row in rows]
    if not any(map(eq, ids, islice(ids, 1, None))):
        return [(rows, range(len(rows)))]
    found: list[tuple[list[_Row], list[int]]] = []
    place = -1
    for place, (_, own) in enumerate(groupby(rows, key=itemgetter(0))):
        for use, row in enumerate(own):
            if use == len(found):
                found.append(([], []))
            found[use][0].append(row)
            found[use][1].append(place)
    return [(found[0][0], range(place + 1)), *found[1:]]


def _turned(rows: Sequence[_Row]) -> list[_Row]:
    return list(zip(*rows, strict=True))


def _put(column: list[int], values: Sequence[int], places: Sequence[int], before: int) -> None:
    """Put values to their places beyond ``before``; 0 is everywhere else."""
    column += [0] * (before - len(column))
    if isinstance(places, range):
        column += values
        return
    column += [0] * (places[-1] + 1)
    for place, value in zip(places, values, strict=True):
        column[before + place] = value


def _numbers(known: dict[_Row, int], values: Iterable[_Row]) -> list[int]:
    return [known.setdefault(value, len(known)) for value in values]


def _owner(
    user: str | None, tenant: str | None, feature: str | None, plan: str | None, tags: str | None
) -> Owner:
    return Owner(user, tenant, feature, plan, orjson.loads(tags) if tags else {})


def _kind(told: _Row, meters: Sequence[str]) -> Kind:
    name, status, *uses = told
    return Kind(name, Status(status), tuple(_used(meters, *one) for one in uses if any(one[1:2])))


def _used(
    meters: Sequence[str], model: str | None, leaf: bool, *marks: int
) -> tuple[str | None, tuple[str, ...]]:
    """A model and its meters; a row that is no ``leaf`` is no use at all."""
    assert leaf
    bits = enumerate(meters)
    return model, tuple(meter for bit, meter in bits if marks[bit // _MARKS] >> bit % _MARKS & 1)
