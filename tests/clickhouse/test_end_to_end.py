"""From the SDK over OTLP through a collector into ClickHouse: the same figures at the other end."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("chdb", reason="python -m tests.clickhouse.run makes an environment for it")

import agentmeter as am
from agentmeter.report.report import build
from agentmeter.store.clickhouse.address import address
from agentmeter.store.clickhouse.table import SpanTable
from agentmeter.store.reader import read
from agentmeter.store.rollup import rollup
from tests.clickhouse.front import Engine, Front
from tests.clickhouse.test_table import plainly
from tests.store.folders import PRICER
from tests.store.test_agreement import figures, work

COLLECTOR = os.environ.get("AGENTMETER_TEST_ROTEL", "")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def collecting(front: Front, database: str) -> Iterator[str]:
    """The collector with its ClickHouse exporter, as a process of its own."""
    http, grpc = free_port(), free_port()
    command = [
        COLLECTOR, "start",
        "--otlp-http-endpoint", f"127.0.0.1:{http}", "--otlp-grpc-endpoint", f"127.0.0.1:{grpc}",
        "--exporter", "clickhouse",
        "--clickhouse-exporter-endpoint", f"http://127.0.0.1:{front.port}",
        "--clickhouse-exporter-database", database,
        "--clickhouse-exporter-compression", "none",
        "--pid-file", f"/tmp/rotel-{os.getpid()}.pid",
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with socket.socket() as trying:
                if trying.connect_ex(("127.0.0.1", http)) == 0:
                    break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{http}"
    finally:
        process.terminate()
        process.wait(20)


@pytest.mark.skipif(not COLLECTOR, reason="python -m tests.clickhouse.run fetches a collector")
def test_the_figures_are_the_same_at_the_other_end(
    engine: Engine, front: Front, tmp_path: Path
) -> None:
    """Everything metered goes into the journal and through the collector: two equal reports."""
    engine.create("fleet")
    with collecting(front, "fleet") as endpoint:
        am.configure(directory=tmp_path / "j", otlp=endpoint)
        work()
        plainly()
        assert am.flush(30)
        am.configure(directory=tmp_path / "j", otlp="")
        contents = read(tmp_path / "j")
        sent = len(contents.entries) + len(contents.tariffs)
        until = time.monotonic() + 60
        counted = 0
        while counted < sent and time.monotonic() < until:
            counted = int(engine.run("SELECT count() FROM fleet.otel_traces"))
            time.sleep(0.2)
    assert counted == sent
    expected = figures(build(contents.entries, contents.tariffs))
    where = address(f"clickhouse://127.0.0.1:{front.port}/fleet")
    with SpanTable(where, PRICER) as store:
        assert store.problems == []
        for by in ("request", "model", "agent", "waste", "tenant", "tag:team"):
            assert rollup(store, by) == expected[by], by
