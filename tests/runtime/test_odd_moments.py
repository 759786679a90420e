"""Scopes that end at odd moments: while garbage is collected, and when the interpreter ends."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import agentmeter as am
from agentmeter.store.recorded import report_holding

SRC = Path(am.__file__).parent
LEFT = """
import gc, sys
import agentmeter as am

am.configure(metrics=sys.argv[1] == "metrics")

@am.step
def left():
    yield 1
    yield 2

class Ring: pass

def leave():
    ring = Ring()
    ring.itself, ring.work = ring, left()
    next(ring.work)

gc.set_threshold(1, 1, 1)
for _ in range(100):
    with am.request(user="u"):
        for _ in range(20):
            leave()
            with am.call(provider="openai", model="gpt-5") as call:
                call.record(am.Usage(input=1))
"""
AT_THE_END = """
import agentmeter as am

@am.step
def left():
    yield 1
    yield 2

@am.request(user="u")
def begun():
    work = left()
    next(work)
    return work

kept = begun()
"""


def ran(program: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("metrics", ["metrics", "none"])
def test_a_generator_that_is_collected_anywhere_stops_nothing(tmp_path: Path, metrics: str) -> None:
    """Its scope ends in the middle of whatever allocated, also of what holds our own locks."""
    found = ran(LEFT, tmp_path, metrics)
    assert found.returncode == 0, found.stderr[-500:]
    report = report_holding(tmp_path / ".agentmeter")
    assert len(report.requests) == 100
    assert report.usage == am.Usage(input=2000)


def test_a_generator_that_is_left_until_the_end_lets_the_program_end(tmp_path: Path) -> None:
    """It is closed when no thread can be started any more, and is on record all the same."""
    found = ran(AT_THE_END, tmp_path)
    assert found.returncode == 0, found.stderr[-500:]
    (request,) = report_holding(tmp_path / ".agentmeter").requests
    assert [(one.record.name, one.record.status) for one in request.tree.children] == [
        ("left", "closed")
    ]


@pytest.mark.parametrize("part", ["runtime", "integration", "pricing", "web"])
def test_locks_that_the_end_of_a_scope_may_need_are_reentrant(part: str) -> None:
    """A plain lock would be waited for for ever by the thread that holds it."""
    plain = [
        str(file.relative_to(SRC))
        for file in (SRC / part).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "threading.Lock"
    ]
    assert plain == []
