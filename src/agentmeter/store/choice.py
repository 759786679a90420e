"""Which leaves a roll-up takes: by time and by conditions (``tenant=acme``, ``cost>0.5``)."""

import re
from dataclasses import dataclass, field
from typing import Any

from agentmeter.exceptions import ConfigurationError, MoneyError
from agentmeter.model.money import exact
from agentmeter.report.breakdown import NONE
from agentmeter.store.leaves import MONEY, OF_LEAF, OWNED, fitting

_CONDITION = re.compile(r"([a-z_]+(?::[^=!<>]+)?)\s*(!=|>=|<=|=|>|<)\s*(.*)", re.DOTALL)

TEXTS = {name: name for name in (*OWNED, *OF_LEAF)} | {
    "request": "request_id",
    "name": "request_name",
    "status": "request_status",
    "operation": "operation",
}
"""Text field → column, of the request or of the leaf."""

FIGURES = {
    "cost": "coalesce(sum(CASE WHEN currency = $currency THEN cost END), 0) "
    f":op CAST($value AS {MONEY})",
    "calls": "sum(calls) :op CAST($value AS BIGINT)",
    "tokens": "sum(tokens) :op CAST($value AS BIGINT)",
    "seconds": "max(request_ended_ns - request_started_ns) "
    ":op CAST($value AS DECIMAL(28, 9)) * 1000000000",
}
"""Figures of whole requests that a condition may be about."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Requests that began from ``since_ns`` to before ``until_ns``, under ``conditions``.

    Conditions on text take the leaves that fulfil them (``model=gpt-5``), those on figures whole
    requests (``cost>0.5``); all of them have to hold. Instants in nanoseconds since the epoch.
    """

    since_ns: int | None = None
    until_ns: int | None = None
    conditions: tuple[str, ...] = ()

    @property
    def whole_requests(self) -> bool:
        """Whether a request is taken with all its leaves, or not at all."""
        return not any(_parsed(one)[0] in (*OF_LEAF, "operation") for one in self.conditions)


@dataclass(slots=True)
class Clause:
    """A choice as SQL, and the values that stand in it."""

    parts: list[str] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def sql(self) -> str:
        """The condition; true where there is none."""
        return " AND ".join(self.parts) or "true"

    def value(self, given: Any) -> str:
        """A name for a value."""
        name = f"v{len(self.values)}"
        self.values[name] = given
        return f"${name}"


def clause(choice: Choice, currency: str) -> Clause:
    """A choice as SQL; ``cost`` is meant in ``currency``.

    Raises ``ConfigurationError`` for a condition that nothing can be asked by.
    """
    made = Clause()
    if choice.since_ns is not None:
        made.parts.append(f"request_started_ns >= {made.value(choice.since_ns)}")
    if choice.until_ns is not None:
        made.parts.append(f"request_started_ns < {made.value(choice.until_ns)}")
    for one in choice.conditions:
        name, operator, value = _parsed(one)
        if name in FIGURES:
            _figure(made, name, operator, value, currency)
        else:
            _text(made, name, operator, value)
    return made


def _parsed(condition: str) -> tuple[str, str, str]:
    found = _CONDITION.fullmatch(condition.strip())
    if found is None:
        raise ConfigurationError(f"condition {condition!r}: write field=value, such as tenant=acme")
    name, operator, value = found.groups()
    if name not in TEXTS and name not in FIGURES and not name.startswith("tag:"):
        known = ", ".join((*TEXTS, *FIGURES))
        raise ConfigurationError(f"condition {condition!r}: no field {name!r}; there are {known} "
                                 "and tag:NAME")  # fmt: skip
    return name, operator, value


def column(name: str) -> str | None:
    """The expression for what leaves are sorted by, or ``None``; ``$tag`` is a tag's name."""
    if name.startswith("tag:"):
        return "tags[$tag]"
    return TEXTS.get(name)


def _text(made: Clause, name: str, operator: str, value: str) -> None:
    expression = TEXTS.get(name)
    if expression is None:
        expression = f"tags[{made.value(name.removeprefix('tag:'))}]"
    plainly = operator == "=" and value not in ("", NONE)  # which the engine finds by its indexes
    shown = expression if plainly else f"coalesce(nullif({expression}, ''), '{NONE}')"
    made.parts.append(f"{shown} {operator} {made.value(value or NONE)}")


def _figure(made: Clause, name: str, operator: str, value: str, currency: str) -> None:
    number = _number(name, value)
    having = FIGURES[name].replace(":op", operator).replace("$value", made.value(number))
    if "$currency" in having:
        having = having.replace("$currency", made.value(currency))
    made.parts.append(
        f"request_id IN (SELECT request_id FROM leaves GROUP BY request_id HAVING {having})"
    )


def _number(name: str, value: str) -> str:
    try:
        number = exact(value.strip(), name)
        if name in ("calls", "tokens"):
            return str(int(number)) if number == int(number) else _not_whole(name, value)
        return fitting(number, name)
    except MoneyError as error:
        raise ConfigurationError(f"condition on {name}: {error}") from error


def _not_whole(name: str, value: str) -> str:
    raise ConfigurationError(f"condition on {name}: {value} is not a whole number")
