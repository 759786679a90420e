"""Results of batches that several processes read: the same figures wherever they are added up."""

import random
from pathlib import Path

import pytest
from tests.store.test_agreement import figures, folders, reported, rolled_up

import agentmeter as am
from agentmeter.integration import Batches
from agentmeter.model import Call, Usage
from agentmeter.report.breakdown import breakdown
from agentmeter.report.report import build
from agentmeter.testing import Kept, metered


def result(number: int) -> Call:
    return Call(
        provider="openai",
        model="gpt-5",
        response_model="gpt-5",
        response_id=f"resp_{number}",
        usage=Usage(input=100 + number, output=10),
    )


def read(batch: str, *numbers: int) -> None:
    """By a process that did not create the batch."""
    batches = Batches()
    for number in numbers:
        batches.result(batch, f"r{number}", result(number))


def processes() -> Kept:
    """Who asked reads a part, others read the rest or read again, inside and outside of requests.

    A batch that nobody metered is read by two, and one was created outside of any request.
    """
    with metered() as kept:
        here = Batches()
        with am.request(user="asks"):
            here.created("b1")
            here.result("b1", "r1", result(1))
        with am.request(user="reads"):
            read("b1", 1, 2)
        read("b1", 2, 3)
        with am.request(user="first"):
            read("b2", 4)
        with am.request(user="second"):
            read("b2", 4)
        here.created("b3")
        with am.request(user="second"):
            read("b3", 5)
        read("b4", 6)
    return kept


def test_each_result_counts_once_for_who_asked() -> None:
    """By user: three of the first batch; of the unmetered one who read first; else unattributed."""
    kept = processes()
    report = build(kept.entries, kept.tariffs)
    calls = {one.tree.record.owner.user: one.calls for one in report.requests}
    assert calls == {"asks": 3, "reads": 0, "first": 1, "second": 0}
    assert report.unattributed is not None
    assert report.unattributed.calls == 2
    assert report.usage.total_input == sum(100 + number for number in range(1, 7))


@pytest.mark.parametrize("seed", range(5))
def test_their_order_and_repetition_do_not_matter(seed: int) -> None:
    """Equal reports."""
    kept = processes()
    shuffled = [*kept.entries, *kept.entries[::3]]
    random.Random(seed).shuffle(shuffled)
    wanted = build(kept.entries, kept.tariffs).to_json()
    assert build(shuffled, kept.tariffs).to_json() == wanted


def test_they_are_the_same_in_a_journal_and_in_duckdb(tmp_path: Path) -> None:
    """In one file or several, compacted at once or in parts that came one after another."""
    kept = processes()
    report = build(kept.entries, kept.tariffs)
    wanted = figures(report)
    assert {row.key: row.calls for row in breakdown(report, "user")}["asks"] == 3
    for name, folder in folders(tmp_path, kept.entries, kept.tariffs, b""):
        assert reported(folder)["requests"] == report.to_json()["requests"], name
        assert rolled_up(folder) == wanted, name
