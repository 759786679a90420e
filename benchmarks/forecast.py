"""Forecasts beside the plain empirical quantile, on the same held-out requests, in one run.

Coverage and width on simulated traffic and on traffic recorded from agents on the real ``openai``
client, coverage after a change, false alarms, and the time that a forecast takes. Writes
``docs/forecast.md``.

    python -m benchmarks.forecast > docs/forecast.md
"""

import statistics
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from random import Random

from tests.report.forecast.recorded import recorded
from tests.report.forecast.traffic import simulated

from agentmeter.report.forecast import Asked, History, Interval, Observation
from agentmeter.report.forecast.drift import changed_at
from agentmeter.testing import metered

LEVELS = (50, 80, 95)
Method = Callable[[Observation, int], Interval[Decimal]]
Trial = tuple[Sequence[Observation], Sequence[Observation]]
"""A history, and what comes after."""

HEAD = """# Forecasts: what they promise, and how well they keep it

One run of `python -m benchmarks.forecast`.

## The method

A forecast is read off recorded requests that are *like* the one asked for: of the same feature and
model, of the same tenant, plan, user and tags where there are at least 39 of those, and close in
the input tokens of their first call. "Close" is a bin: a cell's requests ordered by input and cut
into groups of about 200 (down to 39 in small cells). Mid-run the bins are of what requests had
spent by that iteration, only those that came so far are in it, and the outcome is what they still
took.

Of the n costs in the bin, the interval between the j-th smallest and the k-th largest holds the
next one with probability (n + 1 - j - k) / (n + 1). This is conformal prediction with the bin as
its taxonomy: it holds for every n and every distribution, and takes 3 requests for 50 %, 9 for 80 %
and 39 for 95 %. With fewer the interval is not stated. Every end of one is what a request did cost.
A cost of which only a part is known (a call without a price, a request that never closed) counts
as without limit at the upper end, so that what is missing never makes a forecast cheaper.

## What it does not promise

* It holds for requests that come as the recorded ones did (*exchangeable*). A new prompt, model
  version, price or crowd of users breaks that, until the change is noticed.
* It holds on average over requests of the bin, not for one user's peculiar request within it, and
  on average over histories: one history of n = 200 covers 80 % give or take 3 points.
* A request that asks for a forecast *because* it goes on is not one of all that came so far: after
  iteration k some of those had ended, and what remains of the others is more.

A change is looked for in the ranks of costs among their bins by a test for a change at an unknown
time, so longer questions alone are no change. At most 1 in 100 looks at a history without a change
says that there was one; who looks after every request will see more. After a change only later
requests count, with a cold start if those are few; a change that is too small or too recent to be
told is in the figures.
"""


def plain_of(history: Sequence[Observation]) -> Method:
    """The empirical quantile of all requests."""
    values = sorted(one.cost for one in history)
    return lambda _, level: _empirical(values, level)


def plain_by_feature(history: Sequence[Observation]) -> Method:
    """The empirical quantile of the feature's requests."""
    values: dict[str | None, list[Decimal]] = {}
    for one in history:
        values.setdefault(one.owner.feature, []).append(one.cost)
    ordered = {feature: sorted(costs) for feature, costs in values.items()}
    return lambda one, level: _empirical(ordered[one.owner.feature], level)


def _empirical(values: Sequence[Decimal], level: int) -> Interval[Decimal]:
    n, out = len(values), (100 - level) / 200
    low, high = values[int(n * out)], values[min(n - 1, int(n * (1 - out)))]
    return Interval(level, low, high)


def conformal(history: Sequence[Observation]) -> Method:
    """Ours."""
    known = History(history)

    def interval(one: Observation, level: int) -> Interval[Decimal]:
        made = known.forecast(
            Asked(feature=one.owner.feature, model=one.model, input_tokens=one.input_tokens)
        )
        return made.cost.interval(level)

    return interval


METHODS = {
    "agentmeter": conformal,
    "plain, by feature": plain_by_feature,
    "plain, all requests": plain_of,
}


def main() -> None:
    print(HEAD)
    print("## Coverage and width\n")
    print(
        "Held-out costs inside the interval, in percent; in brackets the least and most of any"
        "\nfifth of the requests by input tokens; then the median of upper end over lower end.\n"
    )
    print(f"| traffic | method | {' | '.join(f'{level} %' for level in LEVELS)} |")
    print("|---|---|---|---|---|")
    for name, trials in traffic().items():
        for method, make in METHODS.items():
            cells = judged(trials, make)
            print(f"| {name} | {method} | {' | '.join(cells)} |")
    print(f"\n## Drift\n\n{drift()}\n\n## Time\n\n{timing()}")


def traffic() -> dict[str, list[Trial]]:
    """Histories with what comes after them."""
    made = {
        f"simulated, {count:,} requests": [
            (simulated(seed, count), simulated(seed + 1, held, start=count))
            for seed in range(0, 2 * times, 2)
        ]
        for count, held, times in ((300, 500, 20), (2_000, 1_000, 10), (20_000, 5_000, 2))
    }
    with metered() as kept:
        found = recorded(kept, 1_000, seed=5)
    random = Random(6)
    halves = []
    for _ in range(20):
        random.shuffle(found)
        halves.append((found[:500], found[500:]))
    change = [
        (
            [*simulated(seed, 6_000), *simulated(seed + 1, 1_500, start=6_000, dearer=2)],
            simulated(seed + 2, 2_000, start=7_500, dearer=2),
        )
        for seed in range(0, 15, 3)
    ]
    return {
        **made,
        "recorded, 20 random halves of 1,000": halves,
        "1,500 requests after answers doubled": change,
    }


def judged(trials: Sequence[Trial], make: Callable[[Sequence[Observation]], Method]) -> list[str]:
    """For each level: coverage, its least and most by fifths of input, width."""
    rows: dict[int, list[tuple[int, bool, float]]] = {level: [] for level in LEVELS}
    for history, held in trials:
        method = make(history)
        for one in held:
            for level in LEVELS:
                interval = method(one, level)
                if interval.low is not None and interval.high is not None:
                    width = float(interval.high / max(interval.low, Decimal("1e-9")))
                    rows[level].append((one.input_tokens or 0, one.cost in interval, width))
    return [_cell(sorted(rows[level])) for level in LEVELS]


def _cell(rows: Sequence[tuple[int, bool, float]]) -> str:
    size = len(rows) // 5
    fifths = [_share(rows[n * size : (n + 1) * size]) for n in range(5)]
    width = statistics.median(width for _, _, width in rows)
    return f"{_share(rows):.1f} ({min(fifths):.0f} to {max(fifths):.0f}), x{width:.1f}"


def _share(rows: Sequence[tuple[int, bool, float]]) -> float:
    return 100 * sum(held for _, held, _ in rows) / len(rows)


def drift() -> str:
    """False alarms, and how soon a change is told."""
    random = Random(1)
    alarms = {
        size: sum(
            changed_at([random.random() for _ in range(size)]) is not None for _ in range(times)
        )
        / times
        for size, times in ((100, 10_000), (1_000, 2_000), (10_000, 300))
    }
    said = ", ".join(f"{share:.1%} of histories of {size:,}" for size, share in alarms.items())
    rows = [
        f"False alarms: {said}.",
        "",
        "| answers longer by | told after (requests) |",
        "|---|---|",
    ]
    rows += [f"| {by - 1:.0%} | {told(by)} |" for by in (1.2, 1.5, 2.0, 4.0)]
    return "\n".join(rows)


def told(dearer: float) -> str:
    """The median over ten histories of how many chats it takes to tell, in steps of 10."""
    return str(statistics.median_low([_told(seed, dearer) for seed in range(10)]))


def _told(seed: int, dearer: float) -> int:
    old = simulated(seed, 3_000, features=("chat",))
    new = simulated(seed + 100, 2_000, start=3_000, dearer=dearer, features=("chat",))
    for count in range(10, len(new), 10):
        made = History([*old, *new[:count]]).forecast(Asked(feature="chat", input_tokens=600))
        if made.drift is not None:
            return count
    return len(new)


def timing() -> str:
    """A hundred thousand requests of history."""
    found = simulated(1, 100_000)
    began = time.perf_counter()
    history = History(found)
    built = time.perf_counter() - began
    asked = [
        Asked(feature=one.owner.feature, model=one.model, input_tokens=one.input_tokens)
        for one in found[:3_000]
    ]
    began = time.perf_counter()
    for one in asked[:1]:
        history.forecast(one).cost.interval(95)
    first = time.perf_counter() - began
    for one in asked[:50]:
        history.forecast(one)
    began = time.perf_counter()
    for one in asked:
        history.forecast(one).cost.interval(95)
    each = (time.perf_counter() - began) / len(asked)
    return (
        f"With 100,000 requests of history: {built * 1e3:.0f} ms to order them, "
        f"{first * 1e3:.0f} ms for the first\nforecast of a kind, "
        f"{each * 1e6:.0f} µs for each after."
    )


if __name__ == "__main__":
    main()
