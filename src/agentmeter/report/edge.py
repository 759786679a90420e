"""The edge: a report in another currency, rounded once, with tax.

Everything before is exact. ``converted`` still is: each call at the rate of the day it began, an
allocation at that of its period's last day, products of decimals without rounding. ``stated``
rounds, once: the whole by the mode asked for, and the requests by largest remainder, so that they
add up to it; tax is worked out on the rounded net and shared in the same way.
"""

from collections.abc import Mapping
from dataclasses import replace
from decimal import (
    ROUND_CEILING,
    ROUND_DOWN,
    ROUND_FLOOR,
    ROUND_HALF_DOWN,
    ROUND_HALF_EVEN,
    ROUND_HALF_UP,
    ROUND_UP,
    Decimal,
)

from agentmeter.exceptions import ConfigurationError
from agentmeter.model.money import CONTEXT, plain, total
from agentmeter.pricing.allocation.rule import Allocation
from agentmeter.pricing.cost import Cost, Line
from agentmeter.pricing.currency import CurrencyRate, CurrencyRates, minor_places
from agentmeter.report.report import (
    Amounts,
    Report,
    RequestReport,
    ScopeReport,
    Stated,
    added,
    assembled,
    walk,
)

ROUNDINGS = {
    "half-even": ROUND_HALF_EVEN,
    "half-up": ROUND_HALF_UP,
    "half-down": ROUND_HALF_DOWN,
    "up": ROUND_UP,
    "down": ROUND_DOWN,
    "ceiling": ROUND_CEILING,
    "floor": ROUND_FLOOR,
}
_HUNDRED = Decimal(100)
_UNATTRIBUTED, _UNSHARED = "\0unattributed", "\0unshared"


def converted(report: Report, rates: CurrencyRates, to: str) -> Report:
    """``report`` with every amount in one currency, exactly.

    Raises ``ConfigurationError`` where a day has no rate; nothing is converted then.
    """
    exchange = _Exchange(rates, to)
    requests = tuple(exchange.request(one) for one in report.requests)
    unattributed = exchange.request(report.unattributed) if report.unattributed else None
    unshared = tuple(map(exchange.allocation, report.unshared))
    return replace(
        report,
        requests=requests,
        unattributed=unattributed,
        unshared=unshared,
        exchange=tuple(sorted(exchange.used, key=lambda one: (one.base, one.day))),
    )


class _Exchange:
    """Converts the parts of a report, and keeps the rates that it took."""

    def __init__(self, rates: CurrencyRates, to: str) -> None:
        self._rates = rates
        self._to = to
        self._known: dict[tuple[str, int], CurrencyRate] = {}
        self.used: set[CurrencyRate] = set()

    def request(self, one: RequestReport) -> RequestReport:
        tree = self._tree(one.tree)
        waste: dict[str, list[Amounts]] = {}
        for scope in walk(tree):
            if scope.node.waste and scope.cost.lines:
                waste.setdefault(scope.node.waste, []).append(scope.direct)
        return replace(
            one,
            tree=tree,
            waste_by={reason: added(parts) for reason, parts in sorted(waste.items())},
            allocations=tuple(map(self.allocation, one.allocations)),
        )

    def allocation(self, line: Allocation) -> Allocation:
        if line.currency == self._to:
            return line
        rate = self._rate(line.currency, line.until_ns - 1)
        amount = CONTEXT.multiply(line.amount, rate.rate)
        note = f"{line.note}; {_told(rate)}"
        return replace(line, amount=amount, currency=self._to, note=note)

    def _tree(self, root: ScopeReport) -> ScopeReport:
        order = [root]
        for scope in order:
            order.extend(scope.children)
        built: dict[int, ScopeReport] = {}
        for scope in reversed(order):
            children = tuple(built[id(child)] for child in scope.children)
            cost = self._cost(scope.cost, scope.record.started_ns)
            built[id(scope)] = assembled(scope.node, children, cost)
        return built[id(root)]

    def _cost(self, cost: Cost, at_ns: int) -> Cost:
        if cost.currency == self._to or not cost.lines:
            return replace(cost, currency=self._to)
        rate = self._rate(cost.currency, at_ns)
        lines = tuple(_line(line, rate) for line in cost.lines)
        return Cost(self._to, lines, cost.gaps)

    def _rate(self, base: str, at_ns: int) -> CurrencyRate:
        day = at_ns // 86_400_000_000_000
        known = self._known.get((base, day))
        if known is None:
            known = self._known[base, day] = self._rates.rate(base, self._to, at_ns)
            self.used.add(known)
        return known


def _told(rate: CurrencyRate) -> str:
    return f"{plain(rate.rate)} {rate.to} for 1 {rate.base} of {rate.on} ({rate.source})"


def _line(line: Line, rate: CurrencyRate) -> Line:
    return replace(
        line,
        unit_price=CONTEXT.multiply(line.unit_price, rate.rate),
        amount=CONTEXT.multiply(line.amount, rate.rate),
        assumed="; ".join(filter(None, (line.assumed, _told(rate)))),
    )


def stated(
    report: Report,
    *,
    places: int | None = None,
    rounding: str = "half-even",
    tax: Decimal | None = None,
) -> Report:
    """``report`` with net, tax and gross for each request, rounded; ``tax`` in percent.

    ``places`` are the currency's own where none are given, ``rounding`` one of ``ROUNDINGS``.
    Raises ``ConfigurationError`` for amounts in several currencies and a rounding, number of
    places or percentage that there is not.
    """
    currency = _only_currency(report)
    places = minor_places(currency) if places is None else places
    percent = Decimal(0) if tax is None else tax
    _check(places, rounding, percent)
    exact = {key: total(amounts) for key, amounts in _parts(report).items()}
    net, net_parts = apportioned(exact, places, rounding)
    owed = {key: _percent_of(part, percent) for key, part in net_parts.items()}
    taxed, tax_parts = apportioned(owed, places, rounding)

    def said(net: Decimal, taxed: Decimal) -> Stated:
        gross = CONTEXT.add(net, taxed)
        return Stated(currency, net, taxed, gross, places, rounding, percent)

    def part_said(key: str) -> Stated | None:
        return said(net_parts[key], tax_parts[key]) if key in net_parts else None

    def with_statement(part: RequestReport, key: str) -> RequestReport:
        return replace(part, stated=part_said(key))

    lone = report.unattributed
    return replace(
        report,
        requests=tuple(with_statement(one, one.request_id) for one in report.requests),
        unattributed=with_statement(lone, _UNATTRIBUTED) if lone else None,
        stated=said(net, taxed),
        unshared_stated=part_said(_UNSHARED),
    )


def _check(places: int, rounding: str, percent: Decimal) -> None:
    if rounding not in ROUNDINGS:
        known = ", ".join(ROUNDINGS)
        raise ConfigurationError(f"rounding: expected one of {known}, got {rounding!r}")
    if not 0 <= places <= 18:
        raise ConfigurationError(f"places: expected 0 to 18, got {places}")
    if not 0 <= percent <= _HUNDRED:
        raise ConfigurationError(f"tax: expected 0 to 100 percent, got {plain(percent)}")


def _percent_of(amount: Decimal, percent: Decimal) -> Decimal:
    return CONTEXT.scaleb(CONTEXT.multiply(amount, percent), -2)


def _only_currency(report: Report) -> str:
    currencies = sorted(report.total)
    if len(currencies) > 1:
        listed = " and ".join(currencies)
        raise ConfigurationError(
            f"amounts in {listed} cannot be added; name one currency and give a table of rates"
        )
    return currencies[0] if currencies else "USD"


def _parts(report: Report) -> dict[str, Amounts]:
    parts = {one.request_id: one.total for one in report.requests}
    if report.unattributed:
        parts[_UNATTRIBUTED] = report.unattributed.total
    if report.unshared:
        parts[_UNSHARED] = added({line.currency: line.amount} for line in report.unshared)
    return parts


def apportioned(
    parts: Mapping[str, Decimal], places: int, rounding: str
) -> tuple[Decimal, dict[str, Decimal]]:
    """The rounded sum, and the parts rounded down or up to a unit so that they sum to it.

    Up go those with the largest remainders, of two that are equal the first by its key.
    """
    unit = CONTEXT.scaleb(Decimal(1), -places)
    whole = total(parts).quantize(unit, ROUNDINGS[rounding], CONTEXT)
    rounded = {key: part.quantize(unit, ROUND_FLOOR, CONTEXT) for key, part in parts.items()}
    left = int(CONTEXT.divide(CONTEXT.subtract(whole, total(rounded)), unit))
    for key in _by_remainder(parts, rounded)[:left]:
        rounded[key] = CONTEXT.add(rounded[key], unit)
    return whole, rounded


def _by_remainder(parts: Mapping[str, Decimal], floors: Mapping[str, Decimal]) -> list[str]:
    remainders = {key: CONTEXT.subtract(part, floors[key]) for key, part in parts.items()}
    return sorted(sorted(remainders), key=remainders.__getitem__, reverse=True)
