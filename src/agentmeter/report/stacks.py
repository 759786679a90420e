"""What each stack of scopes cost: the form that profilers read."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from agentmeter.model.money import CONTEXT, total
from agentmeter.report.breakdown import Leaf, leaves
from agentmeter.report.flat import started
from agentmeter.report.report import Report, ScopeReport

Stack = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stacks:
    """Stacks from the root down, each with the direct cost of the leaf that it ends in."""

    name: str
    currency: str
    samples: tuple[tuple[Stack, Decimal], ...]

    @property
    def whole(self) -> Decimal:
        """The sum of all samples."""
        return total([amount for _, amount in self.samples])


def stacks(report: Report, most: int) -> Iterator[Stacks]:
    """All requests as one, equal stacks summed; then each of the ``most`` dearest by itself.

    One of each for every currency. Leaves without a price have no weight, and are in none.
    """
    found: dict[str, dict[str, list[tuple[Stack, Decimal]]]] = {}
    for leaf in sorted(leaves(report), key=started):
        request, _, scope = leaf
        if scope.cost.lines:
            by_request = found.setdefault(scope.cost.currency, {})
            sample = (_stack(leaf), scope.cost.amount)
            by_request.setdefault(request.request_id, []).append(sample)
    for currency, by_request in sorted(found.items()):
        every = (sample for samples in by_request.values() for sample in samples)
        yield Stacks("all requests", currency, _summed(every))
        parts = [Stacks(f"request {one}", currency, tuple(s)) for one, s in by_request.items()]
        yield from sorted(parts, key=lambda part: (-part.whole, part.name))[:most]


def _stack(leaf: Leaf) -> Stack:
    _, above, scope = leaf
    return tuple(map(_frame, (*above, scope)))


def _frame(scope: ScopeReport) -> str:
    return f"{scope.record.kind} {scope.record.name}"


def _summed(samples: Iterable[tuple[Stack, Decimal]]) -> tuple[tuple[Stack, Decimal], ...]:
    sums: dict[Stack, Decimal] = {}
    for stack, amount in samples:
        sums[stack] = CONTEXT.add(sums.get(stack, Decimal(0)), amount)
    return tuple(sorted(sums.items()))
