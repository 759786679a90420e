"""Impossible usage is refused with the arithmetic, and counted; the call goes on as unknown."""

import pytest

import agentmeter as am
from agentmeter.runtime.faults import FAULTS
from agentmeter.testing import Kept

BAD = [
    ({"input": -1}, "input: a quantity cannot be negative, got -1"),
    (
        {"prompt_tokens": 5, "prompt_tokens_details": {"cached_tokens": 9}},
        "cannot exceed prompt_tokens",
    ),
    ({"prompt_tokens": "many"}, "prompt_tokens: a quantity is an int, got 'many'"),
    ({"inputs": 3}, "of no known shape"),
    (3, "cannot read usage from int"),
]


@pytest.mark.parametrize(("used", "message"), BAD)
def test_impossible_usage_is_refused(used: object, message: str, meter: Kept) -> None:
    """The fault names the field; nothing is raised, and the call is unknown, not zero."""
    with am.call(provider="openai", model="gpt-5") as call:
        call.record(used)
    (fault,) = FAULTS.counts()
    FAULTS.clear()
    assert fault.startswith("call.record: ")
    assert message in fault
    report = meter.report().unattributed
    assert report is not None
    assert report.evidence == {"unknown": 1}
    assert {gap.meter for gap in report.missing} == {"input", "output"}


def test_a_response_without_usage_is_unknown(meter: Kept) -> None:
    """A provider that says nothing of usage leaves it unknown, which is not zero."""
    with am.request() as request, am.call(provider="openai", model="gpt-5") as call:
        call.record({"id": "x", "model": "gpt-5", "usage": None})
    assert request.report().requests[0].evidence == {"unknown": 1}
