"""The table of cases: every provider and condition, to the last digit."""

from decimal import Decimal

import pytest
from tests.pricing.cases import Case, cases, worked_out

from agentmeter.model.money import plain
from agentmeter.pricing import Cached, Catalog
from agentmeter.report.priced import priced, reasons, status

CATALOG = Cached(Catalog())
CASES = tuple(cases())


def test_there_are_at_least_150_cases_and_no_two_are_called_alike() -> None:
    """The table is as large as it says."""
    assert len(CASES) >= 150
    assert len({case.id for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_case_costs_what_its_arithmetic_says(case: Case) -> None:
    """On the rates that the source states, not on what the code has."""
    if case.arithmetic is not None:
        assert worked_out(case.arithmetic) == Decimal(case.expected or "")
    cost = priced(case.served, CATALOG)
    assert status(cost) == case.status, reasons(cost)
    assert (plain(cost.amount) if cost.lines else None) == case.expected
    assert case.reason is None or any(case.reason in reason for reason in reasons(cost))
