"""A Redis server for the tests that need one, on the loopback address, keeping nothing."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server that was started for this session."""
    found = shutil.which("redis-server")
    if found is None:
        pytest.skip("redis-server is not installed (Debian: apt-get install redis-server)")
    pytest.importorskip("redis", reason="the extra agentmeter-otel[redis] is not installed")
    with started(found, tmp_path_factory.mktemp("redis")) as url:
        yield url


class started:  # noqa: N801  # it is read as a statement: ``with started(…) as url:``
    """A server of one's own, on a free port, without persistence."""

    def __init__(self, program: str, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        options = [
            "--save",
            "",
            "--appendonly",
            "no",
            "--dir",
            str(folder),
            "--loglevel",
            "warning",
        ]
        self._command = [program, "--bind", "127.0.0.1", "--port", str(self.port), *options]

    def __enter__(self) -> str:
        self.process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return f"redis://127.0.0.1:{self.port}"
            time.sleep(0.05)
        raise RuntimeError("redis-server did not start")

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(10)
