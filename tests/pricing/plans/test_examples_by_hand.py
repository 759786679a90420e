"""Invoices against amounts worked out by hand, in the shapes of public price pages."""

import re
from fractions import Fraction

import pytest
from tests.pricing.plans.examples import EXAMPLES, Example
from tests.pricing.plans.rows import invoices

from agentmeter.model.money import total


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda one: one.page)
def test_an_invoice_amounts_to_what_the_page_says(example: Example) -> None:
    """Line by line and in all, and every line names the requests behind it."""
    made = invoices(example.toml, example.traffic)
    owed = [invoice.payable() for invoice in made]
    assert str(total([amount for _, _, amount in owed])) == example.total
    assert abs(_worked_out(example.by_hand) - Fraction(example.total)) <= Fraction(5, 1000)
    shown = {
        line.what: str(amount)
        for invoice, (amounts, _, _) in zip(made, owed, strict=True)
        for line, amount in zip(invoice.lines, amounts, strict=True)
    }
    assert {what: shown.get(what) for what in example.lines} == example.lines
    assert sum(len(invoice.refused) for invoice in made) == example.refused
    served = {one.request_id for one in example.traffic} - {
        one for invoice in made for one in invoice.refused
    }
    named = {one for invoice in made for line in invoice.lines for one in line.requests}
    assert named <= served
    for invoice in made:
        assert total(list(invoice.revenue.values())) + invoice.unshared == invoice.net
        assert total([line.amount for line in invoice.lines]) == invoice.net


def _worked_out(by_hand: str) -> Fraction:
    exact = re.sub(r"\d+(\.\d+)?", lambda number: f"Fraction('{number[0]}')", by_hand)
    return Fraction(eval(exact, {"Fraction": Fraction}))


def test_there_are_enough_examples() -> None:
    """Each of the shapes that plans come in, and no page twice."""
    assert len({one.page for one in EXAMPLES}) == len(EXAMPLES) >= 40
