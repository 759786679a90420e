"""What a rule of allocation is, what it sees of the calls, and the lines that come of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fnmatch import fnmatchcase

from agentmeter.model import Usage
from agentmeter.model.money import total
from agentmeter.pricing.allocation.terms import Term
from agentmeter.pricing.providers import canonical

KEYS = ("cost", "tokens", "calls", "requests", "busy_seconds")
"""What a whole can be shared by, beside any meter."""

BY_USE = "use"
"""A credit goes to the requests in the order in which they used it up."""


@dataclass(frozen=True, slots=True)
class Used:
    """What one leaf used and cost: ``amounts`` by the meter billed, in one currency.

    ``model`` is a charge's own name where there is no model; ``calls`` how many it stands for.
    """

    request_id: str
    provider: str | None
    model: str | None
    started_ns: int
    ended_ns: int
    usage: Usage = field(default_factory=Usage)
    currency: str = "USD"
    amounts: Mapping[str, Decimal] = field(default_factory=dict)
    calls: int = 1
    amount: Decimal = field(init=False)
    """Its cost."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "amount", total(self.amounts))


@dataclass(frozen=True, slots=True)
class Rule:
    """A term, the calls and the period that it is about, and the key that it is shared by.

    ``periods`` are [from, until) in ns since the epoch, UTC; the term holds for each by itself.
    ``quantum`` is the decimal exponent of the unit that amounts are shared in: -2 for cents. An
    amount with finer digits is shared in units of its own last one, so that nothing is rounded.
    """

    name: str
    term: Term
    periods: tuple[tuple[int, int], ...]
    by: str = "cost"
    provider: str | None = None
    model: str = "*"
    currency: str = "USD"
    quantum: int = -12
    source: str = ""

    def about(self, one: Used) -> bool:
        """Whether a leaf's cost is what this rule is about, whenever it was."""
        return (
            one.currency == self.currency
            and (self.provider is None or self.provider == canonical(one.provider))
            and (self.model == "*" or fnmatchcase((one.model or "").lower(), self.model))
        )


@dataclass(frozen=True, slots=True)
class Allocation:
    """One line: the part of a whole that falls to a request; ``weight`` of ``of`` by its key.

    Where the whole could not be shared out, the line stands for all of it, and ``note`` says why.
    """

    name: str
    kind: str
    from_ns: int
    until_ns: int
    by: str
    amount: Decimal
    currency: str
    source: str
    note: str
    weight: int | None = None
    of: int | None = None
