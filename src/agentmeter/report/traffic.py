"""The requests of a report as compact rows, for plans to work on."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal

from agentmeter.exceptions import PlanError
from agentmeter.model import UNATTRIBUTED
from agentmeter.model.money import CONTEXT, total
from agentmeter.pricing.plans import PlanBook, PricedRequest, Traffic, Use
from agentmeter.report.report import Amounts, Report, RequestReport, ScopeReport, walk

_NOTHING = Decimal(0)
CHARGED = "charge"
"""The meter of a cost that the application charged; its model is the name it was charged under."""

Rate = Callable[[str], Decimal]
"""What one unit of a currency is worth; raises where nothing says."""


def traffic_of(report: Report, currency: str, rate: Rate) -> Traffic:
    """The requests of a report with their true cost in one currency."""
    shapes: dict[tuple[str, ...], tuple[str, ...]] = {}
    rows = [_row(one, rate, shapes) for one in report.requests if one.request_id != UNATTRIBUTED]
    return Traffic(rows, currency)


def converted(amounts: Amounts, rate: Rate) -> Decimal:
    """Amounts by currency as one."""
    return total([CONTEXT.multiply(amount, rate(code)) for code, amount in amounts.items()])


def row_in(one: RequestReport, book: PlanBook) -> PricedRequest:
    """One reported request as a row in the currency of a book.

    What it cost in a currency that the book has no rate for is not in it, and it not complete.
    """
    try:
        return _row(one, book.rate, {})
    except PlanError:
        known = {book.currency, *book.exchange}
        row = _row(one, lambda code: book.rate(code) if code in known else _NOTHING, {})
        return replace(row, complete=False)


def _row(
    one: RequestReport, rate: Rate, shapes: dict[tuple[str, ...], tuple[str, ...]]
) -> PricedRequest:
    root = one.tree.record
    return PricedRequest(
        one.request_id,
        one.view.owner,
        root.started_ns,
        root.name,
        root.status,
        tuple(_uses(one, rate, shapes)),
        not one.is_lower_bound,
    )


def _uses(
    one: RequestReport, rate: Rate, shapes: dict[tuple[str, ...], tuple[str, ...]]
) -> Iterator[Use]:
    found: dict[str | None, tuple[dict[str, int], list[Decimal]]] = {}
    for scope in walk(one.tree):
        if scope.node.is_call:
            model, counts = _used(scope)
            usage, costs = found.setdefault(model, ({}, []))
            costs.append(converted(scope.direct, rate))
            for meter, count in counts.items():
                usage[meter] = usage.get(meter, 0) + count
    for model, (usage, costs) in sorted(found.items(), key=lambda item: item[0] or ""):
        meters = tuple(sorted(usage))
        counted = tuple(usage[meter] for meter in meters)
        yield Use(model, shapes.setdefault(meters, meters), counted, total(costs))


def _used(scope: ScopeReport) -> tuple[str | None, dict[str, int]]:
    call = scope.record.call
    if call is None:
        return None, dict(scope.node.usage)
    if is_charge(scope):
        return scope.record.name, {CHARGED: 1}
    return call.priced_model, dict(scope.node.usage)


def is_charge(scope: ScopeReport) -> bool:
    """Whether plans see a leaf as a charge, under its name, and not as use of a model."""
    call = scope.record.call
    return call is not None and call.charge is not None and not scope.node.usage
