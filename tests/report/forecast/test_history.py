"""Which requests a forecast is taken from, and what it says of them."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmeter.exceptions import MoneyError, UsageError
from agentmeter.model import Owner
from agentmeter.report.forecast import Asked, Basis, History, Observation
from tests.report.forecast.traffic import simulated

MIXED = [37 * n % 100 for n in range(100)]
"""0 to 99 in an order that is no drift."""


def rows(costs: list[int], **fields: Any) -> list[Observation]:
    """A request a second with these costs in dollars; each has 10 input tokens, 100 in all."""
    return [_row(second, cost, **fields) for second, cost in enumerate(costs)]


def _row(
    second: int, cost: int, feature: str = "chat", user: str | None = None, **more: Any
) -> Any:
    given = {"model": "gpt-5", "input_tokens": 10, "tokens": 100, **more}
    owner = Owner(user=user, feature=feature)
    return Observation(
        f"{feature}{user}{second}", second * 10**9, owner, cost=Decimal(cost), **given
    )


def test_an_empty_history_says_so() -> None:
    """Nothing on record: no figure, and a sentence."""
    made = History().forecast(Asked(feature="chat"))
    assert (made.n, made.cold_start, made.cost.mean) == (0, True, None)
    assert str(made) == "No recorded request has feature chat; nothing can be said yet."


def test_a_feature_never_seen_is_not_made_up_from_others() -> None:
    """Requests of another feature or model tell nothing of this one."""
    history = History(rows(MIXED))
    assert history.forecast(Asked(feature="chat", model="gpt-5")).n == 100
    assert history.forecast(Asked(feature="chats", model="gpt-5")).n == 0
    made = history.forecast(Asked(feature="chat", model="gpt-5-mini"))
    assert made.n == 0
    assert "feature chat, model gpt-5-mini; nothing" in str(made)


def test_a_cold_start_states_what_it_can() -> None:
    """Of ten requests the 80 % interval can be stated, the 95 % one cannot."""
    made = History(rows([5, 1, 9, 2, 8, 3, 7, 4, 6, 10])).forecast(Asked())
    assert made.cold_start
    eighty = made.cost.interval(80)
    assert (eighty.low, eighty.high) == (1, 10)
    text = str(made)
    assert "80 of 100 between  $1.000000 and $10.000000  100 and 100" in text
    assert "it takes 39 requests like this one, and 10 are on record." in text
    assert "This is a cold start, with fewer than the 39 requests that are wanted." in text


def test_narrow_cells_with_too_few_requests_are_passed_over() -> None:
    """A user with 39 requests is forecast from them, one with 38 from those of everybody."""
    history = History(
        [*rows([1] * 39, user="a"), *rows([2] * 38, user="b"), *rows([3] * 50, user="c")]
    )
    assert history.forecast(Asked(feature="chat", user="a")).basis.conditions == (
        ("feature", "chat"),
        ("user", "a"),
    )
    made = history.forecast(Asked(feature="chat", user="b", tags={"team": "x"}))
    everybody = (("feature", "chat"),)
    ofb = (*everybody, ("user", "b"))
    assert made.n == 127
    assert made.basis == Basis(
        everybody, (((*ofb, ("tag:team", "x")), 0), (ofb, 38)), first_ns=0, last_ns=49 * 10**9
    )
    assert "Only 38 requests with feature chat, user b; more were taken in." in str(made)


def test_requests_close_in_input_are_taken() -> None:
    """Requests are binned by input, never parting those of one size; what lies outside is said."""
    made = [_row(n, n // 100, input_tokens=n // 100) for n in range(800)]
    history = History(made)
    of_three = history.forecast(Asked(input_tokens=3))
    assert (of_three.n, of_three.cost.mean, of_three.basis.low, of_three.basis.high) == (
        100,
        3,
        3,
        3,
    )
    assert not of_three.beyond
    beyond = history.forecast(Asked(input_tokens=50))
    assert (beyond.cost.mean, beyond.beyond) == (7, True)
    assert "No request like this one had 50 input tokens; the figures are of the nearest." in str(
        beyond
    )


def test_a_small_cell_is_not_cut() -> None:
    """Of 77 requests all are taken, whatever their input, and of 18 too."""
    made = [_row(n, 37 * n % 78, input_tokens=37 * n % 78) for n in range(78)]
    whole = History([one for one in made if one.input_tokens != 77])
    assert whole.forecast(Asked(input_tokens=3)).n == 77
    few = History([one for one in made if (one.input_tokens or 0) < 18])
    assert few.forecast(Asked(input_tokens=3)).n == 18


def test_what_remains_is_of_those_that_came_so_far() -> None:
    """Requests that ended before the iteration are left out; one that ended there has nothing left."""
    totals = [(Decimal(1), 10), (Decimal(3), 30), (Decimal(9), 90)]
    made = [
        _row(n, int(totals[n % 3][0]), tokens=totals[n % 3][1], spent=tuple(totals[: n % 3 + 1]))
        for n in range(90)
    ]
    left = History(made).forecast(Asked(feature="chat", iteration=2, spent=Decimal(3)))
    assert left.n == 60
    assert set(left.cost.values) == {Decimal(0), Decimal(6)}
    assert set(left.tokens.values) == {0, 60}
    assert str(left).startswith("What remains after 2 iterations and $3.000000 of feature chat")
    none = History(made).forecast(Asked(feature="chat", iteration=4))
    assert str(none) == (
        "No recorded request has feature chat and reached iteration 4; nothing can be said yet."
    )


def test_costs_that_are_not_known_bound_nothing_from_above() -> None:
    """With one cost in a hundred known in part only, the upper end of 95 % still is; with four not."""
    made = rows(MIXED)
    one = [replace(row, cost_known=row.cost != 50) for row in made]
    interval = History(one).forecast(Asked()).cost.interval(95)
    assert (interval.low, interval.high) == (1, 98)
    four = [replace(row, cost_known=row.cost % 25 != 7) for row in made]
    answer = History(four).forecast(Asked())
    assert answer.cost.interval(95).reason == "of 4 of the 100 requests only a part is known"
    assert answer.cost.interval(80).is_stated
    assert answer.tokens.interval(95).is_stated
    assert "$1.000000 and more" in str(answer)
    assert "4 of them known in part only, and counted as without limit." in str(answer)


def test_another_currency_is_not_added_in() -> None:
    """Amounts are of the currency of most requests; what the others cost is not known in it."""
    made = [*rows([1] * 50, currency="EUR"), *rows([100], feature="other")]
    answer = History(made).forecast(Asked())
    assert answer.currency == "EUR"
    assert max(answer.cost.values) == 1
    assert answer.basis.in_part == 1
    assert answer.cost.mean is None


@given(st.randoms(use_true_random=False))
def test_the_order_of_reading_changes_nothing(random: Any) -> None:
    """The same requests in any order give the same forecast."""
    found = simulated(1, 200)
    asked = Asked(feature="research", input_tokens=600)
    before = History(found).forecast(asked).to_json()
    random.shuffle(found)
    assert History(found).forecast(asked).to_json() == before


def test_as_json() -> None:
    """The whole document, amounts as strings."""
    made = History(rows([1, 2, 3])).forecast(Asked(feature="chat", input_tokens=10)).to_json()
    unknown = {"level": 80, "low": None, "high": None, "coverage": None}
    assert made["cost"]["intervals"][0] == {
        "level": 50,
        "low": "1",
        "high": "3",
        "coverage": "50.0",
        "reason": None,
    }
    reason = "it takes 9 requests like this one, and 3 are on record"
    assert made["cost"]["intervals"][1] == {**unknown, "reason": reason}
    assert made["cost"]["quantiles"] == {"p50": "2", "p90": None, "p95": None, "p99": None}
    assert made["tokens"]["mean"] == 100
    assert (made["n"], made["cold_start"], made["remaining"]) == (3, True, False)
    assert made["basis"] == {
        "conditions": {"feature": "chat"},
        "too_few": [],
        "by": "input_tokens",
        "from": 10,
        "to": 10,
        "first": "1970-01-01T00:00:00+00:00",
        "last": "1970-01-01T00:00:02+00:00",
        "in_part": 0,
        "at_least": 0,
    }


@pytest.mark.parametrize(
    ("asked", "error", "said"),
    [
        ({"input_tokens": -1}, UsageError, "input_tokens: must be 0 or more, got -1"),
        ({"input_tokens": 1.5}, UsageError, "input_tokens: a count is an int, got 1.5"),
        ({"input_tokens": True}, UsageError, "input_tokens: a count is an int, got True"),
        ({"iteration": 0}, UsageError, "iteration: must be 1 or more, got 0"),
        ({"spent": "1"}, UsageError, "spent: say with 'iteration' by which"),
        ({"spent": "-1", "iteration": 1}, MoneyError, "cannot be negative, got -1"),
        ({"spent": "abc", "iteration": 1}, MoneyError, "spent: 'abc' is not a decimal"),
        ({"spent": 0.5, "iteration": 1}, TypeError, "spent='0.50' instead of"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    asked: dict[str, Any], error: type[Exception], said: str
) -> None:
    """Bad figures raise, and say what was wrong with them."""
    with pytest.raises(error, match=said):
        Asked(**asked)
