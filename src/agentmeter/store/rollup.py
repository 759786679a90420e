"""Roll-ups: the figures of many requests by key, as the report's own breakdown has them.

The SQL is in files beside this one; what is put into it here are expressions of our own, never a
value that somebody gave.
"""

from collections.abc import Sequence
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any

from agentmeter.exceptions import ConfigurationError
from agentmeter.model import Origin, Usage
from agentmeter.report.breakdown import KEYS, NONE, Row
from agentmeter.report.distribution import PERCENTS, Distribution
from agentmeter.report.provenance import Origins
from agentmeter.report.report import Amounts
from agentmeter.store.choice import Choice, clause, column
from agentmeter.store.engine import Store
from agentmeter.store.leaves import OF_LEAF

EVERYTHING = Choice()
RANKED = f"quantile_disc(paid, [{', '.join(str(percent / 100) for percent in PERCENTS)}])"
"""The costs at ``PERCENTS``, by nearest rank, as a list."""


@cache
def _sql(name: str) -> str:
    text = files("agentmeter.store").joinpath(f"{name}.sql").read_text("utf-8")
    return "\n".join(line for line in text.splitlines() if not line.startswith("--"))


def _filled(name: str, **parts: str) -> str:
    sql = _sql(name)
    for mark, text in parts.items():
        sql = sql.replace(f":{mark}", text)
    return sql


def rollup(
    store: Store, by: str, choice: Choice = EVERYTHING, limit: int | None = None
) -> tuple[Row, ...]:
    """Rows by what ``breakdown.KEYS`` lists, or by ``tag:NAME``; the dearest first.

    Raises ``ConfigurationError`` for anything else to sort by, or for a condition that cannot be.
    """
    key = _key(by)
    chosen = clause(choice, _currency(store))
    values = {**chosen.values, **({"tag": by.removeprefix("tag:")} if "$tag" in key else {})}
    sql = _filled(
        "rollup",
        key=key,
        requests=_requests(by, choice, marked=store.marks),
        sums=_sums(store),
        chosen=chosen.sql,
        limit="" if limit is None else f"LIMIT {int(limit)}",
    )
    own = _own_meters(store, key, chosen.sql, values) if store.own_meters else {}
    return tuple(_row(store, found, own) for found in store.select(sql, values))


def _key(by: str) -> str:
    found = column(by) if by in KEYS or by.startswith("tag:") else None
    if found is None:
        raise ConfigurationError(f"cannot sort by {by!r}; there are {', '.join(KEYS)} and tag:NAME")
    # what is blank is shown as one; a request is never blank, and there may be millions of them
    return found if by == "request" else f"coalesce(nullif({found}, ''), '{NONE}')"


def _requests(by: str, choice: Choice, *, marked: bool) -> str:
    """Requests are counted by marks on their first leaves, where those are not filtered away."""
    if by == "request":
        return "1"
    if not marked or not choice.whole_requests:
        return "count(DISTINCT request_id)"
    bit = 1 << (OF_LEAF.index(by) + 1) if by in OF_LEAF else 1
    return f"sum(CASE WHEN firsts & {bit} > 0 THEN 1 ELSE 0 END)"


def _sums(store: Store) -> str:
    parts = [f"sum(m_{meter})" for meter in store.meters]
    for currency in _names(store.currencies):
        only = f"CASE WHEN currency = '{currency}' THEN cost END"
        cost = "cost" if len(store.currencies) == 1 else only
        parts.append(f"sum({cost})")
        parts.append(f"sum(CASE WHEN waste IS NOT NULL THEN {cost} END)")
    return "".join(f",\n    {part}" for part in parts)


def _names(currencies: Sequence[str]) -> list[str]:
    """Currencies are three capitals (``Money`` and ``Tariff`` see to that), and nothing else."""
    wrong = [one for one in currencies if not (one.isalnum() and one.isascii())]
    if wrong:
        raise ConfigurationError(f"currency {wrong[0]!r} is not an ISO 4217 code")
    return list(currencies)


def _own_meters(
    store: Store, key: str, chosen: str, values: dict[str, Any]
) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for name, meter, quantity in store.select(
        _filled("own_meters", key=key, chosen=chosen), values
    ):
        found.setdefault(name, {})[meter] = int(quantity)
    return found


def _row(store: Store, found: tuple[Any, ...], own: dict[str, dict[str, int]]) -> Row:
    key, requests, calls, partial, *sums = found
    meters = len(store.meters)
    counted = zip(store.meters, sums[:meters], strict=True)
    usage = {meter: int(quantity) for meter, quantity in counted if quantity}
    costs = sums[meters::2], sums[meters + 1 :: 2]
    amounts, waste = (_amounts(store, values) for values in costs)
    used = Usage({**usage, **own.get(key, {})})
    return Row(key, int(requests), int(calls), used, amounts, waste, bool(partial))


def _amounts(store: Store, values: list[Decimal | None]) -> Amounts:
    return {
        currency: amount
        for currency, amount in zip(store.currencies, values, strict=True)
        if amount is not None
    }


def _currency(store: Store) -> str:
    """The currency that a cost is in where none is named: US dollars where there are any."""
    return store.currencies[0] if store.currencies else "USD"


def distribution(
    store: Store, choice: Choice = EVERYTHING, currency: str | None = None
) -> Distribution:
    """The cost of a request in one currency, by nearest rank."""
    chosen = clause(choice, _currency(store))
    used = currency or _currency(store)
    only = (
        "cost"
        if list(store.currencies) == [used]
        else "CASE WHEN currency = $currency THEN cost END"
    )
    sql = _filled("distribution", cost=only, chosen=chosen.sql, ranked=RANKED)
    values = {**chosen.values, **({"currency": used} if "$currency" in sql else {})}
    (found,) = store.select(sql, values)
    requests, total, dearest, partial, ranked = found
    none = Decimal(0)
    percentiles = zip(PERCENTS, ranked or [none] * len(PERCENTS), strict=True)
    return Distribution(
        used,
        int(requests or 0),
        total or none,
        {percent: value or none for percent, value in percentiles},
        dearest or none,
        int(partial or 0),
    )


def origins(store: Store, choice: Choice = EVERYTHING) -> tuple[Origins, ...]:
    """What the input was paid for, by where it came from: calls, input tokens and amounts."""
    chosen = clause(choice, _currency(store))
    names = _names(store.currencies)
    sums = "".join(f", sum(CASE WHEN currency = '{one}' THEN paid.cost END)" for one in names)
    found = store.select(_filled("origins", chosen=chosen.sql, sums=sums), chosen.values)
    return tuple(
        Origins(Origin(origin), int(calls), int(tokens), _amounts(store, costs))
        for origin, calls, tokens, *costs in found
    )
