"""Compaction: nothing is lost, whatever happens in between, and what is open is left alone."""

import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.property.strategies import ENTRIES
from tests.store.folders import PRICER, compacted, journal
from tests.store.test_journal import PRELUDE

from agentmeter.exceptions import BusyError, SourceError
from agentmeter.model import Call, Entry, Kind, Money, Owner, Record
from agentmeter.report.breakdown import breakdown
from agentmeter.report.pricing import priced_now
from agentmeter.report.report import build
from agentmeter.store import compact as module
from agentmeter.store import shelves
from agentmeter.store.compact import compact
from agentmeter.store.engine import Embedded
from agentmeter.store.folder import alone, holdings
from agentmeter.store.reader import read, read_request
from agentmeter.store.rollup import rollup


def records(*numbers: int, request: int = 1) -> list[Record]:
    """Charges of a dollar each, in one request."""
    request_id = f"{request:032x}"
    return [
        Record(request_id, f"{n:016x}", None, Kind.CALL, "c", Owner("u"), n, n + 1,
               call=Call(charge=Money("1")))
        for n in numbers
    ]  # fmt: skip


def same(found: Iterable[Entry], expected: Iterable[Entry]) -> bool:
    def by_scope(entries: Iterable[Entry]) -> list[Entry]:
        return sorted(entries, key=lambda one: (one.request_id, one.scope_id, type(one).__name__))

    return by_scope(found) == by_scope(expected)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(entries=st.lists(ENTRIES, max_size=8, unique_by=lambda entry: entry.scope_id))
def test_parquet_is_an_exact_inverse(
    entries: list[Entry], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """What is read back from Parquet is what the journal held; foreign calls are priced by then."""
    folder = tmp_path_factory.mktemp("f")
    file = journal(folder, entries)
    assert same(read(folder).entries, entries)
    compacted(folder)
    assert not file.exists()
    assert same(read(folder).entries, priced_now(entries, {}, PRICER)[0])


def test_lines_that_cannot_be_read_are_kept_and_told_of(tmp_path: Path) -> None:
    """A torn line, a line of no OTLP and an unknown kind: said before and after, in equal words."""
    file = journal(tmp_path, records(1, 2))
    unknown = file.read_bytes().splitlines()[0].replace(b'"record"', b'"of the future"')
    with file.open("ab") as more:
        more.write(b'{"resourceSpans":[{"\xff\n{"a":1}\n\n' + unknown + b"\n")
    before = read(tmp_path)
    assert len(before.problems) == 3
    done = compacted(tmp_path)
    after = read(tmp_path)
    assert sorted(after.problems) == sorted(before.problems) == sorted(done.problems)
    assert same(after.entries, before.entries)
    with Embedded(tmp_path, PRICER) as store:
        assert sorted(store.problems) == sorted(before.problems)


def test_open_journals_are_left_also_after_a_fork(tmp_path: Path) -> None:
    """A parent and its forked child write on while a compaction runs; nothing of them is lost."""
    program = """
    work('parent', 3)
    from agentmeter.runtime.state import STATE
    assert STATE.sink.flush()
    if os.fork() == 0:
        work('child', 4)
        assert STATE.sink.flush()
        print('ready', flush=True)
        sys.stdin.readline()
        work('child', 1)
        sys.exit(0)
    sys.stdin.readline()
    os.wait()
    work('parent', 2)
    """
    script = tmp_path / "program.py"
    script.write_text(PRELUDE + textwrap.dedent(program))
    folder = tmp_path / "j"
    command = [sys.executable, str(script), str(folder)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as process:  # type: ignore[call-overload]
        assert process.stdout.readline() == "ready\n"
        closed = journal(folder, records(1))
        done = compacted(folder)
        assert done.journals == (closed,)
        assert len(done.left_open) == 2
        process.communicate("\n\n\n")
    assert process.returncode == 0
    assert len(compacted(folder).journals) == 2
    contents = read(folder)
    made = build(contents.entries, contents.tariffs)
    assert (made.usage.total_tokens, len(made.requests)) == (10, 5)
    assert contents.problems == []


class Killed(BaseException):
    """Stands for the end of the process."""


STEPS = ("write", "check_columns", "sync_folder", "commit", "remove", "known_tariffs")


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("nth", [1, 2, 3])
def test_a_death_at_any_step_loses_and_doubles_nothing(
    step: str, nth: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before and after every step that touches the folder: each entry counts exactly once."""
    old, new = records(1, 2), records(3, 4)
    journal(tmp_path, old)
    compacted(tmp_path)
    journal(tmp_path, new)
    real, calls = getattr(module, step), []

    def dies(*given: object, **named: object) -> object:
        calls.append(step)
        if len(calls) == nth:
            if step in ("commit", "sync_folder"):
                real(*given, **named)
            raise Killed
        return real(*given, **named)

    monkeypatch.setattr(module, step, dies)
    died = False
    try:
        compacted(tmp_path)
    except Killed:
        died = True
    assert died == (len(calls) >= nth)
    monkeypatch.undo()
    assert same(read(tmp_path).entries, [*old, *new])
    with Embedded(tmp_path, PRICER) as store:
        assert [(row.key, row.calls) for row in rollup(store, "user")] == [("u", 4)]
    compacted(tmp_path)
    assert same(read(tmp_path).entries, [*old, *new])
    assert holdings(tmp_path).stale == ()
    assert not list(tmp_path.glob(".compact-*"))


def test_a_kill_in_the_middle_of_a_real_run_is_harmless(tmp_path: Path) -> None:
    """SIGKILL at several moments of a real process: the folder reads the same every time."""
    entries = records(*range(1, 4000))
    journal(tmp_path, entries)
    command = [sys.executable, "-m", "agentmeter.cli", "compact", str(tmp_path)]
    for pause in (0.2, 0.5, 0.8, 1.1):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        time.sleep(pause)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert len({one.scope_id for one in read(tmp_path).entries}) == len(entries)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    assert same(read(tmp_path).entries, entries)
    assert not list(tmp_path.glob("*.jsonl"))


def test_an_interruption_changes_nothing_and_says_so(tmp_path: Path) -> None:
    """Ctrl-C ends the command with status 130; the journals are as they were."""
    entries = records(*range(1, 20_000))
    journal(tmp_path, entries)
    command = [sys.executable, "-m", "agentmeter.cli", "compact", str(tmp_path)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while not list(tmp_path.glob(".compact-*/entries.*")):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate()
    assert process.returncode == 130
    assert "interrupted; the records are as they were" in said
    assert same(read(tmp_path).entries, entries)
    assert not list(tmp_path.glob(".compact-*/*"))


def test_a_disk_that_takes_no_more_is_told_and_changes_nothing(tmp_path: Path) -> None:
    """Compacting, removing and erasing end with a reason; the same works once there is room."""
    entries = records(*range(1, 200))
    journal(tmp_path, entries)
    small = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))"
    run = f"{small}; from agentmeter.cli import main; main()"
    for command in (["compact"], ["prune", "--older-than", "1d"], ["erase", "--user", "u"]):
        done = subprocess.run(
            [sys.executable, "-c", run, command[0], str(tmp_path), *command[1:]],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 1
        assert done.stderr.startswith(f"Error: {tmp_path}: File too large; nothing is lost")
        assert same(read(tmp_path).entries, entries)
    assert compacted(tmp_path).entries >= len(entries)
    assert same(read(tmp_path).entries, entries)


def test_one_compaction_at_a_time(tmp_path: Path) -> None:
    """A second run is refused with a reason, and changes nothing."""
    journal(tmp_path, records(1))
    with alone(tmp_path), pytest.raises(BusyError, match="another process is rewriting it"):
        compacted(tmp_path)
    assert len(compacted(tmp_path).journals) == 1


def test_several_at_once_lose_nothing(tmp_path: Path) -> None:
    """Eight processes compact the same folder; one does, and all entries are there once."""
    entries = records(*range(1, 2000))
    for part in range(4):
        journal(tmp_path, entries[part::4])
    command = [sys.executable, "-m", "agentmeter.cli", "compact", str(tmp_path)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    running = [subprocess.Popen(command, **quiet) for _ in range(8)]  # type: ignore[call-overload]
    codes = {process.wait() for process in running}
    assert 0 in codes
    assert codes <= {0, 1}
    assert same(read(tmp_path).entries, entries)


def test_what_does_not_read_back_the_same_is_not_put_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that loses a row is noticed, and the journals are kept."""
    file = journal(tmp_path, records(1, 2, 3))

    def loses(connection: object, relation: str, *rest: object) -> None:
        real(connection, f"(SELECT * FROM {relation} LIMIT 2)", *rest)

    real = module.write
    monkeypatch.setattr(module, "write", loses)
    with pytest.raises(SourceError, match=r"does not read back the same \(2 of 3 entries\)"):
        compacted(tmp_path)
    assert file.exists()
    assert holdings(tmp_path).generations == ()


def test_small_generations_are_taken_in(tmp_path: Path) -> None:
    """Many compactions leave few files, and every entry once."""
    entries = records(*range(1, 41))
    for number in range(20):
        journal(tmp_path, entries[2 * number : 2 * number + 2])
        compacted(tmp_path)
    assert len(holdings(tmp_path).generations) <= 5
    assert same(read(tmp_path).entries, entries)
    with Embedded(tmp_path, PRICER) as store:
        (row,) = rollup(store, "request")
    assert (row.calls, str(row.amounts["USD"].normalize())) == (40, "4E+1")


def test_one_request_is_read_from_parquet_and_journals(tmp_path: Path) -> None:
    """What a live process asks for after a compaction: all entries of a request."""
    first, second = records(1, 2, request=7), records(3, request=7)
    journal(tmp_path, [*first, *records(9, request=8)])
    compacted(tmp_path)
    journal(tmp_path, second)
    assert same(read_request(tmp_path, f"{7:032x}"), [*first, *second])


def test_a_generation_says_whether_work_is_shared_in_it(tmp_path: Path) -> None:
    """Where none is, a look-up need not ask; a manifest that does not say so is asked."""
    journal(tmp_path, records(1))
    compacted(tmp_path)
    assert [one.shared for one in holdings(tmp_path).generations] == [False]
    shared = replace(records(2)[0], request_id="f" * 32, shares={f"{1:032x}": 1})
    journal(tmp_path, [shared])
    compacted(tmp_path)
    assert [one.shared for one in holdings(tmp_path).generations] == [True]
    assert {one.scope_id[-1] for one in read_request(tmp_path, f"{1:032x}")} == {"1", "2"}
    (manifest,) = tmp_path.glob("*.manifest")
    manifest.write_text(manifest.read_text().replace('"shared"', '"of the future"'))
    assert [one.shared for one in holdings(tmp_path).generations] == [True]


def test_what_is_sorted_in_parts_is_sorted_as_a_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ids from all over, a generation taken in among them: one file in order, nothing lost."""
    monkeypatch.setattr(shelves, "_TOGETHER", 1)
    entries = [
        replace(records(n + 1)[0], request_id=request_id)
        for n, request_id in enumerate([*(f"{n:02x}" * 16 for n in range(0, 256, 5)), "unattributed"])
    ]
    journal(tmp_path, entries[::2])
    compacted(tmp_path)
    journal(tmp_path, entries[1::2])
    compacted(tmp_path)
    assert same(read(tmp_path).entries, entries)
    (one,) = holdings(tmp_path).generations
    for name in one.files[1:]:
        ids = duckdb.sql(f"SELECT request_id FROM '{tmp_path / name}'").fetchall()
        assert [row[0] for row in ids] == sorted(entry.request_id for entry in entries)
    with Embedded(tmp_path, PRICER) as store:
        expected = breakdown(build(entries, {}), "user")
        assert rollup(store, "user") == expected
        assert sum(row.calls for row in expected) == len(entries)


def test_other_files_are_neither_read_as_journals_nor_removed(tmp_path: Path) -> None:
    """OTLP JSON that agentmeter did not write is reported on, and stays where it is."""
    written = journal(tmp_path, records(1))
    theirs = tmp_path / "export.jsonl"
    theirs.write_bytes(written.read_bytes().replace(b"0001", b"0002"))
    compacted(tmp_path)
    assert theirs.exists()
    assert not written.exists()
    assert len(read(tmp_path).entries) == 2


def test_an_amount_that_sql_cannot_hold_is_refused_and_named(tmp_path: Path) -> None:
    """A charge with 19 decimals is reported exactly, and not rounded into a roll-up."""
    odd = Record("a" * 32, "b" * 16, None, Kind.CALL, "c", Owner(), 1, 2,
                 call=Call(charge=Money("0.0000000000000000001")))  # fmt: skip
    journal(tmp_path, [odd, *records(1)])
    compacted(tmp_path)
    contents = read(tmp_path)
    assert build(contents.entries, {}).to_json()["total"]["cost"]["amount"] == (
        "1.0000000000000000001"
    )
    with Embedded(tmp_path, PRICER) as store:
        assert [row.key for row in rollup(store, "request")] == [f"{1:032x}"]
        (problem,) = store.problems
    assert "does not fit into 20 digits and 18 decimals" in problem


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The message says what to name."""
    with pytest.raises(SourceError, match="name a journal folder"):
        compact(tmp_path / "none", PRICER)


def test_a_manifest_of_a_later_version_is_named(tmp_path: Path) -> None:
    """Its files are not read, and what else is there is."""
    journal(tmp_path, records(1))
    compacted(tmp_path)
    (manifest,) = tmp_path.glob("*.manifest")
    manifest.write_text(manifest.read_text().replace('"layout": 1', '"layout": 99'))
    journal(tmp_path, records(2))
    contents = read(tmp_path)
    assert len(contents.entries) == 1
    assert "reads 1; read it with the version that wrote it" in contents.problems[0]
    assert list(tmp_path.glob("*.entries.parquet")), "what is not understood is never removed"
    compacted(tmp_path)
    assert len(list(tmp_path.glob("*.entries.parquet"))) == 2
    assert manifest.exists()
