"""A charge read from its TOML table: what it counts, how that is weighed, and its price."""

import re
from decimal import Decimal

from agentmeter.exceptions import UsageError
from agentmeter.model.meters import meter
from agentmeter.model.money import CONTEXT
from agentmeter.pricing.plans.plan import ONE, Allowance, Charge, Match, Of, Step, Weight
from agentmeter.pricing.plans.table import Table

_MILLION = 1_000_000
_SPLIT = ("cached", "cache_write", "input", "output")
"""Own rates for parts of the tokens, in the order in which they take theirs."""

_NAMES = {
    Of.REQUESTS: "Requests",
    Of.OUTCOMES: "Outcomes",
    Of.TOKENS: "Tokens",
    Of.CREDITS: "Credits",
    Of.COST: "Usage at cost",
}
_GROUPS = ("cached", "cache_write", "input", "output", "tokens")
_ALLOWANCE = ("allowance_per", "refuse", "rollover", "rollover_most")
_CHARGE = (
    "name", "for", "price", "markup", "steps", "volume", "per", "whole", "allowance", *_ALLOWANCE,
    "feature", "request", "model", "tag", "above_tokens", "up_to_tokens", "weight", *_SPLIT,
)  # fmt: skip
_OF_WEIGHT = ("model", "request", "per")


def charges_in(table: Table) -> tuple[Charge, ...]:
    """The charges of a ``[[plan.charge]]`` table: several where tokens have rates by part."""
    table.known(*_CHARGE)
    what = table.choice("for", tuple(Of))
    if what is None:
        table.fail("for", f"what is charged for? One of {', '.join(Of)}")
    of = Of(what)
    split = [name for name in _SPLIT if name in table.data]
    if not split:
        return (_charge(table, of, _steps(table, of), _weights(table, of)),)
    if of is not Of.TOKENS or any(name in table.data for name in ("price", "steps", "weight")):
        table.fail(split[0], 'own rates go with for = "tokens", instead of a price')
    if "allowance" in table.data:
        table.fail("allowance", "input and output have prices of their own; allow credits instead")
    return tuple(_split(table, name) for name in split)


def _split(table: Table, name: str) -> Charge:
    """A charge for one part of the tokens, at a rate of its own."""
    price = table.number(name) or Decimal(0)
    weights = (Weight(_model(table), meters={name: ONE}),)
    label = f"{table.text('name') or table.text('model') or 'Tokens'}, {name.replace('_', ' ')}"
    return _charge(table, Of.TOKENS, (Step(price),), weights, label)


def _charge(
    table: Table, of: Of, steps: tuple[Step, ...], weights: tuple[Weight, ...], name: str = ""
) -> Charge:
    return Charge(
        name or table.text("name") or table.text("feature") or _NAMES[of],
        of,
        steps,
        _match(table),
        weights,
        _allowance(table),
        table.flag("volume") or False,
        _per(table, of),
        table.flag("whole") or False,
    )


def _per(table: Table, of: Of) -> int:
    per = table.whole("per")
    return per if per is not None else _MILLION if of is Of.TOKENS else 1


def _model(table: Table) -> str:
    return table.model("model")


def _match(table: Table) -> Match:
    tags = table.data.get("tag", {})
    if not isinstance(tags, dict) or not all(isinstance(glob, str) for glob in tags.values()):
        table.fail("tag", "expected patterns by tag, such as { team = 'growth*' }")
    above, up_to = table.whole("above_tokens"), table.whole("up_to_tokens")
    if above is not None and up_to is not None and above >= up_to:
        table.fail("up_to_tokens", "must be larger than above_tokens; no request is between them")
    return Match(table.glob("feature"), table.glob("request"), tags, above, up_to)


def _steps(table: Table, of: Of) -> tuple[Step, ...]:
    given = [name for name in ("price", "markup", "steps") if name in table.data]
    if len(given) > 1:
        table.fail(given[1], f"the charge has a {given[0]} already; keep one of them")
    if "markup" in table.data:
        if of is not Of.COST:
            table.fail("markup", 'goes with for = "cost"; give a price instead')
        percent = table.number("markup") or Decimal(0)
        return (Step(CONTEXT.add(ONE, percent.scaleb(-2, CONTEXT))),)
    price = table.number("price")
    if price is not None:
        return (Step(price),)
    return tuple(_step(one) for one in table.tables("steps"))


def _step(table: Table) -> Step:
    table.known("price", "up_to", "fee")
    price = table.number("price")
    if price is None:
        table.fail("price", "a step needs one")
    return Step(price, table.number("up_to"), table.number("fee") or Decimal(0))


def _allowance(table: Table) -> Allowance | None:
    quantity = table.number("allowance")
    if quantity is None:
        for name in _ALLOWANCE:
            if name in table.data:
                table.fail(name, "there is no allowance that it could be about")
        return None
    return Allowance(
        quantity,
        table.choice("allowance_per", ("account", "seat")) == "seat",
        table.flag("refuse") or False,
        table.whole("rollover") or 0,
        table.number("rollover_most"),
    )


def _weights(table: Table, of: Of) -> tuple[Weight, ...]:
    rows = tuple(_weight(one, of) for one in table.tables("weight"))
    if rows and "model" in table.data:
        table.fail("model", "the weights name their models; remove it")
    if rows or "model" not in table.data:
        return rows
    model = _model(table)
    if of is Of.COST:
        return (Weight(model, cost=True),)
    if of is Of.TOKENS:
        return (Weight(model, meters={"tokens": ONE}),)
    return (Weight(model, request=ONE),)


def _weight(table: Table, of: Of) -> Weight:
    if of not in (Of.REQUESTS, Of.OUTCOMES, Of.CREDITS):
        table.fail("weight", "requests, outcomes and credits are weighed, tokens and cost are not")
    per = table.whole("per")
    if per is not None and not re.fullmatch("10*", str(per)):
        table.fail("per", f"expected a power of ten such as 1_000, got {per!r}")
    scale = len(str(per)) - 1 if per is not None else 0
    meters = {name: _metered(table, name, of) for name in table.data if name not in _OF_WEIGHT}
    scaled = {name: weight.scaleb(-scale, CONTEXT) for name, weight in meters.items()}
    request = table.number("request")
    if request is None and not scaled:
        table.fail("weight", "says nothing; add request = 1 or a meter such as output = 1")
    return Weight(_model(table), request or Decimal(0), scaled)


def _metered(table: Table, name: str, of: Of) -> Decimal:
    if of is not Of.CREDITS:
        table.fail(name, 'meters are weighed for = "credits" alone')
    if name not in _GROUPS:
        try:
            meter(name)
        except UsageError as error:
            table.fail(name, str(error))
    return table.number(name) or Decimal(0)
