"""The history of a journal folder, as it grows."""

import shutil
from pathlib import Path

import pytest

import agentmeter as am
from agentmeter.runtime.context import detach
from agentmeter.runtime.state import STATE
from agentmeter.store.history import JournalHistory
from agentmeter.store.journal import Journal
from agentmeter.testing import FakeClock, Kept


class Folder:
    """A journal in a folder, with a history whose clock stands still until told."""

    def __init__(self, folder: Path) -> None:
        self.path = folder
        self.now = 0.0
        self.journal = Journal(folder, lambda *fault: pytest.fail(str(fault)))
        STATE.sink = self.journal
        self.read = JournalHistory(folder, lambda: self.now)

    def history(self) -> dict[str, int]:
        """Tokens by feature, as a look five seconds later has them."""
        assert self.journal.flush()
        self.now += 5
        return {str(one.owner.feature): one.tokens for one in self.read.history().observations}


@pytest.fixture
def folder(meter: Kept, tmp_path: Path) -> Folder:
    return Folder(tmp_path / "journal")


def spend(tokens: int) -> None:
    with am.call(provider="openai", model="gpt-5") as call:
        call.record(am.Usage(input=tokens))


def ask(feature: str, tokens: int) -> None:
    with am.request(feature=feature):
        spend(tokens)


def test_what_is_appended_is_read(folder: Folder) -> None:
    """Each look adds the requests that ended since, and reads no line twice."""
    assert folder.history() == {}
    ask("a", 1)
    assert folder.history() == {"a": 1}
    ask("b", 2)
    ask("c", 3)
    assert folder.history() == {"a": 1, "b": 2, "c": 3}
    assert folder.read._requests._read_so_far == {
        file: file.stat().st_size for file in folder.path.glob("*.jsonl")
    }


def test_within_five_seconds_the_same_history_is_given(folder: Folder) -> None:
    """The files are looked at every five seconds at most, and an unchanged history is not made anew."""
    ask("a", 1)
    assert folder.history() == {"a": 1}
    first = folder.read.history()
    ask("b", 2)
    assert folder.journal.flush()
    folder.now += 4.9
    assert folder.read.history() is first
    assert folder.history() == {"a": 1, "b": 2}
    second = folder.read.history()
    folder.history()
    assert folder.read.history() is second


def test_a_request_counts_once_it_is_over(folder: Folder) -> None:
    """One that still runs tells nothing of its end; its earlier entries count when it has."""
    with am.request(feature="long"):
        spend(10)
        ask("inner", 5)  # joins
        assert folder.history() == {}
        spend(20)
    assert folder.history() == {"long": 35}


def test_what_was_never_closed_is_given_up(folder: Folder) -> None:
    """After a day without an entry a request counts for what it had taken, at least."""
    clock = STATE.now_ns
    assert isinstance(clock, FakeClock)
    lost = am.request(feature="lost").__enter__()
    spend(10)
    detach(lost._token)  # the process goes on without ever closing it
    assert folder.history() == {}
    clock.now += 86_500 * 10**9
    ask("a", 1)
    assert folder.history() == {"lost": 10, "a": 1}
    assert [one.cost_known for one in folder.read.history().observations] == [False, True]


def test_late_work_counts_until_the_request_is_settled(folder: Folder) -> None:
    """Work after the close is taken in; a minute later the request is let go of and stays as is."""
    clock = STATE.now_ns
    assert isinstance(clock, FakeClock)
    with am.request(feature="a"):
        spend(1)
        message = am.inject({})
    assert folder.history() == {"a": 1}
    with am.resume(message):
        spend(2)
    assert folder.history() == {"a": 3}
    clock.now += 61 * 10**9
    ask("b", 1)
    assert folder.history() == {"a": 3, "b": 1}
    with am.resume(message):
        spend(100)
    assert folder.history() == {"a": 3, "b": 1}


def test_a_line_that_is_still_being_written_is_left(folder: Folder, tmp_path: Path) -> None:
    """Half a line is read when the other half is there."""
    ask("a", 1)
    assert folder.journal.flush()
    (file,) = folder.path.glob("*.jsonl")
    data = file.read_bytes()
    copy = tmp_path / "copy"
    copy.mkdir()
    read = JournalHistory(copy, lambda: folder.now)
    (copy / file.name).write_bytes(data[:-10])
    assert len(read.history()) == 0
    (copy / file.name).write_bytes(data)
    folder.now += 5
    assert [one.tokens for one in read.history().observations] == [1]


def test_other_processes_and_a_folder_that_goes(folder: Folder) -> None:
    """Files of other processes are read as well; a folder that is gone leaves what was read."""
    ask("a", 1)
    STATE.sink = other = Journal(folder.path, lambda *fault: pytest.fail(str(fault)))
    ask("b", 2)
    assert other.flush()
    assert folder.history() == {"a": 1, "b": 2}
    shutil.rmtree(folder.path)
    assert folder.history() == {"a": 1, "b": 2}


def test_shared_work_counts_for_each_that_shares_it(folder: Folder) -> None:
    """Tokens of a call for two requests are in both, also where it closes after one of them."""
    with am.request(feature="a") as one:
        spend(1)
        with am.request(feature="b", new=True) as other:
            with am.shared({one: 1, other: 1}):
                spend(10)
            spend(2)
        assert folder.history() == {"b": 7}
    assert folder.history() == {"a": 6, "b": 7}
    ask("c", 3)
    assert folder.history() == {"a": 6, "b": 7, "c": 3}
