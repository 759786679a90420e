"""Forecasts in running code, from the journal of the configured folder."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

import agentmeter as am
from agentmeter.exceptions import UsageError
from agentmeter.report.forecast import History
from agentmeter.runtime.faults import FAULTS
from agentmeter.runtime.state import STATE
from agentmeter.store.journal import Journal
from agentmeter.testing import Kept


@pytest.fixture
def journal(meter: Kept, tmp_path: Path) -> Iterator[Journal]:
    made = Journal(tmp_path, lambda *fault: pytest.fail(str(fault)))
    STATE.sink = STATE.reader = made
    yield made
    made.close()


def turn(tokens: int) -> None:
    with am.call(provider="openai", model="gpt-5") as call:
        call.record(am.Usage(input=tokens))


def research(turns: int) -> None:
    with am.request(feature="research", user="u-1"), am.agent("planner"):
        for _ in range(turns):
            turn(1_000)


def test_a_request_to_come(journal: Journal) -> None:
    """The journal's own requests say what the next one will take."""
    for turns in [1, 2, 3] * 13:
        research(turns)
    am.flush()
    assert journal.flush()
    made = am.forecast(feature="research", model="gpt-5", input_tokens=1_000)
    assert (made.n, made.cold_start, made.drift) == (39, False, None)
    assert made.cost.quantile(50) == Decimal("0.0025")
    interval = made.cost.interval(95)
    assert (interval.low, interval.high) == (Decimal("0.00125"), Decimal("0.00375"))
    assert made.tokens.mean == 2_000
    later = am.forecast(feature="research", iteration=2, spent="0.0025")
    assert (later.n, set(later.tokens.values)) == (26, {0, 1_000})


def test_what_remains_of_a_running_request(journal: Journal) -> None:
    """Mid-run the request's own features, iterations and spending are asked with."""
    for turns in [1, 2, 3] * 13:
        research(turns)
    assert journal.flush()
    with am.request(feature="research", user="u-1") as request:
        before = request.forecast()
        assert (before.n, before.asked.iteration, before.tokens.mean) == (39, None, 2_000)
        with am.agent("planner"):
            turn(1_000)
            turn(1_000)
        current = am.current()
        assert current is not None
        for left in (request.forecast(), current.forecast()):
            assert left.asked.iteration == 2
            assert left.asked.spent == request.cost.amount == Decimal("0.0025")
            assert (left.n, left.tokens.quantile(90)) == (26, 1_000)
            assert left.basis.conditions == (("feature", "research"), ("model", "gpt-5"))
    assert journal.flush()


def test_without_a_journal_it_says_so(meter: Kept) -> None:
    """Nothing to read from is a cold start with its reason."""
    made = am.forecast(feature="chat")
    assert made.cold_start
    assert made.notes == ("no journal is configured to take a forecast from",)
    assert "No journal is configured to take a forecast from." in str(made)


def test_a_journal_that_cannot_be_read_is_a_counted_fault(meter: Kept) -> None:
    """The application gets an answer without figures, and the fault is counted."""

    class Broken:
        def entries_of(self, request_id: str) -> list[am.Usage]:
            raise OSError(request_id)

        def history(self) -> History:
            raise OSError("gone")

    STATE.reader = Broken()  # type: ignore[assignment]
    made = am.forecast(feature="chat")
    assert made.notes == ("the journal could not be read; the fault is counted",)
    assert FAULTS.counts() == {"forecast.history: OSError": 1}
    FAULTS.clear()


def test_bad_figures_are_refused(meter: Kept) -> None:
    """What cannot be asked raises in the caller's face."""
    with pytest.raises(UsageError, match="input_tokens: must be 0 or more"):
        am.forecast(input_tokens=-5)
    with pytest.raises(TypeError, match="money is str, int or Decimal"):
        am.forecast(iteration=1, spent=0.5)  # type: ignore[arg-type]
