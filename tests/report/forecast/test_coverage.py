"""Coverage on held-out requests: within two points of what is stated, where plain quantiles miss."""

from collections.abc import Iterable
from decimal import Decimal
from random import Random

import pytest

from agentmeter.report.forecast import Asked, Distribution, Forecast, History, Observation
from agentmeter.testing import metered
from tests.report.forecast.recorded import recorded
from tests.report.forecast.traffic import FEATURES, simulated

LEVELS = (50, 80, 95)


def asked(one: Observation) -> Asked:
    return Asked(feature=one.owner.feature, model=one.model, input_tokens=one.input_tokens)


def coverage(held: Iterable[tuple[Forecast, Decimal, int]]) -> dict[int, tuple[float, float]]:
    """By level the percentages of costs and of tokens that fell into their intervals.

    Of the forecasts that state the interval, which nearly all must do.
    """
    pairs = list(held)
    found = {}
    for level in LEVELS:
        costs = [
            cost in one for made, cost, _ in pairs if (one := made.cost.interval(level)).is_stated
        ]
        counts = [
            n in one for made, _, n in pairs if (one := made.tokens.interval(level)).is_stated
        ]
        assert min(len(costs), len(counts)) >= 0.97 * len(pairs)
        found[level] = (100 * sum(costs) / len(costs), 100 * sum(counts) / len(counts))
    return found


def assert_as_stated(found: dict[int, tuple[float, float]], points: float = 2) -> None:
    for level, shares in found.items():
        for share in shares:
            assert abs(share - level) <= points, found


@pytest.mark.parametrize(
    ("histories", "count", "held_out"), [(10, 1_000, 1_000), (2, 20_000, 5_000)]
)
def test_simulated_traffic(histories: int, count: int, held_out: int) -> None:
    """The intervals hold as stated over 10,000 held-out requests of three features."""
    held = []
    for seed in range(0, 2 * histories, 2):
        history = History(simulated(seed, count))
        test = simulated(seed + 1, held_out, start=count)
        held += [(history.forecast(asked(one)), one.cost, one.tokens) for one in test]
    assert_as_stated(coverage(held))


def test_each_feature_and_size_by_itself() -> None:
    """They hold for long and short inputs of each feature alone, where a plain quantile does not."""
    history = History(simulated(3, 20_000))
    test = simulated(4, 9_000, start=20_000)
    plain = Distribution.of((one.cost, True) for one in history.observations)
    worst = 0.0
    for feature in FEATURES:
        of = sorted(
            (one for one in test if one.owner.feature == feature),
            key=lambda one: one.input_tokens or 0,
        )
        for part in (of[:1_000], of[-1_000:]):
            made = [(history.forecast(asked(one)), one.cost, one.tokens) for one in part]
            assert_as_stated(coverage(made), points=4)
            share = sum(one.cost in plain.interval(80) for one in part) / 10
            worst = max(worst, abs(share - 80))
    assert worst > 15


@pytest.mark.parametrize("iteration", [1, 3])
def test_what_remains(iteration: int) -> None:
    """What held-out requests still took after an iteration falls into its intervals as stated."""
    history = History(simulated(5, 20_000, features=("research",)))
    survivors = [
        one
        for one in simulated(6, 16_000, start=20_000, features=("research",))
        if len(one.spent) >= iteration
    ]
    held = []
    for one in survivors[:5_000]:
        cost, tokens = one.spent[iteration - 1]
        given = Asked(feature="research", model="gpt-5", iteration=iteration, spent=cost)
        held.append((history.forecast(given), one.cost - cost, one.tokens - tokens))
    found = coverage(held)
    # Many end right there: an interval that begins at nothing holds all of these.
    assert all(share >= level - 2 for level, shares in found.items() for share in shares)
    upper = [
        sum(cost <= (made.cost.quantile(level) or 0) for made, cost, _ in held) / len(held)
        for level in (90, 95)
    ]
    assert abs(upper[0] - 0.90) <= 0.02
    assert abs(upper[1] - 0.95) <= 0.02


def test_after_a_change_the_intervals_hold_again() -> None:
    """Once a change is noticed coverage is as stated, where the plain quantile keeps missing."""
    old = simulated(7, 6_000, features=("chat",))
    new = simulated(8, 1_000, start=6_000, dearer=2, features=("chat",))
    test = simulated(9, 4_000, start=7_000, dearer=2, features=("chat",))
    history = History([*old, *new])
    assert_as_stated(
        coverage((history.forecast(asked(one)), one.cost, one.tokens) for one in test), points=2.5
    )
    plain = Distribution.of((one.cost, True) for one in history.observations).interval(80)
    assert sum(one.cost in plain for one in test) / len(test) < 0.75


def test_random_halves_of_a_small_history() -> None:
    """With 60 requests of a kind the intervals hold, on average over which 60 those were."""
    random = Random(11)
    found = simulated(10, 1_200, features=("export",))
    held = []
    for _ in range(200):
        random.shuffle(found)
        history = History(found[:60])
        held += [(history.forecast(Asked()), one.cost, one.tokens) for one in found[60:90]]
    assert_as_stated(coverage(held))


@pytest.fixture(scope="module")
def traffic() -> list[Observation]:
    with metered() as kept:
        return recorded(kept, 700, seed=1)


def test_recorded_traffic(traffic: list[Observation]) -> None:
    """Over random halves of what agents really used the intervals hold as stated; of requests with
    short inputs a plain quantile misses half as many again.
    """
    random = Random(2)
    held, ours, plain = [], [], []
    short = sorted(one.input_tokens or 0 for one in traffic)[len(traffic) // 5]
    for _ in range(12):
        half = set(random.sample(range(len(traffic)), len(traffic) // 2))
        history = History(one for n, one in enumerate(traffic) if n in half)
        of_all = Distribution.of((one.tokens, True) for one in history.observations).interval(80)
        for n, one in enumerate(traffic):
            if n not in half:
                made = history.forecast(asked(one))
                held.append((made, one.cost, one.tokens))
                if (one.input_tokens or 0) < short:
                    ours.append(one.tokens not in made.tokens.interval(80))
                    plain.append(one.tokens not in of_all)
    assert_as_stated(coverage(held))
    assert sum(plain) > 1.5 * sum(ours)


def test_recorded_traffic_mid_run(traffic: list[Observation]) -> None:
    """After its first call, what a recorded loop still takes is at most what is said of 90 in 100."""
    random = Random(3)
    hits = count = 0
    loops = [one for one in traffic if one.owner.feature == "research"]
    for _ in range(12):
        half = set(random.sample(range(len(loops)), len(loops) // 2))
        history = History(one for n, one in enumerate(loops) if n in half)
        for n, one in enumerate(loops):
            if n not in half:
                cost, _ = one.spent[0]
                made = history.forecast(Asked(feature="research", iteration=1, spent=cost))
                quantile = made.cost.quantile(90)
                assert quantile is not None
                hits, count = hits + (one.cost - cost <= quantile), count + 1
    assert abs(hits / count - 0.9) <= 0.02
