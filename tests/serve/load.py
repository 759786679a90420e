"""Several senders at once, and a receiver that is killed and begun again in the middle."""

import os
import socket
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from agentmeter.report.report import build
from agentmeter.store.reader import read
from tests.serve.serving import Serving, started, stored

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Load:
    """What came of it: span ids acknowledged, and stored as often as they are.

    ``calls`` are those of the report, in which a span that was sent twice counts once; ``torn`` is
    what the reader says of it.
    """

    acknowledged: set[int]
    stored: Counter[int]
    calls: int
    torn: list[str]
    seconds: float


def loaded(
    folder: Path,
    *,
    seconds: float,
    kills: int,
    senders: int,
    size: int,
    options: tuple[str, ...] = (),
) -> Load:
    """Send for so long; the receiver is killed so many times, at even intervals."""
    port = str(free_port())
    began = time.monotonic()
    server = started(folder, "--port", port, *options)
    with ExitStack() as stack:
        programs = [
            stack.enter_context(sender(server.address, n, size, folder.parent / f"account-{n}"))
            for n in range(1, senders + 1)
        ]
        for _ in range(kills):
            time.sleep(seconds / (kills + 1))
            killed(server)
            server = started(folder, "--port", port, *options)
        time.sleep(seconds / (kills + 1))
        for program in programs:
            program.communicate(timeout=60)
            assert program.returncode == 0
    took = time.monotonic() - began
    assert server.stop() == (0, "")
    return counted(folder, [folder.parent / f"account-{n}" for n in range(1, senders + 1)], took)


def free_port() -> int:
    """A port that the next server can have each time that it is begun again."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def sender(address: str, number: int, size: int, account: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "tests.serve.sender", address, str(number), str(size)]
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [*command, str(account)],
        stdin=subprocess.PIPE,
        cwd=account.parent,
        env={**os.environ, "PYTHONPATH": paths},
    )


def killed(server: Serving) -> None:
    server.client.close()
    server.process.kill()
    server.process.communicate()


def counted(folder: Path, accounts: list[Path], took: float) -> Load:
    acknowledged: set[int] = set()
    for account in accounts:
        for line in account.read_text().splitlines():
            first, last = map(int, line.split())
            acknowledged.update(range(first, last + 1))
    contents = read(folder)
    there = Counter(int(span_id, 16) for _, span_id in stored(folder))
    made = build(contents.entries, {})
    calls = sum(one.calls for one in made.requests)
    return Load(acknowledged, there, calls, contents.problems, took)
