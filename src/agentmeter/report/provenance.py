"""What a request's input was paid for, piece by piece: the same piece may be sent many times."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from agentmeter.attribution.provenance import Portion, portions
from agentmeter.model import Origin, Usage
from agentmeter.model.money import CONTEXT, times, total
from agentmeter.report.breakdown import leaves
from agentmeter.report.report import Amounts, Report, RequestReport, ScopeReport, added, walk

EVIDENCE = "estimated split of reported totals"


@dataclass(frozen=True, slots=True)
class Paid:
    """One piece of input, or all pieces of one origin, over all the calls that it was sent in.

    ``tokens`` is its size, the largest where calls divide differently; ``usage`` by meter sums to
    all that was paid for it. ``digest`` and ``name`` are blank for a whole origin.
    """

    origin: Origin
    digest: str | None
    name: str | None
    tokens: int
    calls: int
    usage: Usage
    amounts: Amounts

    @property
    def at_cached_rate(self) -> int:
        """How much of the input was read from a cache."""
        return sum(n for meter, n in self.usage.items() if meter.startswith("cache_read"))


@dataclass(frozen=True, slots=True)
class Origins:
    """All that was paid for pieces of one origin, over many requests: input tokens and amounts."""

    origin: Origin
    calls: int
    tokens: int
    amounts: Amounts


@dataclass(frozen=True, slots=True)
class Provenance:
    """A request's input by origin and by piece, the dearest first.

    ``untold`` counts the calls whose input is known but was not told apart.
    """

    by_origin: tuple[Paid, ...]
    segments: tuple[Paid, ...]
    untold: int


def provenance(request: RequestReport) -> Provenance:
    """Where a request's input came from."""
    by_piece: dict[tuple[Origin, str | None], list[tuple[int, Portion, Amounts]]] = {}
    by_origin: dict[tuple[Origin, str | None], list[tuple[int, Portion, Amounts]]] = {}
    untold = 0
    for number, scope in enumerate(walk(request.tree)):
        found = _portions(scope)
        untold += scope.node.is_call and not found and bool(scope.node.usage.total_input)
        for portion in found:
            segment = portion[0]
            sent = (number, portion, _cost(scope, portion[1]))
            by_piece.setdefault((segment.origin, segment.digest), []).append(sent)
            by_origin.setdefault((segment.origin, None), []).append(sent)
    return Provenance(_paid(by_origin), _paid(by_piece), untold)


def by_origin(scope: ScopeReport) -> dict[Origin, tuple[int, Amounts]]:
    """Tokens and cost of one call's input, by where it came from."""
    found: dict[Origin, tuple[int, Amounts]] = {}
    for segment, usage in _portions(scope):
        tokens, amounts = found.get(segment.origin, (0, {}))
        paid = added([amounts, _cost(scope, usage)])
        found[segment.origin] = (tokens + usage.total_input, paid)
    return found


def origins(report: Report) -> tuple[Origins, ...]:
    """What the input of all requests was paid for, by where it came from; the dearest first."""
    found: dict[Origin, list[tuple[int, Amounts]]] = {}
    for _, _, scope in leaves(report):
        for origin, paid in by_origin(scope).items():
            found.setdefault(origin, []).append(paid)
    rows = [
        Origins(origin, len(paid), sum(n for n, _ in paid), added(amounts for _, amounts in paid))
        for origin, paid in found.items()
    ]
    return tuple(sorted(rows, key=lambda row: (total(row.amounts).copy_negate(), row.origin)))


def _portions(scope: ScopeReport) -> tuple[Portion, ...]:
    call = scope.record.call
    return portions(call, scope.node.usage) if call is not None and scope.node.is_call else ()


def _cost(scope: ScopeReport, usage: Usage) -> Amounts:
    """A piece's quantities at the unit prices of its call; what has no price is not in it."""
    prices: dict[str, Decimal] = {}
    for line in scope.cost.lines:
        before = prices.get(line.billed, Decimal(0))
        prices[line.billed] = CONTEXT.add(before, line.unit_price)
    amount = Decimal(0)
    for meter, quantity in usage.items():
        if meter in prices:
            amount = CONTEXT.add(amount, times(quantity, prices[meter]))
    return {scope.cost.currency: amount} if amount else {}


def _paid(
    sent: dict[tuple[Origin, str | None], list[tuple[int, Portion, Amounts]]],
) -> tuple[Paid, ...]:
    rows = [_row(origin, digest, found) for (origin, digest), found in sent.items()]
    return tuple(sorted(rows, key=_dearest_first))


def _dearest_first(row: Paid) -> tuple[Decimal, int, str, str]:
    amount = total(row.amounts)
    return amount.copy_negate(), -row.usage.total_input, row.origin, row.digest or ""


def _row(origin: Origin, digest: str | None, found: list[tuple[int, Portion, Amounts]]) -> Paid:
    usage = _sum(portion[1] for _, portion, _ in found)
    named = {portion[0].name for _, portion, _ in found if portion[0].name}
    return Paid(
        origin,
        digest,
        min(named) if named and digest else None,
        max(portion[1].total_input for _, portion, _ in found),
        len({number for number, _, _ in found}),
        usage,
        added(amounts for _, _, amounts in found),
    )


def _sum(parts: Iterable[Usage]) -> Usage:
    total = Usage()
    for part in parts:
        total = total + part
    return total
