"""Self-hosted models: GPU time x rate, by the time that a call was busy or by its tokens.

[[self_hosted]]
model = "llama*"             # a glob, as for a rate
provider = "vllm"            # optional
gpu = "A100"                 # optional, for the source
gpus = 2                     # that serve the model together; 1 where left out
per_hour = "4.20"            # of one GPU
concurrency = 8              # by time: calls that are served at once; 1 where left out
tokens_per_second = 2_500    # by tokens instead: the throughput of all GPUs together
from = 2026-01-01            # optional; until as well, exclusive
source = "invoice 2026-04"   # optional

By time, the meter ``busy_millisecond`` is how long a call took, as its client saw it, and costs
``gpus x per_hour / concurrency`` per hour; ``gpu_second``, where the application records it, is
taken instead, at ``per_hour``. By tokens, in and out cost alike. Either is what a call is said to
cost while it is made; what the GPUs cost in fact, idle time in it, is an allocation of the period
(``capacity``), which makes up the difference whatever concurrency was assumed here.
"""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal, Inexact
from typing import Any

from agentmeter.model.money import CONTEXT, plain
from agentmeter.pricing.tables import TableReader
from agentmeter.pricing.tariff import Rate

_FIELDS = ("model", "provider", "gpu", "gpus", "per_hour", "concurrency", "tokens_per_second")
_ALL = (*_FIELDS, "from", "until", "source")
_FINEST = Decimal("1e-18")
_HOUR_MS = 3_600_000


def self_hosted_rates(reader: TableReader, table: Mapping[str, Any], line: int) -> tuple[Rate, ...]:
    """One ``[[self_hosted]]`` table as rows."""
    reader.only(table, _ALL, line)
    if "per_hour" not in table:
        reader.fail(line, "per_hour", "the price of one GPU for an hour is needed, such as '4.20'")
    if "tokens_per_second" in table and "concurrency" in table:
        reader.fail(line, "concurrency", "is for a price by time; leave tokens_per_second out")
    per_hour = reader.price("per_hour", table["per_hour"], line)
    gpus, gpu = _positive(reader, table, "gpus", line), reader.text(table, "gpu", line) or "GPU"
    all_gpus = CONTEXT.multiply(per_hour, Decimal(gpus))
    from_ns, until_ns = reader.period(table, line)
    source = reader.text(table, "source", line) or reader.name
    if "tokens_per_second" in table:
        each = _positive(reader, table, "tokens_per_second", line) * 3_600
        told = f"{gpus} x {gpu}, {plain(all_gpus)} for {each:,} tokens"
        priced = dict.fromkeys(("input", "output"), (all_gpus, each, told))
    else:
        each = _positive(reader, table, "concurrency", line) * _HOUR_MS
        told = f"{gpus} x {gpu}, {plain(all_gpus)} for {each:,} ms"
        priced = {
            "busy_millisecond": (all_gpus, each, told),
            "gpu_second": (per_hour, 3_600, f"{gpu}, {plain(per_hour)} for 3,600 s"),
            "input": (Decimal(0), 1, "paid by GPU time"),
            "output": (Decimal(0), 1, "paid by GPU time"),
        }
    return tuple(
        _rate(
            name,
            *basis,
            Rate(meter=name, price=Decimal(0), source=source, from_ns=from_ns, until_ns=until_ns),
        )
        for name, basis in priced.items()
    )


def _rate(name: str, amount: Decimal, units: int, told: str, blank: Rate) -> Rate:
    """The price of one unit, which may have no exact one: then it is rounded, and that is said."""
    context = CONTEXT.copy()
    context.clear_flags()
    price = context.divide(amount, Decimal(units))
    if context.flags[Inexact] or price != CONTEXT.quantize(price, _FINEST):
        price, told = CONTEXT.quantize(price, _FINEST), f"{told}, rounded to 18 decimals for one"
    return replace(blank, price=price, assumed=told)


def _positive(reader: TableReader, table: Mapping[str, Any], field: str, line: int) -> int:
    value = reader.whole({field: 1, **table}, field, line)
    if not value:
        reader.fail(line, field, "expected a count above zero, got 0")
    return value
