"""The journal: several processes, forks, kills, and a disk that refuses."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from agentmeter.exceptions import SourceError
from agentmeter.report.report import Report, build
from agentmeter.store.reader import read

PRELUDE = """
import os, sys, time, signal, multiprocessing
import agentmeter as am
am.configure(directory=sys.argv[1], spans=False)
def work(user, calls=50):
    with am.request(user=user):
        for _ in range(calls):
            with am.call(provider="openai", model="gpt-5") as call:
                call.record(am.Usage(input=1))
"""


def run(folder: Path, program: str, **options: object) -> subprocess.CompletedProcess[str]:
    script = folder / "program.py"
    script.write_text(PRELUDE + textwrap.dedent(program))
    (folder / "j").mkdir(exist_ok=True)
    return subprocess.run(
        [sys.executable, str(script), str(folder / "j")],
        capture_output=True,
        text=True,
        timeout=60,
        **options,  # type: ignore[call-overload]
    )


def report(folder: Path) -> Report:
    contents = read(folder / "j")
    assert contents.problems == []
    scopes = [entry.scope_id for entry in contents.entries if type(entry).__name__ == "Record"]
    assert len(scopes) == len(set(scopes)), "a record was written twice"
    return build(contents.entries, contents.tariffs)


def tokens(made: Report) -> dict[str | None, int]:
    return {one.view.owner.user: one.usage.total_tokens for one in made.requests}


def test_a_normal_exit_writes_everything(tmp_path: Path) -> None:
    """Nothing is flushed by hand; the exit does it."""
    run(tmp_path, "work('a')")
    assert tokens(report(tmp_path)) == {"a": 50}


def test_prefork_workers_lose_nothing_and_write_nothing_twice(tmp_path: Path) -> None:
    """A parent with queued entries forks workers, as gunicorn does; all exit normally."""
    run(
        tmp_path,
        """
        work('parent')
        pids = []
        for n in range(4):
            pid = os.fork()
            if pid == 0:
                work(f'child{n}')
                sys.exit(0)
            pids.append(pid)
        work('after')
        for pid in pids:
            os.waitpid(pid, 0)
        """,
    )
    expected = {"parent": 50, "after": 50, **{f"child{n}": 50 for n in range(4)}}
    assert tokens(report(tmp_path)) == expected
    assert len(list((tmp_path / "j").glob("*.jsonl"))) == 5


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_multiprocessing_children_are_written(method: str, tmp_path: Path) -> None:
    """multiprocessing skips atexit in forked children; their entries are written all the same."""
    run(
        tmp_path,
        f"""
        if __name__ == "__main__":
            work('parent')
            context = multiprocessing.get_context({method!r})
            children = [context.Process(target=work, args=(f'c{{n}}',)) for n in range(3)]
            [child.start() for child in children]
            [child.join() for child in children]
        """,
    )
    assert tokens(report(tmp_path)) == {"parent": 50, "c0": 50, "c1": 50, "c2": 50}


def test_a_killed_process_leaves_its_request_as_never_closed(tmp_path: Path) -> None:
    """After kill -9 what was acknowledged is there, and the request keeps its owner's name."""
    done = run(
        tmp_path,
        """
        request = am.request(user='a', tenant='acme')
        request.__enter__()
        with am.call(provider="openai", model="gpt-5") as call:
            call.record(am.Usage(input=3))
        assert am.flush()
        os.kill(os.getpid(), signal.SIGKILL)
        """,
    )
    assert done.returncode == -signal.SIGKILL
    (only,) = report(tmp_path).requests
    assert only.tree.record.status == "never_closed"
    assert (only.view.owner.user, only.view.owner.tenant) == ("a", "acme")
    assert only.usage.total_tokens == 3
    assert (only.missing, only.view.missing, only.evidence) == ((), (), {"reported": 1})
    assert only.is_lower_bound
    assert "cost ≥ " in str(report(tmp_path))


def test_sigterm_loses_nothing(tmp_path: Path) -> None:
    """The default SIGTERM ends a process without its exit handlers; entries are kept."""
    done = run(
        tmp_path,
        """
        work('a')
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)
        """,
    )
    assert done.returncode == -signal.SIGTERM
    assert tokens(report(tmp_path)) == {"a": 50}


def test_flush_on_close_has_written_when_the_request_is_over(tmp_path: Path) -> None:
    """With flush_on_close a process may die right after its request."""
    run(
        tmp_path,
        """
        am.configure(directory=sys.argv[1], spans=False, flush_on_close=True)
        work('a')
        os.kill(os.getpid(), signal.SIGKILL)
        """,
    )
    assert tokens(report(tmp_path)) == {"a": 50}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_is_counted_and_never_raised(tmp_path: Path) -> None:
    """Every entry that the disk refuses is counted; the application does not notice."""
    done = run(
        tmp_path,
        """
        from agentmeter.runtime.state import STATE
        from agentmeter.runtime.faults import FAULTS
        STATE.sink._file._file = os.open('/dev/full', os.O_WRONLY)
        work('a', 9)
        am.flush()
        assert FAULTS.counts() == {'journal write: OSError': 11}, FAULTS.counts()
        print('fine')
        """,
    )
    assert done.stdout == "fine\n", done.stderr


def test_a_line_that_the_disk_cut_costs_nothing_that_comes_after(tmp_path: Path) -> None:
    """What is written once there is room again begins on a line of its own, tariff included."""
    done = run(
        tmp_path,
        """
        import resource
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        work('a', 1)
        assert am.flush()
        (file,) = [name for name in os.listdir(sys.argv[1]) if name.endswith('jsonl')]
        size = os.path.getsize(os.path.join(sys.argv[1], file))
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 900, hard))
        work('b', 1)
        assert not am.flush(), 'not everything is written'
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        work('c', 1)
        assert am.flush()
        """,
    )
    assert done.returncode == 0, done.stderr
    contents = read(tmp_path / "j")
    made = build(contents.entries, contents.tariffs)
    by_user = {one.view.owner.user: one for one in made.requests}
    assert len(contents.problems) == 1
    assert by_user["c"].tree.record.status == "ok"
    assert by_user["c"].amounts == by_user["a"].amounts != {}


def test_a_journal_that_somebody_deleted_begins_another_file(tmp_path: Path) -> None:
    """The new file has the tariff again, so that what it holds is priced."""
    done = run(
        tmp_path,
        """
        work('a', 1)
        assert am.flush()
        for name in os.listdir(sys.argv[1]):
            os.unlink(os.path.join(sys.argv[1], name))
        work('b', 3)
        assert am.flush()
        """,
    )
    assert done.returncode == 0, done.stderr
    made = report(tmp_path)
    assert tokens(made) == {"b": 3}
    assert made.requests[0].missing == ()


def test_configuring_again_lets_go_of_the_journal_before(tmp_path: Path) -> None:
    """Neither threads nor files pile up, and nothing that was put is lost."""
    done = run(
        tmp_path,
        """
        import threading
        for n in range(20):
            am.configure(directory=sys.argv[1], spans=False)
            work(f'u{n}', 1)
        am.configure(journal=False)
        names = [t.name for t in threading.enumerate()]
        files = [os.readlink(f'/proc/self/fd/{fd}') for fd in os.listdir('/proc/self/fd')
                 if os.path.exists(f'/proc/self/fd/{fd}')]
        assert 'agentmeter-journal' not in names, names
        assert not [name for name in files if name.endswith('jsonl')], files
        """,
    )
    assert done.returncode == 0, done.stderr
    assert tokens(report(tmp_path)) == {f"u{n}": 1 for n in range(20)}


def test_text_that_is_no_text_is_written_as_far_as_it_is(tmp_path: Path) -> None:
    """Half a surrogate pair in a name or an id costs no record."""
    done = run(
        tmp_path,
        r"""
        with am.request("ask\ud800", user="u\udfff", tags={"t\ud800": "\ud800"}):
            with am.call("c", provider="openai", model="gpt-5") as call:
                call.record({"id": "\ud800", "usage": {"prompt_tokens": 7, "completion_tokens": 0}})
        """,
    )
    assert done.returncode == 0, done.stderr
    made = report(tmp_path)
    assert tokens(made) == {r"u\udfff": 7}
    assert made.requests[0].view.owner.tags == {r"t\ud800": r"\ud800"}


def test_a_fork_while_a_thread_holds_our_locks_does_not_hang_the_child(tmp_path: Path) -> None:
    """The thread is not there in the child to let go of them, so the child has its own."""
    done = run(
        tmp_path,
        """
        import threading
        from agentmeter.runtime import scope
        from agentmeter.runtime.faults import FAULTS
        from agentmeter.runtime.state import STATE
        with am.request(user='a') as request:
            locks = scope._COUNTING, FAULTS._lock, STATE.lock, request.ledger._lock
            held, forked = threading.Event(), threading.Event()
            def hold():
                for lock in locks:
                    lock.acquire()
                held.set()
                forked.wait()
                for lock in reversed(locks):
                    lock.release()
            thread = threading.Thread(target=hold)
            thread.start()
            held.wait()
            pid = os.fork()
            if pid == 0:
                signal.alarm(20)
                with am.call(provider="openai", model="gpt-5") as call:
                    call.record(am.Usage(input=5))
                FAULTS.count('counted')
                os._exit(0 if am.flush() else 1)
            forked.set()
            thread.join()
            status = os.waitpid(pid, 0)[1]
        sys.exit(status)
        """,
    )
    assert done.returncode == 0, done.stderr
    assert tokens(report(tmp_path)) == {"a": 5}


def test_a_folder_that_cannot_be_made_is_counted(tmp_path: Path) -> None:
    """A journal whose folder cannot exist costs no exception."""
    (tmp_path / "file").write_text("")
    done = run(
        tmp_path,
        """
        from agentmeter.runtime.faults import FAULTS
        am.configure(directory=os.path.join(os.path.dirname(sys.argv[1]), 'file', 'x'))
        work('a', 1)
        am.flush()
        assert sum(FAULTS.counts().values()) == 3, FAULTS.counts()
        print('fine')
        """,
    )
    assert done.stdout == "fine\n", done.stderr


def test_files_are_private_and_the_folder_ignores_itself(tmp_path: Path) -> None:
    """The journal is readable by its owner alone, and git does not see it."""
    run(tmp_path, "work('a')")
    (file,) = (tmp_path / "j").glob("*.jsonl")
    assert os.stat(file).st_mode & 0o777 == 0o600
    assert (tmp_path / "j" / ".gitignore").read_text() == "*\n"


def test_a_torn_line_costs_one_entry_and_is_named(tmp_path: Path) -> None:
    """A cut-off last line is reported with file and line; everything before it is kept."""
    run(tmp_path, "work('a', 5)")
    (file,) = (tmp_path / "j").glob("*.jsonl")
    whole = file.read_bytes()
    file.write_bytes(whole[:-100])
    contents = read(file)
    lines = whole.count(b"\n")
    assert len(contents.problems) == 1
    assert f"{file}, line {lines}: not JSON" in contents.problems[0]
    assert build(contents.entries, contents.tariffs).usage.total_tokens == 5


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a": 1}\n', "no 'resourceSpans' list"),
        (b"\x00\x01\x02", "a binary file"),
        (b"hello\n", "not JSON"),
    ],
)
def test_what_cannot_be_read_at_all_says_why(content: bytes, message: str, tmp_path: Path) -> None:
    """A foreign, a binary and a text file are refused with the reason and the place."""
    file = tmp_path / "x.json"
    file.write_bytes(content)
    with pytest.raises(SourceError, match=message):
        read(file)


def test_faults_are_in_the_journal_each_told_once(tmp_path: Path) -> None:
    """What a process and its forked child counted as faults is read back, each fault once."""
    done = run(
        tmp_path,
        """
        from agentmeter.runtime.faults import FAULTS
        work('a', 1)
        FAULTS.count('planned', times=2)
        am.flush()
        FAULTS.count('planned')
        pid = os.fork()
        if pid == 0:
            FAULTS.count('in the child')
            work('b', 1)
            am.flush()
            os._exit(0)
        os.waitpid(pid, 0)
        """,
    )
    assert done.returncode == 0, done.stderr
    contents = read(tmp_path / "j")
    assert contents.faults() == {"planned": 3, "in the child": 1}
    assert contents.problems == []
