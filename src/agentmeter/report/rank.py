"""Nearest ranks: figures of a distribution that are values which occurred."""

from collections.abc import Sequence
from fractions import Fraction
from typing import TypeVar

T = TypeVar("T")


def rank(count: int, percent: int | str) -> int:
    """How many of ``count`` are at least so many percent of them, in whole ones."""
    return int(-(-count * Fraction(percent) // 100))


def nearest_rank(ascending: Sequence[T], percent: int | str) -> T:
    """The smallest value that at least so many percent of the values do not exceed.

    Raises ``IndexError`` where there are no values.
    """
    return ascending[max(0, rank(len(ascending), percent) - 1)]
