"""The ``.sql`` files beside this one, filled in for a table of a layout."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any

from agentmeter.model import METERS, Side
from agentmeter.semconv import names
from agentmeter.semconv.dialects import PREFIXES
from agentmeter.semconv.sampling import STATED
from agentmeter.store.clickhouse.address import backticked, quoted
from agentmeter.store.clickhouse.layout import Layout

_ATTRIBUTE = re.compile(r"@([a-z_]+(?:\.[a-z_]+)+)")
_DAY_NS = 86_400_000_000_000
_LISTED = (names.TAG, names.USAGE, names.EVIDENCE)


@cache
def _sql(name: str) -> str:
    text = files("agentmeter.store.clickhouse").joinpath(f"{name}.sql").read_text("utf-8")
    return "\n".join(line for line in text.splitlines() if not line.startswith("--"))


@dataclass(frozen=True, slots=True)
class Found:
    """What a table has in it: names in use, and how many entries tie others."""

    meters: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    untold: int = 0
    """Spans of others that name no request."""
    sharing: int = 0
    stray: int = 0
    currencies: tuple[str, ...] = ()
    """Of what was charged."""
    tariffs: tuple[str, ...] = ()
    """The digests that records name."""

    @property
    def known(self) -> tuple[str, ...]:
        """The meters of the table of meters."""
        return tuple(meter for meter in self.meters if meter in METERS)

    @property
    def own(self) -> tuple[str, ...]:
        """The meters of the application's own."""
        return tuple(meter for meter in self.meters if meter not in METERS and "." in meter)

    @property
    def strange(self) -> tuple[str, ...]:
        """Meters that this version does not know."""
        return tuple(meter for meter in self.meters if meter not in METERS and "." not in meter)

    @property
    def is_entangled(self) -> bool:
        """Whether anything hangs together across requests."""
        return bool(self.untold or self.sharing or self.stray)

    def with_meters(self, more: Iterable[str]) -> "Found":
        """The same with meters that are in use besides."""
        return replace(self, meters=_in_order({*self.meters, *more}))


def _in_order(meters: Iterable[str]) -> tuple[str, ...]:
    order = {meter: place for place, meter in enumerate(METERS)}
    return tuple(sorted(meters, key=lambda meter: (order.get(meter, len(order)), meter)))


def found_in(row: tuple[Any, ...]) -> Found:
    """The answer to ``survey.sql``."""
    listed, untold, sharing, stray, currencies, tariffs = row

    def under(prefix: str) -> tuple[str, ...]:
        return tuple(sorted(one.removeprefix(prefix) for one in listed if one.startswith(prefix)))

    meters = _in_order(under(names.USAGE))
    tied = untold, sharing, stray
    told = tuple(sorted(currencies)), tuple(sorted(tariffs))
    return Found(meters, under(names.EVIDENCE), under(names.TAG), *tied, *told)


@dataclass(frozen=True, slots=True)
class Questions:
    """The questions to one table, from ``since_ns`` on where that is given."""

    table: str
    layout: Layout
    since_ns: int | None = None

    @property
    def spans(self) -> str:
        """The table, as questions read it."""
        return self.layout.spans(self.table)

    @property
    def when(self) -> str:
        """Whether a span may be of a request that began late enough.

        A span begins after its request does; a day is left to clocks that disagree.
        """
        if self.since_ns is None:
            return "true"
        return f"Timestamp >= fromUnixTimestamp64Nano({max(0, self.since_ns - _DAY_NS)})"

    def survey(self) -> str:
        """What is in the table."""
        listed = " OR ".join(f"startsWith(x, {quoted(prefix)})" for prefix in _LISTED)
        return self._filled(_sql("survey"), listed=listed, telling=self.telling, names=self._names)

    def entries(self, found: Found) -> str:
        """Entries as columns."""
        text = self.layout.text
        quantities = "".join(
            f",\n    toInt64OrZero({text(names.USAGE + meter)}) AS {quantity(meter)}"
            for meter in found.meters
        )
        evidence = ", ".join(text(names.EVIDENCE + meter) for meter in found.evidence)
        return self._filled(
            _sql("entries"),
            quantities=quantities,
            tags=_map({tag: text(names.TAG + tag) for tag in found.tags}, "String", "v != ''"),
            own=_map(
                {one: f"toInt64OrZero({text(names.USAGE + one)})" for one in found.own},
                "Int64",
                "v > 0",
            ),
            evidence=f"[{evidence}]" if evidence else "CAST([] AS Array(String))",
            sampled=self.sampled,
            telling=self.telling,
        )

    def entangled(self, found: Found, odd: Iterable[str], most: int) -> str:
        """The requests that SQL cannot take apart."""
        return self._filled(
            _sql("entangled"),
            counted="".join(f", {quantity(meter)}" for meter in found.meters),
            overlaid="all_reported != '' OR tariff != '' OR known != []"
            + "".join(f" OR {quantity(meter)} > 0" for meter in found.meters),
            odd=" OR ".join(odd) or "0",
            most=str(most),
            entries=self.entries(found),
        )

    def tied(self, found: Found) -> str:
        """The requests that hang together."""
        return self._filled(_sql("tied"), entries=self.entries(found), telling=self.telling)

    def part(self, name: str, found: Found, **marks: str) -> str:
        """Another of the files, over the entries."""
        return self._filled(_sql(name), entries=self.entries(found), **marks)

    @property
    def telling(self) -> str:
        """Whether a span has an attribute of a GenAI dialect."""
        told = " OR ".join(f"startsWith(x, {quoted(prefix)})" for prefix in PREFIXES)
        return f"arrayExists(x -> {told}, {self._names})"

    @property
    def sampled(self) -> str:
        """Whether an entry came through a pipeline that drops some, and not from us ourselves."""
        ours = self.layout.resource(names.SCHEMA)
        told = f"match(TraceState, {quoted(STATED)}) OR {self.layout.text(names.SAMPLER)} != ''"
        return f"({ours} = '' AND ({told}))"

    @property
    def _names(self) -> str:
        return self.layout.names

    def _filled(self, sql: str, **marks: str) -> str:
        for mark, text in {**marks, "spans": self.spans, "when": self.when}.items():
            sql = sql.replace(f":{mark}", text)
        return _ATTRIBUTE.sub(lambda name: self.layout.text(name[1]), sql)


def quantity(meter: str) -> str:
    """The column of a meter's quantity."""
    return f"m_{meter}" if meter in METERS else backticked(f"own {meter}")


def side(found: Found, *sides: Side) -> str:
    """The sum of the meters of some sides."""
    counted = [quantity(one) for one in found.known if METERS[one].side in sides]
    return " + ".join(counted) or "toInt64(0)"


def _map(values: dict[str, str], kind: str, kept: str) -> str:
    if not values:
        return f"CAST(map() AS Map(String, {kind}))"
    pairs = ", ".join(f"{quoted(name)}, {value}" for name, value in values.items())
    return f"mapFilter((k, v) -> {kept}, map({pairs}))"
