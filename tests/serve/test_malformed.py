"""Bodies that are nearly exports, by the thousand: nothing breaks, and nothing taken is lost.

AGENTMETER_FUZZ=10000 python -m pytest tests/serve/test_malformed.py
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from agentmeter.report.report import build
from agentmeter.store.reader import read
from tests.serve.fuzz import Sent, bodies
from tests.serve.serving import JSON, Serving, export, ids, serving, span, stored

COUNT = int(os.environ.get("AGENTMETER_FUZZ", "400"))
SEED = int(os.environ.get("AGENTMETER_FUZZ_SEED", "7"))


def sent(server: Serving, one: Sent) -> Any:
    headers = {"content_encoding": one.encoding} if one.encoding else {}
    return server.post(one.body, one.media, **headers)


def why(answer: Any, media: str) -> tuple[int, str]:
    """How many spans were refused, and the reason; as many as there are where all of it was."""
    if answer.status_code != 200:
        said = (
            answer.json()["message"] if media == JSON else Status.FromString(answer.content).message
        )
        return -1, said
    if media == JSON:
        partial = answer.json().get("partialSuccess", {})
        return int(partial.get("rejectedSpans", 0)), partial.get("errorMessage", "")
    partial = ExportTraceServiceResponse.FromString(answer.content).partial_success
    return partial.rejected_spans, partial.error_message


def test_nothing_that_comes_in_breaks_anything(tmp_path: Path) -> None:
    """What is refused has a reason, good spans in between are all there, and a report is made."""
    folder = tmp_path / "journal"
    counts = {"taken": 0, "in part": 0, "refused": 0}
    good = []
    with serving(folder) as server:
        for number, one in enumerate(bodies(COUNT, SEED)):
            answer = sent(server, one)
            assert answer.status_code in (200, 400, 415), (number, answer.text)
            refused, reason = why(answer, one.media)
            assert bool(reason) == bool(refused), (number, answer.text)
            counts["refused" if refused < 0 else "in part" if refused else "taken"] += 1
            if number % 50 == 0:
                good.append(span(number + 1))
                assert server.post(export(good[-1])).json() == {}
        assert set(ids(*good)) <= set(stored(folder))
        page = server.client.get("/api/report").json()["report"]
        assert page["total"]["calls"] >= len(good)
    print(counts)
    assert min(counts.values()) > COUNT // 50
    contents = read(folder)
    made = build(contents.entries, contents.tariffs, faults=contents.faults())
    assert json.dumps(made.to_json())
    assert str(made)
    for command in ("compact", "top", "report"):
        run = [sys.executable, "-m", "agentmeter.cli", command, str(folder)]
        done = subprocess.run(run, capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    assert set(ids(*good)) <= set(stored(folder))
