"""Bodies that are nearly exports, by the thousand: nothing breaks, and nothing taken is lost.

AGENTMETER_FUZZ=10000 python -m pytest tests/serve/test_malformed.py
"""

import json
import os
import random
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from agentmeter.model import UNATTRIBUTED, Call
from agentmeter.pricing import Cached, Catalog, Tariff
from agentmeter.pricing.keys import key_of
from agentmeter.report.page.value import page_value
from agentmeter.report.report import build
from agentmeter.semconv import names
from agentmeter.serve.limits import Limits
from agentmeter.serve.refusal import Refusal
from agentmeter.serve.spans import Intake
from agentmeter.store.reader import read
from tests.serve.fuzz import Sent, bent, bodies
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


def hostile(number: int, **attributes: Any) -> dict[str, Any]:
    """A record of ours with something in it that no writer of ours would write."""
    given = {
        names.ENTRY: "record",
        names.REQUEST_ID: "r" * 32,
        names.SCOPE_ID: f"{number:016x}",
        names.KIND: "call",
        names.NAME: "n",
        names.STATUS: "ok",
        **attributes,
    }
    made = span(number, **given)
    made["attributes"].append({"key": names.REQUEST_STREAM, "value": {"boolValue": False}})
    return made


MONEY = {names.CHARGE_CURRENCY: "USD"}


@pytest.mark.parametrize(
    "attributes",
    [
        {**MONEY, names.CHARGE_AMOUNT: "1e999999999"},
        {**MONEY, names.CHARGE_AMOUNT: "1e-999999999"},
        {**MONEY, names.CHARGE_AMOUNT: "0e-999999999"},
        {**MONEY, names.CHARGE_AMOUNT: "9" * 4000},
        {names.CHARGE_AMOUNT: "1", names.CHARGE_CURRENCY: "<script>"},
        {names.PLACE: f"0/{10**18}"},
        {names.PLACE: f"{10**18}/0"},
        {names.USAGE + "input": 2**63 - 1},
        {names.USAGE + "input": 2**64},
        {names.USAGE + "input": -1},
        {names.CALLS: 2**62},
        {names.SHARES: [f"{2**62}:r", "1:"]},
        {names.SHARES: ["1:" + "r" * 32]},
        {names.PARENT_ID: f"{1:016x}"},
        {names.ATTRIBUTE + "folded": "x", names.OBSERVER: "agentmeter.folded"},
        {names.REQUEST_ID: UNATTRIBUTED},
        {names.REQUEST_ID: "", names.PARENT_REQUEST_ID: "r" * 32},
    ],
    ids=str,
)
def test_no_record_can_stop_a_report(attributes: dict[str, Any], tmp_path: Path) -> None:
    """It is refused, or a report is made of it, which is no larger than others; others stay."""
    reported(tmp_path, [hostile(1, **attributes), hostile(2)])


def reported(folder: Path, spans: list[dict[str, Any]]) -> None:
    """Take spans one by one, and report on what was taken."""
    intake = Intake(Limits(), Cached(Catalog()))
    with (folder / "1-000000000000.jsonl").open("wb") as file:
        for one in (*spans, span(99)):
            with suppress(Refusal):
                taken = intake.take(json.loads(export(one)))
                file.writelines([*taken.lines])
    contents = read(folder)
    made = build(contents.entries, contents.tariffs)
    assert len(json.dumps(made.to_json())) < 200_000
    assert len(str(made)) < 20_000
    assert made.usage["input_unsplit"] == 100
    assert json.dumps(page_value(made, 0))


@pytest.mark.parametrize("seed", range(60))
def test_no_tariff_can_stop_a_report(seed: int, tmp_path: Path) -> None:
    """One that a sender made up is refused, or prices the calls that name it."""
    dice = random.Random(seed)
    real = Cached(Catalog()).tariff(key_of(Call(provider="openai", model="gpt-5")))
    assert isinstance(real, Tariff)
    bodies = [bent(json.loads(json.dumps(real.to_json())), dice) for _ in range(20)]
    spans = []
    for number, body in enumerate(bodies, 10):
        given = {names.ENTRY: "tariff", names.TARIFF: "x", names.TARIFF_BODY: body.decode()}
        spans.append(span(number, number, **given))
        with suppress(KeyError, TypeError, ValueError, AttributeError, ArithmeticError):
            digest = Tariff.from_json(json.loads(body)).digest
            used = {names.TARIFF: digest, names.USAGE + "input": 2**62, names.USAGE + "output": 5}
            spans.append(hostile(number + 1000, **used))
    reported(tmp_path, spans)


def test_what_is_written_of_an_export_is_bounded() -> None:
    """However small the spans beside a large resource: the first few are taken, the others not."""
    intake = Intake(Limits(written=2000), Cached(Catalog()))
    taken = intake.take(json.loads(export(*map(span, range(1, 6)))))
    assert sum(map(len, taken.lines)) <= 2000 < sum(map(len, taken.lines)) * 3 // 2
    assert len(taken.lines) + len(taken.refused) == 5
    said = "the export is too large once each span stands with its resource; send less at once"
    assert taken.refused[-1] == f"span 5: {said}"
