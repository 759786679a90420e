"""The errors agentmeter raises on purpose.

    AgentmeterError
    ├── UsageError          a quantity that cannot be: negative, fractional, overlapping
    ├── MoneyError          an amount that is not exact money, or two currencies in one sum
    ├── ScopeError          a scope entered twice, or used outside of its life
    ├── BudgetExceeded      a call that a budget has no room for; raised before it is sent
    ├── ConfigurationError  a setting that cannot be used
    │   ├── RateCardError   a rate card that cannot be read: names file, table and field
    │   └── PlanError       a plan that cannot be: in a file it names file, line and field
    ├── SourceError         a source of records of which nothing could be read
    └── BusyError           a folder of records that another process is rewriting

Each is also the built-in error that a caller would expect (``ValueError``, ``RuntimeError`` …).
A fault *inside* metering is none of these: it is caught at one boundary, counted and shown.
"""

from collections.abc import Mapping
from decimal import Context, Decimal
from typing import Any

_EXACT = Context(prec=60)
"""As the context of money, which is above this module."""


class AgentmeterError(Exception):
    """The root of every error that agentmeter raises on purpose."""


class UsageError(AgentmeterError, ValueError):
    """A quantity that cannot be: negative, fractional, or a part larger than its whole."""


class MoneyError(AgentmeterError, ValueError):
    """An amount that is not exact money, or two currencies in one sum."""


class ScopeError(AgentmeterError, RuntimeError):
    """A scope entered twice, or used outside of its life."""


class BudgetExceeded(AgentmeterError, RuntimeError):  # noqa: N818  # as people say it
    """A call that a budget has no room for; it was not sent, and cost nothing.

    ``budget`` is the budget's name and ``scope`` what it is set on. ``measure`` says which of its
    limits it is, ``usd``, ``tokens``, ``calls`` or ``seconds``: of that, ``limit`` is allowed,
    ``spent`` is known, ``reserved`` may yet be spent by calls under way, and ``needed`` is the
    call's worst case, ``None`` where that cannot be known. ``reason`` says what the figures do not.
    """

    def __init__(
        self,
        *,
        budget: str,
        scope: str,
        measure: str,
        limit: Decimal | int | None = None,
        spent: Decimal | int = 0,
        reserved: Decimal | int = 0,
        needed: Decimal | int | None = None,
        reason: str | None = None,
    ) -> None:
        self.budget = budget
        self.scope = scope
        self.measure = measure
        self.limit = limit
        self.spent = spent
        self.reserved = reserved
        self.needed = needed
        self.reason = reason
        super().__init__(self._message())

    @property
    def left(self) -> Decimal | int | None:
        """What is neither spent nor reserved; never below zero."""
        if self.limit is None:
            return None
        taken = _EXACT.add(self.spent, self.reserved)
        left = max(_EXACT.subtract(self.limit, taken), Decimal(0))
        return int(left) if isinstance(self.limit, int) else left

    def because(self, reason: str) -> "BudgetExceeded":
        """The same with a reason."""
        return _again(type(self), {**self._fields(), "reason": reason})

    def _fields(self) -> dict[str, Any]:
        names = ("budget", "scope", "measure", "limit", "spent", "reserved", "needed", "reason")
        return {name: getattr(self, name) for name in names}

    def _message(self) -> str:
        unit = {"usd": "USD", "calls": "calls", "seconds": "seconds"}.get(self.measure, "tokens")
        parts = [f"budget {self.budget!r} of {self.scope}:"]
        if self.needed is not None and self.left is not None:
            parts.append(f"the call may take {_figure(self.needed)} {unit}")
            parts.append(f"and {_figure(self.left)} is left")
        if self.limit is not None:
            told = f"of {_figure(self.limit)} {unit} {_figure(self.spent)} spent"
            parts.append(f"({told}, {_figure(self.reserved)} reserved)")
        if self.reason is not None:
            parts.append(self.reason if len(parts) == 1 else f"- {self.reason}")
        return " ".join(parts)

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (type(self), self._fields())


def _figure(value: Decimal | int) -> str:
    text = f"{value:,f}" if isinstance(value, Decimal) else f"{value:,}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _again(kind: type[BudgetExceeded], fields: Mapping[str, Any]) -> BudgetExceeded:
    """The error as it was raised in another process."""
    return kind(**fields)


class ConfigurationError(AgentmeterError, ValueError):
    """A setting that cannot be used; the message names the setting and what it accepts."""


class RateCardError(ConfigurationError):
    """A rate card that cannot be read; the message names file, table and field."""


class PlanError(ConfigurationError):
    """A plan that cannot be; read from a file, the message names file, line and field."""


class SourceError(AgentmeterError, OSError):
    """A source of records of which nothing could be read."""


class BusyError(AgentmeterError, RuntimeError):
    """A folder of records that another process is rewriting at this moment."""
