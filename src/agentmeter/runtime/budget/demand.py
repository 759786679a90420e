"""What a call may take at most: its input as counted, its output's limit, at the dearest rates."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_FLOOR, Decimal
from functools import lru_cache
from typing import TYPE_CHECKING

from agentmeter.model import Call
from agentmeter.model.meters import METERS
from agentmeter.model.money import CONTEXT, times
from agentmeter.runtime.budget.store import Draw
from agentmeter.runtime.state import STATE

if TYPE_CHECKING:
    from agentmeter.pricing.supplemented import Catalog
    from agentmeter.pricing.tariff import Rate

_TEXT_INPUT = ("input", "cache_read", "input_tool_use")
_TEXT_OUTPUT = ("output", "reasoning", "accepted_prediction", "rejected_prediction")
LIMIT_IT = "give max_tokens, or the budget a default_output"
CACHE_WRITES = tuple(name for name in METERS if name.startswith("cache_write"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What is known of a call before it is sent.

    ``input_tokens`` and ``output_tokens`` are at most, all choices together; ``None`` where the
    call does not say. ``longest`` is what its model generates at most. ``tiers`` are the
    service tiers that may serve it, ``writes_cache`` whether it may write its input to a cache.
    ``reason`` says what of it cannot be known.
    """

    call: Call
    input_tokens: int | None = None
    output_tokens: int | None = None
    longest: int | None = None
    tiers: tuple[str | None, ...] = (None,)
    writes_cache: bool = True
    reason: str | None = None
    charge: Decimal | None = None
    """What the application charges, where that is all of it."""

    def generating(self, tokens: int) -> "Demand":
        """The same call with that limit on its output."""
        return replace(self, output_tokens=tokens)


def demand_of(call: Call, given: int | None, made: int | None, at_ns: int) -> Demand:
    """What a call of the application's own may take: what it announced, or all that it charges."""
    if call.charge is not None:
        other = call.charge.currency != "USD"
        reason = f"it is charged in {call.charge.currency}" if other else None
        usd = Decimal(0) if other else call.charge.amount
        return Demand(call=call, charge=usd, reason=reason)
    if call.is_charge:
        return _demand_of_quantity(call, at_ns)
    return Demand(call=call, input_tokens=given, output_tokens=made)


def _demand_of_quantity(call: Call, at_ns: int) -> Demand:
    from agentmeter.pricing.cost import amount

    tariff, reason = STATE.tariff_of(call)
    if tariff is None or tariff.currency != "USD":
        return Demand(call=call, charge=Decimal(0), reason=reason or "it is not priced in USD")
    usd = amount(call.usage, tariff.quote(at_ns, 0))
    reason = "it has no price" if usd is None else None
    return Demand(call=call, charge=usd or Decimal(0), reason=reason)


@dataclass(frozen=True, slots=True)
class Worst:
    """A demand at its dearest: what its parts may take, and why that is not all."""

    input: Draw
    output: Draw
    each: Decimal
    """Of one more token of output."""
    reason: str | None = None

    @property
    def all(self) -> Draw:
        """The whole call."""
        return self.input + self.output + Draw(calls=1)

    def fitting(self, measure: str, left: Decimal | int) -> int:
        """How many tokens of output fit into what is left of a measure; none where none do."""
        rest = left - getattr(self.input, measure)
        if rest <= 0 or measure == "calls":
            return 0
        if measure == "tokens":
            return int(rest)
        if not self.each:
            return 0
        return int(CONTEXT.divide(rest, self.each).to_integral_value(ROUND_FLOOR))


def worst(demand: Demand, *, priced: bool) -> Worst:
    """The worst case of a demand; in money only where that is asked for."""
    if demand.charge is not None:
        return Worst(Draw(demand.charge), Draw(), Decimal(0), demand.reason)
    reasons = [demand.reason]
    if demand.input_tokens is None:
        reasons.append("its input cannot be counted")
    if demand.output_tokens is None:
        reasons.append(f"nothing limits its output ({LIMIT_IT})")
    given, made = demand.input_tokens or 0, demand.output_tokens or 0
    rates, unpriced = _rates(demand, given) if priced else (_NO_RATES, None)
    reasons.append(unpriced)
    into = Draw(CONTEXT.add(times(given, rates.input), rates.fixed), given)
    told = "; ".join(reason for reason in reasons if reason) or None
    return Worst(into, Draw(times(made, rates.output), made), rates.output, told)


@dataclass(frozen=True, slots=True)
class _Rates:
    input: Decimal = Decimal(0)
    output: Decimal = Decimal(0)
    fixed: Decimal = Decimal(0)


_NO_RATES = _Rates()


def _rates(demand: Demand, total_input: int) -> tuple[_Rates, str | None]:
    """The dearest rates of the tiers that may serve the call, and why they are not to be had."""
    found = _NO_RATES
    for tier in demand.tiers:
        tariff, reason = STATE.tariff_of(replace(demand.call, service_tier=tier))
        if tariff is None:
            return _NO_RATES, reason
        if tariff.currency != "USD":
            return _NO_RATES, f"it is priced in {tariff.currency}, and the budget is in USD"
        rates = tariff.quote(STATE.now_ns(), total_input).rates
        if "busy_millisecond" in rates or ("output" not in rates and demand.output_tokens):
            return _NO_RATES, "its price is not by the token"
        into = (*_TEXT_INPUT, *(CACHE_WRITES if demand.writes_cache else ()))
        found = _Rates(
            max(found.input, _dearest(rates, into)),
            max(found.output, _dearest(rates, _TEXT_OUTPUT)),
            max(found.fixed, _dearest(rates, ("request",))),
        )
    return found, None


def _dearest(rates: "Mapping[str, Rate]", meters: tuple[str, ...]) -> Decimal:
    return max((rates[name].price for name in meters if name in rates), default=Decimal(0))


def longest_answer(provider: str | None, model: str, given: int) -> int | None:
    """How many tokens a model generates at most for ``given`` of input, as the catalog's data says.

    Its own limit, or less where its context window leaves less; ``None`` where neither is known.
    """
    most, window = _limits(provider, model)
    left = None if window is None else max(0, window - given)
    return min((tokens for tokens in (most, left) if tokens is not None), default=None)


@lru_cache(maxsize=1024)
def _limits(provider: str | None, model: str) -> tuple[int | None, int | None]:
    return _catalog().max_output(provider, model), _catalog().context_window(provider, model)


@lru_cache(maxsize=1)
def _catalog() -> "Catalog":
    from agentmeter.pricing.supplemented import Catalog

    return Catalog()
