"""A request that has not ended: running where this process has it open, a lower bound elsewhere."""

from pathlib import Path

import agentmeter as am
from agentmeter.report.breakdown import breakdown
from agentmeter.report.distribution import distribution
from agentmeter.report.page.gaps import gap_values
from agentmeter.report.report import build
from agentmeter.testing import Kept
from tests.store.folders import journal


def test_an_open_request_is_running_here_and_a_lower_bound_elsewhere(
    meter: Kept, tmp_path: Path
) -> None:
    """What this process has open came to so much so far; others cannot tell it from a killed one."""
    with am.request(user="ada") as request:
        with am.call(provider="openai", model="gpt-5") as call:
            call.record(am.Usage(input=812, output=77))
        journal(tmp_path, meter.entries, meter.tariffs)
        here = (request.report(), meter.report(), am.report_on(tmp_path))
        elsewhere = build(meter.entries, meter.tariffs)
    assert [one.is_lower_bound for one in here] == [False, False, False]
    assert all("request request [running]" in str(one) and "≥" not in str(one) for one in here)
    assert elsewhere.is_lower_bound
    assert "[never closed]" in str(elsewhere)
    assert [row.is_lower_bound for row in breakdown(elsewhere, "user")] == [True]
    assert (distribution(elsewhere).partial, gap_values(elsewhere)["lower_bound"]) == (1, 1)
    assert am.report_on(tmp_path).is_lower_bound
    assert not meter.report().is_lower_bound


def test_a_request_that_never_closed_is_counted_without_a_call(meter: Kept) -> None:
    """Nothing is known of what it used, which is not that it used nothing."""
    with am.request(user="ada"):
        idle = build(meter.entries, meter.tariffs)
    assert (idle.requests[0].calls, idle.is_lower_bound) == (0, True)
    assert distribution(idle).partial == 1
    assert distribution(meter.report()).partial == 0
