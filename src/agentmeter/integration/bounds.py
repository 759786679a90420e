"""What a request's body says of how much its answer may take: for budgets, before it is sent."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from agentmeter.model import Call

# Budgets are loaded with the first of them.
if TYPE_CHECKING:
    from agentmeter.runtime.budget.demand import Demand

Body = Mapping[str, Any]


def _one(body: Body) -> int:
    return 1


def _never(body: Body) -> str | None:
    return None


def _always(body: Body) -> bool:
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Where an endpoint's body has its limits."""

    limit_of: Callable[[Body], int | None]
    """Tokens of output at most, of one choice; ``None`` where the body says nothing."""
    with_limit: Callable[[Body, int], Body] | None = None
    """The body with another limit; without it nothing can be clamped."""
    choices: Callable[[Body], int] = _one
    """How many answers are generated."""
    uncounted: Callable[[Body], str | None] = _never
    """What of the body bills input that cannot be counted from it: an image, a search …"""
    writes_cache: Callable[[Body], bool] = _always
    """Whether input may be billed as written to a cache."""

    def lowered(self, body: Body, tokens: int) -> Body | None:
        """The body with a limit of so many tokens of output in all; ``None`` where it has none."""
        if self.with_limit is None:
            return None
        return self.with_limit(body, tokens // max(1, self.choices(body)))


def demand(
    bounds: Bounds | None,
    count_input: Callable[[Body, str], int] | None,
    body: Body,
    call: Call,
) -> "Demand":
    """What a request may take at most, as far as its body says it, and its model."""
    from agentmeter.runtime.budget.demand import Demand

    given = count_input(body, call.model or "") if count_input is not None else None
    limit = bounds.limit_of(body) if bounds is not None else None
    choices = max(1, bounds.choices(body)) if bounds is not None else 1
    speed = body.get("speed")
    call = replace(call, speed=speed) if isinstance(speed, str) else call
    return Demand(
        call=call,
        input_tokens=given,
        output_tokens=None if limit is None else limit * choices,
        longest=_longest(call, given, choices) if limit is None else None,
        tiers=_tiers(body.get("service_tier")),
        writes_cache=bounds is None or bounds.writes_cache(body),
        reason=bounds.uncounted(body) if bounds is not None else None,
    )


def _longest(call: Call, given: int | None, choices: int) -> int | None:
    from agentmeter.runtime.budget.demand import longest_answer

    known = longest_answer(call.provider, call.model, given or 0) if call.model else None
    return None if known is None else known * choices


def _tiers(asked: Any) -> tuple[str | None, ...]:
    """A tier that was asked for may be served at the standard one instead."""
    if not isinstance(asked, str) or asked in ("auto", "default", "standard", "standard_only"):
        return (None,)
    return (asked, None)


def parts_of(body: Body, *places: str) -> list[Mapping[str, Any]]:
    """The messages or items of a body as mappings, and those of their contents."""
    found: list[Mapping[str, Any]] = []
    stack = [body.get(place) for place in places]
    while stack:
        one = stack.pop()
        if isinstance(one, list | tuple):
            stack.extend(one)
        elif (part := _part(one)) is not None:
            found.append(part)
            stack.extend(part.get(name) for name in ("content", "output", "source"))
    return found


def _part(one: Any) -> Mapping[str, Any] | None:
    """A mapping, also what is an object of the client's."""
    if one is None or isinstance(one, str):
        return None
    from agentmeter.semconv.usage import plain_mapping

    return plain_mapping(one)
