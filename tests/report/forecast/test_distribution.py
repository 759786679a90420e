"""Order statistics: their guarantee, exactly."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmeter.exceptions import UsageError
from agentmeter.report.forecast import Distribution, Interval, needed

levels = st.sampled_from([50, 80, 90, 95, "99.5"])
counts = st.lists(st.integers(0, 10**6), min_size=1, max_size=80)


def whole(values: list[int]) -> Distribution[int]:
    return Distribution.of((value, True) for value in values)


def test_how_many_requests_a_level_takes() -> None:
    """One request has to be left out at each end of the interval."""
    assert [needed(level) for level in (50, 80, 95, "99")] == [3, 9, 39, 199]


def test_an_interval_by_hand() -> None:
    """Of the amounts 1 to 39 the 95 % interval is all of them, and the 80 % one leaves out 4 + 4."""
    of = Distribution.of((Decimal(n), True) for n in range(39, 0, -1))
    assert of.interval(95) == Interval(95, Decimal(1), Decimal(39), Fraction(19, 20))
    assert of.interval(80) == Interval(80, Decimal(4), Decimal(36), Fraction(4, 5))
    assert (of.quantile(50), of.quantile(90), of.quantile("97.5")) == (20, 36, 39)
    assert of.quantile(99) is None
    assert of.mean == 20


def test_too_little_history_is_said() -> None:
    """An interval that cannot be stated has no ends, and names what it would take."""
    interval = whole(list(range(38))).interval(95)
    assert (interval.low, interval.high, interval.coverage) == (None, None, None)
    assert interval.reason == "it takes 39 requests like this one, and 38 are on record"
    assert 3 not in interval
    assert Distribution().mean is None


@given(st.lists(st.integers(), min_size=4, max_size=60, unique=True), levels)
def test_each_left_out_value_is_held_as_often_as_stated(values: list[int], level: int) -> None:
    """Of n + 1 values, each left out in turn, the stated share falls between the others' ends."""
    held = []
    for index, value in enumerate(values):
        interval = whole([*values[:index], *values[index + 1 :]]).interval(level)
        if interval.coverage is None:
            assert len(values) - 1 < needed(level)
            return
        held.append(value in interval)
    assert Fraction(sum(held), len(held)) == interval.coverage
    assert interval.coverage >= Fraction(str(level)) / 100


@given(st.lists(st.integers(), min_size=2, max_size=60), levels)
def test_a_left_out_value_is_at_most_its_quantile(values: list[int], level: int) -> None:
    """Of n + 1 values, each left out in turn, that share at least is at most the quantile."""
    found = [
        (value, whole([*values[:index], *values[index + 1 :]]).quantile(level))
        for index, value in enumerate(values)
    ]
    held = sum(quantile is None or value <= quantile for value, quantile in found)
    assert Fraction(held, len(found)) >= Fraction(str(level)) / 100


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=60), levels)
def test_what_is_known_in_part_only_widens(parts: list[tuple[int, int]], level: int) -> None:
    """With lower bounds in the place of some values no interval loses a value that it would hold."""
    known = Distribution.of((seen, not rest) for seen, rest in parts).interval(level)
    truth = whole([seen + rest for seen, rest in parts]).interval(level)
    if truth.low is not None and truth.high is not None:
        assert known.low is not None
        assert known.low <= truth.low
        assert known.high is None or known.high >= truth.high
        assert known.is_stated or "only a part is known" in (known.reason or "")


@given(counts)
def test_the_mean_of_counts_is_rounded_once(values: list[int]) -> None:
    """A mean of counts is the nearest count, half up."""
    mean = whole(values).mean
    assert mean is not None
    assert Fraction(-1, 2) < mean - Fraction(sum(values), len(values)) <= Fraction(1, 2)


@pytest.mark.parametrize("level", [0, 100, 101, -5, "many"])
def test_a_level_that_cannot_be_is_refused(level: int | str) -> None:
    """A level is a percentage between 0 and 100."""
    with pytest.raises(UsageError, match="a percentage between 0 and 100, got"):
        whole([1]).interval(level)
