"""Every token can be priced where a model's input and output can."""

from decimal import Decimal

from agentmeter.model import METERS
from agentmeter.pricing.rows import with_derived
from agentmeter.pricing.tariff import Rate


def test_every_token_meter_has_a_rate_that_it_falls_back_to() -> None:
    """Of its own side: a token of the input is never billed as one of the output."""
    stated = (
        Rate(meter="input", price=Decimal(2), source="card"),
        Rate(meter="output", price=Decimal(5), source="card"),
    )
    prices = {rate.meter: rate.price for rate in with_derived(stated)}
    tokens = [m for m in METERS.values() if m.unit == "token" and not m.unsplit]
    assert prices == {m.name: Decimal(2 if m.side == "input" else 5) for m in tokens}
