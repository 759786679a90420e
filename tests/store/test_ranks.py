"""Percentiles in SQL are the report's own, whatever the count of requests."""

import duckdb
from hypothesis import given
from hypothesis import strategies as st

from agentmeter.report.distribution import PERCENTS
from agentmeter.report.rank import nearest_rank
from agentmeter.store.rollup import RANKED


@given(st.lists(st.integers(0, 50), min_size=1, max_size=250))
def test_they_are_nearest_ranks(costs: list[int]) -> None:
    """Values that occurred, never interpolated ones, with ties and at every boundary."""
    with duckdb.connect() as connection:
        rows = "SELECT CAST(unnest(?) AS DECIMAL(38, 18)) AS paid"
        found = connection.execute(f"SELECT {RANKED} FROM ({rows})", [costs]).fetchall()
    assert found == [([nearest_rank(sorted(costs), percent) for percent in PERCENTS],)]
