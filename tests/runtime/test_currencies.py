"""A request whose calls are priced in several currencies: amounts, and no one cost."""

from decimal import Decimal

import pytest

import agentmeter as am
from agentmeter.pricing import Catalog, RateCard
from agentmeter.testing import metered

CARD = """
currency = "EUR"
[[rate]]
provider = "mistral"
model = "*"
input = "0.15"
output = "0.60"
source = "contract"
"""


def test_amounts_are_by_currency_and_one_cost_is_refused() -> None:
    """While there is one currency it is the cost; with two the error names both and what to read."""
    with metered(RateCard.from_text(CARD).over(Catalog())):
        with am.request(user="u") as request:
            assert request.amounts == {}
            assert request.cost == am.Money("0", "USD")
            with am.call(provider="mistral", model="mistral-large") as call:
                call.record(am.Usage(input=2_000_000))
            assert request.cost == am.Money("0.3", "EUR")
            am.charge("search", usd="0.005")
            current = am.current()
            assert current is not None
            assert current.amounts == {"EUR": Decimal("0.3"), "USD": Decimal("0.005")}
            for one in (request, current):
                with pytest.raises(am.MoneyError) as raised:
                    _ = one.cost
                assert str(raised.value) == (
                    "the request cost 0.3 EUR and 0.005 USD, which are no one amount without a "
                    "rate; read its amounts, by currency"
                )
        assert request.report().requests[0].amounts == request.amounts
