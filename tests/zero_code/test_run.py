"""``agentmeter run``: as without, and metered."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentmeter.testing import ModelServer, Reply
from tests.zero_code.running import ASK, metered, reported, run

PLAIN = {
    "exit": "import sys; print(sys.argv, __name__, __file__); sys.exit(3)",
    "text": "import sys; sys.exit('no more')",
    "raises": "def f():\n    raise KeyError('x')\nf()",
    "signal": "import os, signal; print('on', flush=True); os.kill(os.getpid(), signal.SIGTERM)",
    "interrupt": "import os, signal; os.kill(os.getpid(), signal.SIGINT)",
    "paths": "import sys; print([p for p in sys.path if 'zero_code' in p], sys.path[0])",
}


@pytest.fixture
def models() -> Iterator[ModelServer]:
    with ModelServer(default=Reply(input=10, output=2)) as server:
        yield server


@pytest.mark.parametrize("program", PLAIN.values(), ids=PLAIN)
def test_a_program_runs_as_it_does_without(program: str, tmp_path: Path) -> None:
    """Exit code, signal, arguments, ``__main__``, output and traceback are plain Python's."""
    (tmp_path / "app.py").write_text(program)
    plain = run([sys.executable, "app.py", "-m", "--user", "x"], tmp_path)
    with_us = metered(tmp_path, "app.py", "-m", "--user", "x")
    assert (with_us.returncode, with_us.stdout, with_us.stderr) == (
        plain.returncode,
        plain.stdout,
        plain.stderr,
    )


def test_modules_and_commands_run_as_well(tmp_path: Path) -> None:
    """As ``python -m`` does, with what is on the path, and what is neither is refused."""
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "__main__.py").write_text("import sys; print(__package__, sys.argv[1:])")
    assert metered(tmp_path, "-m", "pack", "--per").stdout == "pack ['--per']\n"
    assert metered(tmp_path, "true").returncode == 0
    refused = metered(tmp_path, "no-such-program")
    assert (refused.returncode, refused.stderr.count("no such file")) == (1, 1)


def test_what_python_cannot_run_is_run_as_itself(tmp_path: Path) -> None:
    """A shell script and an interpreter by their paths; a folder of a command's name hides none."""
    script = tmp_path / "start.sh"
    script.write_text('#!/bin/sh\nexec "$PYTHON" app.py "$@"\n')
    script.chmod(0o755)
    (tmp_path / "app.py").write_text("import agentmeter.runtime.state as s, sys\n"
                                     "print(s.STATE.process is not None, sys.argv[1:])")  # fmt: skip
    assert metered(tmp_path, "./start.sh", "x", PYTHON=sys.executable).stdout == "True ['x']\n"
    assert metered(tmp_path, sys.executable, "app.py", "x").stdout == "True ['x']\n"
    (tmp_path / "true").mkdir()
    assert metered(tmp_path, "true").returncode == 0
    (tmp_path / "tool").write_text(f"#!{sys.executable} -E\nimport app")
    (tmp_path / "tool").chmod(0o755)
    assert metered(tmp_path, "./tool").stdout == "True []\n"
    assert metered(tmp_path, "-c", "import app", "x").stdout == "True ['x']\n"


CHILDREN = (
    ASK
    + """
import multiprocessing, subprocess, sys, threading

if __name__ == "__main__":
    ask()
    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    subprocess.run([sys.executable, "child.py"], check=True, cwd="elsewhere")
    for kind in ("spawn", "fork"):
        process = multiprocessing.get_context(kind).Process(target=ask)
        process.start()
        process.join()
    pid = os.fork()
    if not pid:
        ask()
        sys.exit()
    os.waitpid(pid, 0)
"""
)


def test_a_process_and_its_children_are_one_request(models: ModelServer, tmp_path: Path) -> None:
    """Threads, child programs in another folder, spawned and forked processes: all is on it."""
    (tmp_path / "app.py").write_text(CHILDREN)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "child.py").write_text(ASK + "ask()")
    done = metered(
        tmp_path,
        *("--user", "u-1", "--feature", "nightly", "app.py"),
        MODELS=models.base_url,
        PYTHONWARNINGS="ignore::DeprecationWarning",  # of a fork beside threads, from 3.12 on
    )
    assert (done.returncode, done.stderr) == (0, "")
    report = reported(tmp_path)
    (one,) = report["requests"]
    assert (one["user"], one["feature"], one["status"]) == ("u-1", "nightly", "ok")
    assert one["calls"] == models.billed().calls == 6
    assert one["usage"] == {"input": 60, "output": 12}
    assert report["unattributed"]["calls"] == 0
    assert report["faults"] == {}
    assert not (tmp_path / "elsewhere" / ".agentmeter").exists()


OWN = (
    ASK
    + """
import agentmeter as am

@am.agent
def work():
    ask()
    with am.request(user="own"):
        ask()

work()
with am.request(user="own"):
    ask()
raise KeyError
"""
)


def test_requests_of_its_own_stay_its_own(models: ModelServer, tmp_path: Path) -> None:
    """They do not join the process's request; what is outside of them belongs to that one."""
    (tmp_path / "app.py").write_text(OWN)
    assert metered(tmp_path, "app.py", MODELS=models.base_url).returncode == 1
    found = [(one["user"], one["calls"], one["status"]) for one in reported(tmp_path)["requests"]]
    assert sorted(found, key=str) == [("own", 1, "ok"), ("own", 1, "ok"), (None, 1, "error")]


@pytest.mark.parametrize(
    ("per", "requests", "faults"),
    [
        ("none", 0, []),
        ("http", 0, []),
        ("process", 1, []),
        ("day", 1, ["'day' is none of auto, process, http, none"]),
    ],
)
def test_the_environment_says_what_a_request_is(
    per: str, requests: int, faults: list[str], models: ModelServer, tmp_path: Path
) -> None:
    """Without a request what is metered is unattributed; a word that is none is a fault."""
    (tmp_path / "app.py").write_text(ASK + "ask()")
    done = metered(tmp_path, "app.py", MODELS=models.base_url, AGENTMETER_REQUEST_PER=per)
    assert done.returncode == 0
    report = reported(tmp_path)
    assert len(report["requests"]) == requests
    assert report["unattributed"]["calls"] == 1 - requests
    assert [place.rpartition(": ")[2] for place in report["faults"]] == faults


def test_only_named_integrations_are_switched_on(models: ModelServer, tmp_path: Path) -> None:
    """``AGENTMETER_INTEGRATIONS`` names them; a name that is none is counted."""
    (tmp_path / "app.py").write_text(
        "import agentmeter.runtime.state as s, agentmeter.runtime.faults as f\n"
        "print(s.STATE.integrations, list(f.FAULTS.counts()))"
    )
    done = metered(tmp_path, "app.py", AGENTMETER_INTEGRATIONS="openai, cohere")
    assert done.stdout == "('cohere', 'openai') []\n"
    done = metered(tmp_path, "app.py", AGENTMETER_INTEGRATIONS="opnai")
    said = "configuration: AGENTMETER_INTEGRATIONS: no integration 'opnai'; did you mean openai?"
    assert done.stdout == f'() ["{said}"]\n'
    done = metered(tmp_path, "app.py", AGENTMETER_INTEGRATIONS="opnai,cohere")
    assert done.stdout == f"""('cohere',) ["{said}"]\n"""


def test_another_sitecustomize_is_run_all_the_same(tmp_path: Path) -> None:
    """The one that Python would have found without us."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text("import sys; sys.theirs = 1")
    (tmp_path / "app.py").write_text(
        "import sys, sitecustomize; print(sys.theirs, sitecustomize.__file__)"
    )
    done = metered(tmp_path, "app.py", PYTHONPATH=str(tmp_path / "site"))
    assert done.stdout == f"1 {tmp_path / 'site' / 'sitecustomize.py'}\n", done.stderr


@pytest.mark.parametrize("broken", ["raise RuntimeError('theirs')", "import no_such_module"])
def test_another_sitecustomize_that_fails_takes_nothing_away(broken: str, tmp_path: Path) -> None:
    """Python says so as it does without us, and the program is metered."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(broken)
    (tmp_path / "app.py").write_text(
        "import agentmeter.runtime.state as s; print(s.STATE.process is not None)"
    )
    (tmp_path / "start.sh").write_text(f'PYTHONPATH="$PYTHONPATH:site" {sys.executable} app.py')
    done = metered(tmp_path, "sh", "start.sh")
    assert done.stdout == "True\n"
    assert done.stderr.startswith("Error in sitecustomize; set PYTHONVERBOSE for traceback:\n")


INSTRUMENTED = ASK + "ask()\nimport sys\nprint('anthropic' in sys.modules, sys.argv[1:])"


def test_opentelemetry_instrument_meters_too(models: ModelServer, tmp_path: Path) -> None:
    """No code at all: found by its entry point, beside other instrumentations, and counted once."""
    (tmp_path / "app.py").write_text(INSTRUMENTED)
    program = Path(sys.executable).parent / "opentelemetry-instrument"
    command = [str(program), sys.executable, "app.py", "x"]
    done = run(command, tmp_path, MODELS=models.base_url, AGENTMETER_USER="u-2")
    assert (done.returncode, done.stdout) == (0, "False ['x']\n"), done.stderr
    report = reported(tmp_path)
    (one,) = report["requests"]
    assert (one["user"], one["calls"], one["usage"]) == ("u-2", 1, {"input": 10, "output": 2})
    assert (report["unattributed"]["calls"], report["faults"]) == (0, {})
