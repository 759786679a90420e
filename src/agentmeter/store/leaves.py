"""Leaves as rows: what attribution and pricing have made of a request, for roll-ups in SQL.

Attribution is subtle (repetition, amendments, residuals, shares, waste, turns) and stays in one
place, in Python. It runs once, when a request is compacted, and what it found lies here: one row
for each leaf, with its cost, which nothing changes any more, since the tariff that a call names is
fixed by its digest. A roll-up is then a plain ``GROUP BY``, and SQL only ever adds. A request whose
later entries arrive afterwards is resolved again as a whole, and its earlier rows hold no more.
Prices are joined in SQL (``pricing.sql``; ``amounts`` without its lines) where a pricer is asked
again.

A request without leaves has one row with ``leaf`` false, so that it counts among the requests.
"""

from collections.abc import Iterator
from decimal import Decimal

from agentmeter.exceptions import MoneyError
from agentmeter.model import METERS, Usage
from agentmeter.model.money import plain
from agentmeter.report.breakdown import KEYS, Leaf, leaves, leaves_some_out
from agentmeter.report.provenance import by_origin
from agentmeter.report.report import Amounts, Report, RequestReport, ScopeReport
from agentmeter.report.traffic import is_charge
from agentmeter.store.rows import LARGEST, Row

SCALE = 18
"""Decimals of an amount in a file of leaves; what would not fit is refused."""
MONEY = f"DECIMAL(38,{SCALE})"

OWNED = ("user", "tenant", "feature", "plan")
OF_LEAF = ("agent", "step", "tool", "branch", "iteration", "model", "provider", "day", "waste",
           "evidence")  # fmt: skip
"""Keys that differ within a request. Bit ``n + 1`` of ``firsts`` is set in the first leaf of a
request with its value of key ``n``, bit 0 in its first leaf: their sums count requests."""

LEAF_COLUMNS = {
    "leaf": "BOOLEAN",
    "request_id": "VARCHAR",
    "request_name": "VARCHAR",
    "request_status": "VARCHAR",
    "request_started_ns": "BIGINT",
    "request_ended_ns": "BIGINT",
    "lower_bound": "BOOLEAN",
    **dict.fromkeys(OWNED, "VARCHAR"),
    "tags": "MAP(VARCHAR, VARCHAR)",
    "scope_id": "VARCHAR",
    "name": "VARCHAR",
    "started_ns": "BIGINT",
    "ended_ns": "BIGINT",
    "status": "VARCHAR",
    **dict.fromkeys(OF_LEAF, "VARCHAR"),
    "operation": "VARCHAR",
    "asked_model": "VARCHAR",
    "priced_model": "VARCHAR",
    "charge": "BOOLEAN",
    "service_tier": "VARCHAR",
    "batch": "BOOLEAN",
    "speed": "VARCHAR",
    "region": "VARCHAR",
    "deployment": "VARCHAR",
    "search_context": "VARCHAR",
    "calls": "BIGINT",
    "attempts": "BIGINT",
    "only_observed": "BOOLEAN",
    "partial": "BOOLEAN",
    "late": "BOOLEAN",
    "shared": "BOOLEAN",
    "firsts": "INTEGER",
    "tokens": "BIGINT",
    "total_input": "BIGINT",
    **{f"m_{meter}": "BIGINT" for meter in METERS},
    "own_usage": "MAP(VARCHAR, BIGINT)",
    "tariff": "VARCHAR",
    "unpriced": "VARCHAR",
    "currency": "VARCHAR",
    "cost": MONEY,
    "origins": f"MAP(VARCHAR, STRUCT(tokens BIGINT, cost {MONEY}))",
    "trace_id": "VARCHAR",
    "span_id": "VARCHAR",
    "seen_by": "VARCHAR[]",
}
"""Column → type. ``m_*`` are the quantities by meter, NULL for none; ``total_input`` is that of the
whole call, which steps of prices are decided by; ``cost`` is NULL where nothing has a price;
``lower_bound`` is whether more may have been used or charged in the request than is known."""


def leaf_rows(request: RequestReport) -> Iterator[Row]:
    """The rows of one request, or of all unattributed work.

    Raises ``MoneyError`` for an amount or a quantity that SQL does not hold exactly.
    """
    found = list(leaves(Report((request,))))
    shared_by_all = _of_request(request)
    if not found:
        partial = request.view.may_lack_calls
        yield {**shared_by_all, "leaf": False, "calls": 0, "tokens": 0, "partial": partial}
    seen: set[tuple[int, str | None]] = set()
    for leaf in found:
        row = {**shared_by_all, **_of_leaf(leaf, seen)}
        yield {**row, "partial": leaves_some_out(request, leaf[2])}


def _of_request(request: RequestReport) -> Row:
    root, owner = request.tree.record, request.view.owner
    row: Row = {
        "request_id": request.request_id,
        "request_name": root.name,
        "request_status": root.status.value,
        "request_started_ns": min(root.started_ns, LARGEST),
        "request_ended_ns": min(root.ended_ns, LARGEST),
        "lower_bound": request.is_lower_bound,
        **{name: getattr(owner, name) for name in OWNED},
    }
    return {**row, "tags": dict(owner.tags)} if owner.tags else row


def _of_leaf(leaf: Leaf, seen: set[tuple[int, str | None]]) -> Row:
    scope = leaf[2]
    record, call, usage = scope.record, scope.record.call, scope.node.usage
    assert call is not None
    keys = {name: KEYS[name](leaf) for name in OF_LEAF}
    row: Row = {
        "leaf": True,
        "scope_id": record.scope_id,
        "name": record.name,
        "started_ns": min(record.started_ns, LARGEST),
        "ended_ns": min(record.ended_ns, LARGEST),
        "status": record.status.value,
        **keys,
        "waste": keys["waste"] or None,
        "operation": call.operation,
        "asked_model": call.model,
        "priced_model": call.priced_model,
        "service_tier": call.service_tier,
        "speed": call.speed,
        "region": call.region,
        "deployment": call.deployment,
        "search_context": call.search_context,
        "calls": call.calls,
        "attempts": max(call.calls, len(call.attempts)),
        "firsts": _firsts(keys, seen),
        "tokens": usage.total_tokens,
        "total_input": call.usage.total_input,
        **_quantities(usage, record.scope_id),
        "tariff": call.tariff,
        "unpriced": call.unpriced,
        **_cost(scope),
        "trace_id": record.trace_id,
        "span_id": record.span_id,
        "seen_by": scope.node.seen_by,
    }
    flags = {"charge": is_charge(scope), "batch": call.batch, "late": record.late,
             "shared": bool(record.shares), "only_observed": scope.node.only_observed}  # fmt: skip
    return row | flags


def _firsts(keys: dict[str, str | None], seen: set[tuple[int, str | None]]) -> int:
    bits = 0
    for bit, mark in enumerate((None, *keys.values())):
        if (bit, mark or None) not in seen:
            seen.add((bit, mark or None))
            bits |= 1 << bit
    return bits


def _quantities(usage: Usage, scope_id: str) -> Row:
    too_many = [meter for meter, quantity in usage.items() if quantity > LARGEST]
    if too_many or usage.total_tokens > LARGEST:
        raise MoneyError(f"call {scope_id}: a quantity is larger than {LARGEST}; not for SQL")
    row: Row = {f"m_{meter}": n for meter, n in usage.items() if meter in METERS}
    own = {meter: n for meter, n in usage.items() if meter not in METERS}
    return {**row, "own_usage": own} if own else row


def _cost(scope: ScopeReport) -> Row:
    where = f"call {scope.record.scope_id}"
    row: Row = {}
    for currency, amount in scope.direct.items():
        row = {"currency": currency, "cost": fitting(amount, where)}
    origins = {
        origin.value: {"tokens": tokens, "cost": _first(amounts, where)}
        for origin, (tokens, amounts) in by_origin(scope).items()
    }
    return {**row, "origins": origins} if origins else row


def _first(amounts: Amounts, where: str) -> str | None:
    return next((fitting(amount, where) for amount in amounts.values()), None)


def fitting(amount: Decimal, where: str) -> str:
    """An amount as text that SQL reads exactly. Raises ``MoneyError`` for one that it cannot."""
    text = plain(amount)
    whole, _, decimals = text.lstrip("-").partition(".")
    if len(decimals) > SCALE or len(whole) > 38 - SCALE:
        raise MoneyError(
            f"{where}: {text} does not fit into {38 - SCALE} digits and {SCALE} decimals, so it "
            "cannot be added up in SQL; 'agentmeter report' without filters adds it in Python"
        )
    return text
