"""Drift: rarely said where there is none, and found where it is."""

from random import Random

import pytest

from agentmeter.report.forecast import Asked, History
from agentmeter.report.forecast.drift import FALSE_ALARMS, changed_at
from tests.report.forecast.traffic import START, simulated


@pytest.mark.parametrize("size", [50, 120, 500])
def test_false_alarms_are_as_rare_as_stated(size: int) -> None:
    """Of 2,000 histories in which nothing changes at most the stated share is said to drift."""
    random = Random(size)
    alarms = sum(
        changed_at([random.random() for _ in range(size)]) is not None for _ in range(2_000)
    )
    assert alarms <= 2_000 * FALSE_ALARMS


def test_a_shift_is_found_where_it_is() -> None:
    """Scores that move up by a third after the 400th are found to, close to there."""
    random = Random(3)
    scores = [random.random() * 2 / 3 + (n >= 400) / 3 for n in range(500)]
    at = changed_at(scores)
    assert at is not None
    assert abs(at - 400) <= 10


def test_a_change_of_spread_alone_is_found() -> None:
    """Outcomes that become all middling or extreme have changed, though none is dearer."""
    random = Random(4)
    scores = [0.25 + random.random() / 2 for _ in range(200)]
    scores += [random.choice((0.1, 0.9)) for _ in range(200)]
    at = changed_at(scores)
    assert at is not None
    assert abs(at - 200) <= 20


@pytest.mark.parametrize("scores", [[], [0.5] * 49, [0.5] * 1000])
def test_without_variation_there_is_no_drift(scores: list[float]) -> None:
    """Too few requests, or all alike, tell of no change."""
    assert changed_at(scores) is None


def test_dearer_answers_are_noticed_and_the_old_ones_left_out() -> None:
    """After answers grew by half the forecast says so, and is taken from those since."""
    old = simulated(1, 3_000, features=("chat",))
    new = simulated(2, 400, start=3_000, dearer=1.5, features=("chat",))
    assert History(old).forecast(Asked(feature="chat")).drift is None
    made = History([*old, *new]).forecast(Asked(feature="chat"))
    assert made.drift is not None
    assert abs((made.drift.since_ns - START) // 60_000_000_000 - 3_000) <= 60
    assert made.drift.before + made.drift.after == 3_400
    assert made.n == made.drift.after
    assert made.drift.now > made.drift.was
    assert "Costs changed at 2026-09-23T" in str(made)


def test_another_mix_of_inputs_is_no_drift() -> None:
    """Longer questions cost more and are asked more, and cost what they did for their length."""
    found = simulated(5, 4_000, features=("chat",))
    short = [one for one in found[:2_000] if (one.input_tokens or 0) < 700]
    long = [one for one in found[2_000:] if (one.input_tokens or 0) > 500]
    history = History([*short, *long])
    assert history.forecast(Asked(feature="chat", input_tokens=600)).drift is None
    assert history.forecast(Asked(feature="chat")).drift is not None
