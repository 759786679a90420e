"""Requests whose export has every kind of row: tiers, regions, minimums, shares, charges, gaps."""

from dataclasses import replace
from decimal import Decimal

from agentmeter.model import REPORTED, Call, Kind, Money, Owner, Record, Usage
from agentmeter.pricing import PriceKey, Rate, Tariff
from agentmeter.pricing.tariff import Adjustment
from agentmeter.report.report import Report, build

START = 1_796_083_199_500_000_000
"""2026-11-30T23:59:59.5Z: the call ends in the next month."""


def rate(meter: str, price: str, minimum: int | None = None) -> Rate:
    """A row at a price."""
    return Rate(
        meter=meter, price=Decimal(price), source="list", minimum=minimum,
        assumed="supposed" if meter == "output" else None,
    )  # fmt: skip


ADJUSTED = (
    Adjustment("region", Decimal("0.0000001"), "supplement"),
    Adjustment("discount", Decimal("-0.0000002"), "contract"),
)
TARIFF = Tariff(
    PriceKey("openai", "gpt-5"),
    "USD",
    "1",
    (
        rate("input", "0.00000125"),
        rate("output", "0.00001"),
        rate("audio_second", "0.0001", 10),
        replace(rate("cache_read", "0.0000009"), adjusted=ADJUSTED),
    ),
)


def record(request: str, number: int, call: Call | None, name: str, **more: object) -> Record:
    """A root (without a call) or a call below it."""
    owner = Owner("u-1", "acme", "chat", None, {"team": "blue"})
    kind, parent = (Kind.CALL, f"{1:016x}") if call else (Kind.REQUEST, None)
    return Record(
        request, f"{number:016x}", parent, kind, name, owner, START, START + 10**9, call=call,
        **more,  # type: ignore[arg-type]
    )  # fmt: skip


def call(**usage: int) -> Call:
    """A call at ``TARIFF``."""
    return Call(
        "openai", "gpt-5", service_tier="flex", region="eu", usage=Usage(usage),
        evidence=dict.fromkeys(usage, REPORTED), tariff=TARIFF.digest,
    )  # fmt: skip


ONE, TWO = f"{1:032x}", f"{2:032x}"


def sample() -> Report:
    """The report."""
    charge = Call(charge=Money(Decimal("0.005")))
    shared = record(f"{3:032x}", 5, call(input=10), "chat", shares={ONE: 1, TWO: 2})
    entries = [
        record(ONE, 1, None, "ask"),
        record(ONE, 2, call(input=812, output=77, cache_read=1000), "chat"),
        record(ONE, 3, call(audio_second=3, web_search=2), "transcribe"),
        record(ONE, 4, charge, "serpapi.search"),
        record(TWO, 6, None, "ask"),
        shared,
    ]
    return build(entries, {TARIFF.digest: TARIFF})
