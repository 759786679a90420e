"""Worker processes: whatever starts and ends them, what they metered is on record."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from agentmeter.report.report import build
from agentmeter.store.reader import read

PROGRAM = """
import concurrent.futures, multiprocessing, sys
import agentmeter as am

@am.request(user=lambda n: f"u{n}")
def job(n):
    with am.call(provider="openai", model="gpt-5") as call:
        call.record(am.Usage(input=1000))

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    if sys.argv[2] == "executor":
        with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
            list(pool.map(job, range(6)))
    elif sys.argv[2] == "terminated pool":
        with context.Pool(2) as pool:
            pool.map(job, range(6))
    elif sys.argv[2] == "closed pool":
        pool = context.Pool(2)
        pool.map(job, range(6))
        pool.close()
        pool.join()
    else:
        processes = [context.Process(target=job, args=(n,)) for n in range(6)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
"""


@pytest.mark.parametrize(
    ("method", "workers"),
    [
        ("fork", "processes"),
        ("fork", "terminated pool"),
        ("fork", "closed pool"),
        ("fork", "executor"),
        ("forkserver", "processes"),
        ("forkserver", "terminated pool"),
        ("spawn", "terminated pool"),
    ],
)
def test_workers_of_a_program_that_configured_nothing(
    method: str, workers: str, tmp_path: Path
) -> None:
    """The parent never used the meter, so that each worker begins a journal of its own."""
    script = tmp_path / "program.py"
    script.write_text(PROGRAM)
    env = {**os.environ, "AGENTMETER_DIR": str(tmp_path / "j")}
    done = subprocess.run(
        [sys.executable, str(script), method, workers], env=env, timeout=120, check=False
    )
    assert done.returncode == 0
    contents = read(tmp_path / "j")
    report = build(contents.entries, contents.tariffs, faults=contents.faults())
    assert sorted(one.view.owner.user or "" for one in report.requests) == [
        f"u{n}" for n in range(6)
    ]
    assert report.usage == {"input": 6000}
    assert report.faults == {}


COUNTED_LATE = """
import agentmeter as am
from agentmeter.runtime.counting import COUNTER

with am.request(), am.call(provider="openai", model="gpt-5") as call:
    call.record(am.Usage(input=1))
COUNTER.submit(lambda: call.record(am.Usage(input=5)))  # as the tokenizer does, a while later
"""


def test_what_is_counted_as_the_process_ends_is_in_its_one_file(tmp_path: Path) -> None:
    """The journal is closed after the last count, not before it, so that no second one begins."""
    env = {**os.environ, "AGENTMETER_DIR": str(tmp_path / "j")}
    subprocess.run([sys.executable, "-c", COUNTED_LATE], env=env, timeout=120, check=True)
    (file,) = (tmp_path / "j").glob("*.jsonl")
    contents = read(file)
    assert build(contents.entries, contents.tariffs).usage == {"input": 5}
