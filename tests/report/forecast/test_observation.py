"""A reported request as a row: its first call, its running totals, and what is not known of it."""

from decimal import Decimal

import pytest

import agentmeter as am
from agentmeter.report.forecast import Observation, observed
from agentmeter.testing import Kept

A = Decimal("0.00125")
"""1,000 input tokens of gpt-5."""


def spend(input_tokens: int, model: str = "gpt-5") -> None:
    with am.call(provider="openai", model=model) as call:
        call.record(am.Usage(input=input_tokens))


def rows(meter: Kept) -> list[Observation]:
    return [observed(one) for one in meter.report().requests]


def test_running_totals_by_iteration(meter: Kept) -> None:
    """Each round of model calls is an iteration; tools and charges are of the one begun last."""
    with am.request(feature="research", user="u-1") as request:
        spend(1000)
        with am.agent("planner"), am.tool("search"):
            am.charge("serpapi.search", usd="0.005")
        with am.agent("writer"):
            spend(2000)
            spend(3000, "gpt-5-mini")
    (one,) = rows(meter)
    assert (one.model, one.input_tokens, one.owner.feature) == ("gpt-5", 1000, "research")
    fee, mini = Decimal("0.005"), Decimal("0.00075")
    assert one.spent == ((A + fee, 1000), (3 * A + fee, 3000), (3 * A + fee + mini, 6000))
    assert (one.cost, one.tokens) == one.spent[-1]
    assert one.cost == request.cost.amount
    assert one.cost_known
    assert one.tokens_known


def test_calls_side_by_side_are_one_iteration(meter: Kept) -> None:
    """Two calls that are open at once are of one round."""
    with am.request():
        with am.call(provider="openai", model="gpt-5") as one:
            with am.call(provider="openai", model="gpt-5", operation="embeddings") as index:
                index.record(am.Usage(input=5))
            with am.branch("other"), am.call(provider="openai", model="gpt-5") as two:
                two.record(am.Usage(input=10))
            one.record(am.Usage(input=100))
        spend(1)
    assert [tokens for _, tokens in rows(meter)[0].spent] == [100, 101]


def test_what_is_not_known_is_said(meter: Kept) -> None:
    """An unknown model's cost is not known, an unrecorded call's tokens are neither."""
    with am.request("unpriced"):
        spend(1000)
        spend(1000, "no-such-model")
    with am.request("uncounted"), am.call(provider="openai", model="gpt-5"):
        pass
    with am.request("free"):
        pass
    unpriced, uncounted, free = rows(meter)
    assert (unpriced.cost, unpriced.cost_known, unpriced.tokens_known) == (A, False, True)
    assert (uncounted.cost_known, uncounted.tokens_known, uncounted.input_tokens) == (
        False,
        False,
        None,
    )
    assert (free.cost, free.cost_known, free.model, free.spent) == (0, True, None, ())


def test_a_request_that_never_closed_took_so_much_at_least(meter: Kept) -> None:
    """One that is still running counts for what it has spent, and as not known in full."""
    request = am.request("running")
    with pytest.raises(KeyboardInterrupt), request:
        spend(1000)
        running = request.report()
        raise KeyboardInterrupt
    one = observed(running.requests[0])
    assert (one.cost, one.cost_known, one.tokens_known) == (A, False, False)
    assert rows(meter)[0].cost_known
