"""A request that has not ended: running where this process has it open, a lower bound elsewhere."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import agentmeter as am
from agentmeter.model import Kind, Record
from agentmeter.pricing import Tariff
from agentmeter.report.breakdown import breakdown
from agentmeter.report.distribution import distribution
from agentmeter.report.page.gaps import gap_values
from agentmeter.report.page.value import page_value
from agentmeter.report.report import build
from agentmeter.report.reprice import Terms, reprice
from agentmeter.testing import Kept
from tests.store.folders import PRICER, journal


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


def test_the_page_and_a_repricing_say_it_too(meter: Kept) -> None:
    """Groups, today, the request's root and the change of a total: open at the top, like it."""
    with am.request(user="ada"):
        with am.call(provider="openai", model="gpt-5") as call:
            call.record(am.Usage(input=812, output=77))
        killed = list(meter.entries)
    for entries, bound in ((killed, True), (meter.entries, False)):
        report = build(entries, meter.tariffs)
        page = page_value(report, report.requests[0].tree.record.ended_ns)["report"]
        ((tree,), (row,)) = page["trees"]["by_id"].values(), page["groups"]["user"]["rows"]
        told = [scope["partial"] for scope in tree["scopes"]]
        assert (row["partial"], page["today"]["partial"], told) == (bound, bound, [bound, False])
        assert reprice(entries, meter.tariffs, PRICER, Terms()).total.partial is bound


def test_what_was_only_resumed_or_shared_here_has_no_end_on_record(meter: Kept) -> None:
    """The top of a part is not the request's own root, and says nothing of the request's end."""
    with am.request(user="ada") as one, am.request(new=True) as other, am.shared({one: 2, other: 1}):
        am.charge("search", usd="0.3")
    records = [entry for entry in meter.entries if isinstance(entry, Record)]
    shared = [record for record in records if record.shares]
    (root,) = (record for record in records if record.request_id == one.id and not record.parent_id)
    resumed = replace(root, kind=Kind.STEP, name="resumed")
    tariffs: dict[str, Tariff] = {}
    assert [part.is_lower_bound for part in build(shared, tariffs).requests] == [True, True]
    assert [part.is_lower_bound for part in build([resumed], tariffs).requests] == [True]
    assert [part.is_lower_bound for part in build(records, tariffs).requests] == [False, False]


FORKED = """
import os
import agentmeter as am
am.configure(journal=False)
with am.request(user="ada") as request:
    am.charge("search", usd="0.5")
    child = os.fork()
    bound = request.report().is_lower_bound
    if child == 0:
        os._exit(10 + bound)
    _, status = os.waitpid(child, 0)
    print(bound, os.waitstatus_to_exitcode(status))
"""


def test_a_forked_child_does_not_know_what_becomes_of_its_parents_request() -> None:
    """In the parent it runs; to the child it came to this much or more."""
    done = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "11"], done.stderr
