"""Budgets as values: what is allowed, and what happens to a call that there is no room for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Literal, get_args

from agentmeter.exceptions import BudgetExceeded, ConfigurationError, MoneyError
from agentmeter.model.money import exact

Action = Literal["raise", "clamp", "ask", "warn"]
Unknown = Literal["allow", "refuse"]
Period = Literal["hour", "day", "week", "month", "year", "ever"]

MEASURES = ("usd", "tokens", "calls")
"""What is reserved; seconds pass whether they are reserved or not."""
FIELDS = ("user", "tenant", "feature", "plan")
_LARGEST = 10**15
_COUNTS = ("tokens", "calls", "default_output", "least_output")


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What may be spent: money, tokens in and out, calls, seconds since the scope began.

    ``usd`` and ``seconds`` are ``str``, ``int`` or ``Decimal``. ``action`` is what happens to a
    call whose worst case does not fit: ``raise`` refuses it with ``BudgetExceeded``, ``clamp``
    lowers the limit of its output to what is left (and refuses it below ``least_output`` tokens),
    ``ask`` hands the ``BudgetExceeded`` to the callable ``ask``, which may be asynchronous for
    asynchronous clients and answers whether the call may be made, ``warn`` lets it pass and counts.

    ``unknown`` is what happens to a call whose worst case cannot be known: no price, no limit.
    ``allow`` reserves what is known of it. ``default_output`` is what a call without a limit of its
    own is taken to generate at most; without it that is the longest answer of its model. With
    ``cut_streams`` a stream that does not fit is begun with what is left and ends there.

    Raises ``ConfigurationError`` for a budget that cannot be, ``TypeError`` for a ``float``.
    """

    usd: Decimal | str | int | None = None
    tokens: int | None = None
    calls: int | None = None
    seconds: Decimal | str | int | None = None
    action: Action = "raise"
    ask: Callable[[BudgetExceeded], Any] | None = None
    unknown: Unknown = "allow"
    default_output: int | None = None
    least_output: int = 16
    cut_streams: bool = False
    name: str | None = None

    def __post_init__(self) -> None:
        for measure in ("usd", "seconds"):
            object.__setattr__(self, measure, _exact(measure, getattr(self, measure)))
        for measure in _COUNTS:
            _check_count(measure, getattr(self, measure))
        if all(getattr(self, measure) is None for measure in (*MEASURES, "seconds")):
            raise ConfigurationError(
                "usd: a budget needs at least one limit: usd, tokens, calls or seconds"
            )
        if self.name is not None and not isinstance(self.name, str):
            raise ConfigurationError(f"name: expected text, got {self.name!r}")
        _check_word("action", self.action, get_args(Action))
        _check_word("unknown", self.unknown, get_args(Unknown))
        if (self.action == "ask") != (self.ask is not None):
            raise ConfigurationError(
                "ask: action='ask' and the callable ask= that answers it go together"
            )
        if self.ask is not None and not callable(self.ask):
            raise ConfigurationError(f"ask: expected a callable, got {self.ask!r}")
        self._check_effect()

    def _check_effect(self) -> None:
        """Whether what is asked for has anything that it could be worked out from."""
        if self.usd is None and self.tokens is None:
            if self.action == "clamp":
                raise ConfigurationError(
                    "action: how far to clamp an answer follows from usd or tokens; limit either"
                )
            if self.cut_streams and self.seconds is None:
                raise ConfigurationError(
                    "cut_streams: where a stream is cut follows from usd, tokens or seconds; "
                    "limit one of them"
                )

    def limit(self, measure: str) -> Any:
        """The limit of a measure, exact; ``None`` where there is none."""
        return getattr(self, measure)


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetRule(Budget):
    """A budget for everybody of a kind: ``BudgetRule(by="user", per="day", usd="5")``.

    ``by`` is what is told apart: ``user``, ``tenant``, ``feature``, ``plan``, a tag as
    ``tag:team``, or ``all``. ``per`` is the calendar period in UTC after which it begins anew.
    ``where`` are owner fields that a request must have: ``{"plan": "free"}``. Work whose owner
    leaves ``by`` blank is not held to the rule.
    """

    by: str = "user"
    per: Period = "month"
    where: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        Budget.__post_init__(self)
        _check_word("per", self.per, get_args(Period))
        if self.by != "all":
            _check_field("by", self.by)
        if not isinstance(self.where, Mapping):
            raise ConfigurationError(f"where: expected owner fields by name, got {self.where!r}")
        for name, value in self.where.items():
            _check_field("where", name)
            if not isinstance(value, str):
                raise ConfigurationError(f"where: {name} is text, got {value!r}")
        if self.seconds is not None:
            raise ConfigurationError(
                "seconds: time passes for a scope, not for a period; give seconds to a request"
            )
        object.__setattr__(self, "where", MappingProxyType(dict(self.where)))

    def __hash__(self) -> int:
        return hash((self.by, self.per, self.usd, self.tokens, self.calls, self.name))

    def __reduce__(self) -> tuple[Any, ...]:
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return _rule, ({**fields, "where": dict(self.where)},)


def _rule(fields: Mapping[str, Any]) -> BudgetRule:
    return BudgetRule(**fields)


def _exact(measure: str, value: Any) -> Decimal | None:
    if value is None:
        return None
    try:
        number = exact(value, measure)
    except MoneyError as error:
        raise ConfigurationError(str(error)) from None
    if number < 0:
        raise ConfigurationError(f"{measure}: a limit cannot be negative, got {value!r}")
    if number >= _LARGEST:
        raise ConfigurationError(f"{measure}: expected a limit below 10^15, got {value!r}")
    return number


def _check_count(measure: str, value: Any) -> None:
    if value is None and measure != "least_output":
        return
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{measure}: a limit is a whole number, got {value!r}")
    if value < 0:
        raise ConfigurationError(f"{measure}: a limit cannot be negative, got {value}")


def _check_word(name: str, value: Any, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ConfigurationError(f"{name}: expected one of {', '.join(known)}, got {value!r}")


def _check_field(name: str, value: Any) -> None:
    is_tag = isinstance(value, str) and value.startswith("tag:") and value != "tag:"
    if not is_tag and value not in FIELDS:
        raise ConfigurationError(
            f"{name}: expected one of {', '.join(FIELDS)} or a tag such as 'tag:team', "
            f"got {value!r}"
        )


__all__ = ["MEASURES", "Action", "Budget", "BudgetRule", "Period", "Unknown"]
