"""Money: exact decimal amounts in a currency, computed in a context of our own."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal, DivisionByZero, InvalidOperation, Overflow
from typing import TypeVar

from agentmeter.exceptions import MoneyError

CONTEXT = Context(
    prec=60,
    rounding=ROUND_HALF_EVEN,
    Emin=-999,
    Emax=999,
    traps=[InvalidOperation, DivisionByZero, Overflow],
)
"""60 digits hold every product of a count and a rate exactly; the ambient context is not used."""

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_LARGEST, _FINEST = 30, 40
_CURRENCY = re.compile(r"[A-Z]{3}")

K = TypeVar("K")


def exact(value: str | int | Decimal, what: str = "amount") -> Decimal:
    """``value`` as a finite ``Decimal``, exactly.

    Raises ``TypeError`` for a ``float`` (which cannot hold most prices) and any other type,
    ``MoneyError`` for text that is not a finite decimal number.
    """
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
        raise TypeError(
            f"{what}: money is str, int or Decimal, not {type(value).__name__}; "
            f"write {what}='0.50' instead of {what}=0.50"
        )
    if isinstance(value, str) and not _NUMBER.fullmatch(value.strip()):
        raise MoneyError(f"{what}: {value!r} is not a decimal number")
    number = Decimal(value.strip() if isinstance(value, str) else value)
    if not number.is_finite():
        raise MoneyError(f"{what}: {value!r} is not a finite number")
    return number


def bounded(value: str | int | Decimal, what: str = "amount") -> Decimal:
    """``exact``, where it can be computed with exactly.

    Raises ``MoneyError`` beyond 10^30 and for more than 40 decimal places as well.
    """
    number = exact(value, what)
    exponent = int(number.as_tuple().exponent)
    if max(number.adjusted(), exponent) > _LARGEST or exponent < -_FINEST:
        raise MoneyError(f"{what}: {value!r:.60} is beyond every amount")
    return number


def plain(number: Decimal) -> str:
    """The amount as a plain decimal string without exponent or trailing zeros: ``"0.00125"``."""
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def times(quantity: int, rate: Decimal) -> Decimal:
    """``quantity x rate``, exactly."""
    return CONTEXT.multiply(Decimal(quantity), rate)


def total(amounts: "Sequence[Decimal] | Mapping[K, Decimal]") -> Decimal:
    """The exact sum of amounts in one currency."""
    result = Decimal(0)
    for amount in amounts.values() if isinstance(amounts, Mapping) else amounts:
        result = CONTEXT.add(result, amount)
    return result


@dataclass(frozen=True, slots=True)
class Money:
    """An exact amount in a currency (ISO 4217, three capitals)."""

    amount: Decimal
    currency: str = "USD"

    def __post_init__(self) -> None:
        object.__setattr__(self, "amount", bounded(self.amount))
        if not _CURRENCY.fullmatch(self.currency):
            raise MoneyError(f"currency: {self.currency!r} is not an ISO 4217 code such as 'USD'")

    def __add__(self, other: "Money") -> "Money":
        if self.currency != other.currency:
            raise MoneyError(f"cannot add {other.currency} to {self.currency} without a rate")
        return Money(CONTEXT.add(self.amount, other.amount), self.currency)

    def __str__(self) -> str:
        return f"{plain(self.amount)} {self.currency}"


def split(whole: int, weights: Mapping[K, int], *, order: Callable[[K], str] = str) -> dict[K, int]:
    """``whole`` units split by ``weights`` so that the parts sum exactly (largest remainder).

    Ties go to the key that is first by ``order``, so the result does not depend on the mapping's
    own order. Raises ``MoneyError`` if the weights do not sum to a positive number.
    """
    base = sum(weights.values())
    if base <= 0 or any(weight < 0 for weight in weights.values()):
        raise MoneyError("weights must be non-negative and sum to more than zero")
    parts = {key: whole * weight // base for key, weight in weights.items()}
    left = whole - sum(parts.values())
    by_remainder = sorted(weights, key=lambda key: (-(whole * weights[key] % base), order(key)))
    for key in by_remainder[:left]:
        parts[key] += 1
    return parts
