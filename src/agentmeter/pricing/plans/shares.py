"""Whole units shared out over a sequence: the parts sum to the whole, by largest remainder."""

from collections.abc import Sequence


def shared(whole: int, weights: Sequence[int]) -> list[int]:
    """``whole`` split by non-negative ``weights``, evenly where they are all zero.

    What is left over goes to the largest remainders, of equal ones to the first in the sequence.
    """
    if whole < 0:
        return [-part for part in shared(-whole, weights)]
    base = sum(weights)
    if base == 0:
        return _evenly(whole, len(weights))
    if base == len(weights) * weights[0] and min(weights) == weights[0]:
        return _evenly(whole, len(weights))
    each, rest = divmod(whole, base)
    if not rest:
        return [each * weight for weight in weights]
    products = [whole * weight for weight in weights]
    parts = [product // base for product in products]
    left = whole - sum(parts)
    if left:
        remainders = [product % base for product in products]
        order = sorted(range(len(parts)), key=remainders.__getitem__, reverse=True)
        for index in order[:left]:
            parts[index] += 1
    return parts


def _evenly(whole: int, count: int) -> list[int]:
    each, left = divmod(whole, count)
    return [each + 1] * left + [each] * (count - left)


def rounded(units: Sequence[int], unit: int) -> list[int]:
    """Amounts rounded to multiples of ``unit`` so that they sum to their rounded sum.

    The sum is rounded half to even; each amount is rounded down and what is left over goes to the
    largest remainders.
    """
    whole = half_even(sum(units), unit)
    parts = [one // unit for one in units]
    order = sorted(range(len(units)), key=lambda index: units[index] % unit, reverse=True)
    for index in order[: whole - sum(parts)]:
        parts[index] += 1
    return [part * unit for part in parts]


def half_even(number: int, unit: int) -> int:
    """``number / unit`` rounded half to even."""
    whole, rest = divmod(number, unit)
    return whole + (2 * rest > unit or (2 * rest == unit and whole % 2))


def prorated(whole: int, start: int, end: int, length: int) -> int:
    """The part of ``whole`` for ``[start, end)`` of a period that is ``length`` long.

    Parts of adjoining stretches sum to the part of both, and to the whole over all of the period,
    however it is cut: each is the difference of two rounded running totals.
    """
    return whole * end // length - whole * start // length
