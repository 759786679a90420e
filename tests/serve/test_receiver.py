"""The receiver, over real HTTP: what it takes, what it refuses, and that what it says is so."""

import gzip
import json
import os
import resource
import socket
import subprocess
import sys
import time
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from agentmeter.report.report import build
from agentmeter.semconv import names
from agentmeter.store.reader import read
from tests.serve.serving import (
    JSON,
    PROTOBUF,
    Serving,
    export,
    ids,
    serving,
    span,
    started,
    stored,
    until,
)

MB = 1 << 20


def cli(*arguments: str, folder: Path) -> str:
    command = [sys.executable, "-m", "agentmeter.cli", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder)
    return done.stdout


def reason(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["message"]


def test_what_is_acknowledged_is_there_for_every_command(tmp_path: Path) -> None:
    """Raw JSON, as curl would post it: report, top and compact read it, priced as ever."""
    folder = tmp_path / "journal"
    with serving(folder) as server:
        answer = server.post(export(span(1), span(2)))
        assert (answer.status_code, answer.json()) == (200, {})
        assert stored(folder) == ids(span(1), span(2))
    shown = json.loads(cli("report", str(folder), "--json", folder=tmp_path))
    assert shown["total"]["usage"] == {"input_unsplit": 200, "output": 20}
    assert shown["total"]["cost"] == {"amount": "0.00045", "currency": "USD"}
    top = json.loads(cli("top", str(folder), "--by", "model", "--json", folder=tmp_path))
    assert [(row["key"], row["cost"]["amount"]) for row in top["rows"]] == [("gpt-5", "0.00045")]
    assert "1 journals with 3 entries" in cli("compact", str(folder), folder=tmp_path)
    assert json.loads(cli("report", str(folder), "--json", folder=tmp_path)) == shown


SENDER = """
import sys
import time
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
import agentmeter as am

exporter = OTLPSpanExporter(sys.argv[1] + "/v1/traces", compression=Compression.Gzip)
provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(exporter))
trace.set_tracer_provider(provider)
am.configure(directory=sys.argv[2], provenance=False)
for user in ("u-1", "u-2"):
    with am.request("ask", user=user, tenant="acme", tags={"team": "x"}), am.agent("planner"):
        with am.call(provider="openai", model="gpt-5") as call:
            call.record(am.Usage(input=900, cache_read=100, output=50))
        am.charge("serpapi.search", usd="0.005")
provider.shutdown()
am.flush()
"""


def test_spans_of_the_sdk_are_the_exact_records_with_their_prices(tmp_path: Path) -> None:
    """By the ordinary exporter, protobuf and gzip: the report is that of the sender's journal."""
    folder, own = tmp_path / "received", tmp_path / "own"
    with serving(folder) as server:
        command = [sys.executable, "-c", SENDER, server.address, str(own)]
        subprocess.run(command, check=True, cwd=tmp_path)
    received, written = read(folder), read(own)
    assert received.problems == []
    made = build(received.entries, received.tariffs)
    assert made.to_json() == build(written.entries, written.tariffs).to_json()
    assert made.amounts == {"USD": Decimal("0.0132750")}
    assert [one.view.owner.user for one in made.requests] == ["u-1", "u-2"]


def test_protobuf_is_kept_as_json_is(tmp_path: Path) -> None:
    """Every kind of value, links and ids: the same line is written."""
    body = ExportTraceServiceRequest()
    of = body.resource_spans.add()
    of.resource.attributes.add(key="service.name").value.string_value = "shop"
    scope = of.scope_spans.add()
    scope.scope.name = "someone"
    one = scope.spans.add(
        trace_id=bytes.fromhex("ab" * 16),
        span_id=bytes.fromhex("cd" * 8),
        parent_span_id=bytes.fromhex("ef" * 8),
        trace_state="a=b",
        flags=257,
        name="chat",
        kind=3,
        start_time_unix_nano=2**63,
        end_time_unix_nano=2**63 + 5,
        dropped_attributes_count=2,
    )
    one.attributes.add(key="text").value.string_value = "é\0"
    one.attributes.add(key="whole").value.int_value = -(2**63)
    one.attributes.add(key="yes").value.bool_value = True
    one.attributes.add(key="part").value.double_value = 0.5
    one.attributes.add(key="none").value.double_value = float("nan")
    one.attributes.add(key="raw").value.bytes_value = b"\xff\x00"
    one.attributes.add(key="list").value.array_value.values.add().int_value = 7
    one.attributes.add(key="map").value.kvlist_value.values.add(key="k").value.bool_value = False
    one.attributes.add(key="blank").value.SetInParent()
    one.links.add(trace_id=bytes.fromhex("12" * 16), span_id=bytes.fromhex("34" * 8))
    one.status.code = 2
    with serving(tmp_path / "journal") as server:
        answer = server.post(body.SerializeToString(), PROTOBUF)
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["content-type"] == PROTOBUF
    (file,) = (tmp_path / "journal").glob("*.jsonl")
    (kept,) = json.loads(file.read_text())["resourceSpans"]
    assert kept["resource"]["attributes"][0]["value"] == {"stringValue": "shop"}
    assert kept["scopeSpans"][0]["scope"] == {"name": "someone"}
    (made,) = kept["scopeSpans"][0]["spans"]
    values = {entry["key"]: entry["value"] for entry in made.pop("attributes")}
    assert values == {
        "text": {"stringValue": "é\0"},
        "whole": {"intValue": str(-(2**63))},
        "yes": {"boolValue": True},
        "part": {"doubleValue": 0.5},
        "none": {"doubleValue": "NaN"},
        "raw": {"bytesValue": "/wA="},
        "list": {"arrayValue": {"values": [{"intValue": "7"}]}},
        "map": {"kvlistValue": {"values": [{"key": "k", "value": {"boolValue": False}}]}},
        "blank": {},
    }
    assert made == {
        "traceId": "ab" * 16,
        "spanId": "cd" * 8,
        "parentSpanId": "ef" * 8,
        "traceState": "a=b",
        "flags": 257,
        "name": "chat",
        "kind": 3,
        "startTimeUnixNano": str(2**63),
        "endTimeUnixNano": str(2**63 + 5),
        "droppedAttributesCount": 2,
        "links": [{"traceId": "12" * 16, "spanId": "34" * 8}],
        "status": {"code": 2},
    }


def test_spans_are_refused_one_by_one_with_reasons(tmp_path: Path) -> None:
    """In both languages; what is right beside them is taken, and where nothing is that is a 400."""
    broken = [
        None,
        {**span(2), "traceId": "0" * 32},
        {**span(3), "spanId": "xyz"},
        {key: value for key, value in span(4).items() if key != "startTimeUnixNano"},
        {**span(5), "attributes": {"a": 1}},
        {**span(6), "attributes": span(6)["attributes"] * 300},
        {**span(7), "links": json.loads("[" * 200 + "]" * 200)},
        {**span(8), "startTimeUnixNano": "soon"},
    ]
    with serving(tmp_path / "journal") as server:
        answer = server.post(export(span(1), *broken))
        said = answer.json()["partialSuccess"]
        assert (answer.status_code, said["rejectedSpans"]) == (200, "8")
        assert said["errorMessage"].split("; ") == [
            "span 2: None is no span",
            f"span 3: traceId: expected 32 hex digits, not all of them zero, got '{'0' * 32}'",
            "span 4: spanId: expected 16 hex digits, not all of them zero, got 'xyz'",
            "span 5: startTimeUnixNano is missing",
            "span 6: attributes: expected a list of objects with a key and a value",
            "and 3 more",
        ]
        alone = [reason(server.post(export(one))) for one in broken[5:]]
        assert alone == [
            (400, "span 1: 1,500 attributes; 1,024 are taken at most"),
            (400, "span 1: a value is nested more than 32 deep"),
            (400, "span 1: ValueError: invalid literal for int() with base 10: 'soon'"),
        ]
        mixed = ExportTraceServiceRequest()
        spans = mixed.resource_spans.add().scope_spans.add().spans
        good = {"trace_id": b"\1" * 16, "span_id": b"\2" * 8, "start_time_unix_nano": 5}
        spans.add(**good)
        spans.add(**{**good, "span_id": b""})
        partial = server.post(mixed.SerializeToString(), PROTOBUF)
        told = ExportTraceServiceResponse.FromString(partial.content).partial_success
        assert (told.rejected_spans, told.error_message) == (1, "span 2: spanId is missing")
        del spans[0]
        whole = server.post(mixed.SerializeToString(), PROTOBUF)
        assert whole.status_code == 400
        assert Status.FromString(whole.content).message == "span 1: spanId is missing"
        kept = [*ids(span(1)), ("01" * 16, "02" * 8)]
        assert stored(tmp_path / "journal") == kept


def test_bodies_are_refused_with_reasons(tmp_path: Path) -> None:
    """What is too large, also once it is unpacked, cut off, or no export; nothing of it is kept."""
    bomb = gzip.compress(b" " * (40 * MB))
    assert len(bomb) < 50_000
    with serving(tmp_path / "journal", "--max-body", "1") as server:
        answers = [
            server.post(b"x" * (MB + 1)),
            server.post(bomb, content_encoding="gzip"),
            server.post(gzip.compress(b"{}")[:-4], content_encoding="gzip"),
            server.post(gzip.compress(b"{}") + b"more", content_encoding="gzip"),
            server.post(b"{}", content_encoding="gzip"),
            server.post(b"{}", content_encoding="br"),
            server.post(b"{}", "text/plain"),
            server.post(b"{}"),
            server.post(b"{"),
            server.post(b'{"resourceSpans":' + b"[" * 100_000),
            server.post(b"\x0a\xff", PROTOBUF),
        ]
        assert [one.status_code for one in answers] == [413, 413, *[400] * 3, 415, 415, *[400] * 4]
        assert [one.json()["message"] for one in answers[:-1]] == [
            "a body of 1,048,577 bytes or more; 1,048,576 are taken at most",
            "the body unpacks to more than 1,048,576 bytes; send less at once",
            "the body is cut off: its gzip does not end",
            "something follows the gzip of the body",
            "the body is not gzip: Error -3 while decompressing data: incorrect header check",
            "content-encoding 'br': send gzip, deflate or none",
            "content-type 'text/plain': send application/x-protobuf or application/json",
            "not OTLP JSON: no 'resourceSpans' list at the top",
            "not JSON: unexpected end of data at line 1, column 2",
            "not JSON: depth limit exceeded at line 1, column 1042",
        ]
        assert "not an OTLP trace export" in Status.FromString(answers[-1].content).message
        large = export(span(1, note="x" * (MB - 2000)))
        assert server.post(large).status_code == 200
        assert server.packed(export(span(2))).status_code == 200
        assert server.post(export(), JSON).json() == {}
    assert stored(tmp_path / "journal") == ids(span(1), span(2))


def rejected(answer: Any) -> Any:
    return answer if answer.status_code != 200 else None


def upload(server: Serving, size: int, sent: int) -> socket.socket:
    """Begin to send a body, and stop in the middle."""
    parts = urlsplit(server.address)
    made = socket.create_connection((str(parts.hostname), int(parts.port or 0)))
    head = f"POST /v1/traces HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: {JSON}\r\n"
    made.sendall(f"{head}Content-Length: {size}\r\n\r\n".encode() + b" " * sent)
    return made


def test_senders_are_told_to_come_again_while_memory_is_full(tmp_path: Path) -> None:
    """With a Retry-After, and taken once there is room again."""
    with serving(tmp_path / "journal", "--max-pending", "1", "--max-body", "2") as server:
        large, small = export(span(1, note="x" * 200_000)), export(span(2))
        pauses = count(1)

        def crowded() -> Any:
            """An answer while another body fills the room, if that one came first."""
            with upload(server, MB, MB - 100_000):
                time.sleep(next(pauses) / 10)  # a busy server takes longer to read it
                tried = (server.post(large) for _ in range(20))
                refused = next(filter(rejected, tried), None)
                assert refused is None or server.post(small).status_code == 200
            return refused

        refused = until(crowded)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        until(lambda: server.post(export(span(3, note="x" * 200_000))).status_code == 200)
    assert set(ids(span(2), span(3))) <= set(stored(tmp_path / "journal"))


def test_what_the_disk_refuses_is_not_acknowledged(tmp_path: Path) -> None:
    """The sender hears so, and what was taken before stays readable."""

    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    folder = tmp_path / "journal"
    with serving(folder, before=small) as server:
        assert server.post(export(span(1))).status_code == 200
        refused = server.post(export(*map(span, range(2, 20))))
        assert reason(refused) == (503, "not written: File too large")
        assert refused.headers["retry-after"] == "5"
    assert set(ids(span(1))) <= set(stored(folder))


def test_a_file_is_let_go_of_when_it_is_large_enough(tmp_path: Path) -> None:
    """So that what has been received can be compacted while the receiver runs."""
    from agentmeter.serve.writer import Lines, Writer
    from agentmeter.store.folder import holdings, is_open

    told: list[Exception | None] = []
    writer = Writer(tmp_path, rotated=1000)
    for number in range(5):
        before = {"digest": b'{"resourceSpans":[]}\n'}
        writer.put(Lines(export(span(number)) + b"\n", told.append, before))
        until(lambda: len(told) > number)  # noqa: B023  # in the same turn of the loop
    assert told == [None] * 5
    files = holdings(tmp_path).journals
    assert [is_open(file) for file in files].count(True) == 1
    writer.close()
    assert len(files) == 3
    assert all(file.read_bytes().startswith(b'{"resourceSpans":[]}\n') for file in files)
    assert sum(file.read_bytes().count(b'"resourceSpans":[]') for file in files) == 3
    assert stored(tmp_path) == ids(*map(span, range(5)))


def test_one_process_has_the_folder(tmp_path: Path) -> None:
    """A second one says so and ends; so does one whose port is taken, or that anybody could ask."""
    folder = tmp_path / "journal"
    with serving(folder) as server:
        port = server.address.rpartition(":")[2]
        other = str(tmp_path / "other")
        for options, message in (
            ([str(folder)], f"Error: {folder}: another agentmeter serve has this folder; stop it"),
            ([other, "--port", port], f"Error: cannot listen on 127.0.0.1:{port}: Address already"),
            ([other, "--host", "0.0.0.0"], "Error: 0.0.0.0 can be reached from other machines"),
        ):
            command = [sys.executable, "-m", "agentmeter.cli", "serve", "--port", "0", *options]
            done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
            assert (done.returncode, done.stdout) == (1, "")
            assert done.stderr.startswith(message)


TOKENS = """
[[token]]
secret = "the-secret-of-acme-0001"
tenant = "acme"

[[token]]
sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
tenant = "globex"
"""
OPERATOR = "the-operators-own-token"


def test_a_folder_that_cannot_be_is_named(tmp_path: Path) -> None:
    """With what to do, and without a traceback."""
    (tmp_path / "file").touch()
    command = [sys.executable, "-m", "agentmeter.cli", "serve", "file/journal", "--port", "0"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "Error: file/journal: Not a directory; name a folder that this process may write to\n"
    )


def test_a_token_says_whose_it_is(tmp_path: Path) -> None:
    """Beyond loopback too: the tenant's holds over what the spans say, on foreign and own alike."""
    file = tmp_path / "tokens.toml"
    file.write_text(TOKENS)
    folder = tmp_path / "journal"
    said = {names.TENANT: "globex", "user.id": "u-1"}
    own = {
        names.ENTRY: "opened",
        names.REQUEST_ID: "f" * 32,
        names.SCOPE_ID: "e" * 16,
        names.NAME: "ask",
        **said,
    }
    options = ("--tokens", str(file), "--host", "0.0.0.0")
    with serving(folder, *options, env={"AGENTMETER_TOKEN": OPERATOR}) as server:
        acme, operator = "Bearer the-secret-of-acme-0001", f"Bearer {OPERATOR}"
        for given in ("", "Bearer wrong", "Basic !!", f"Bearer {acme}"):
            refused = server.post(export(span(9)), authorization=given)
            assert reason(refused) == (401, "a token is needed: Authorization: Bearer …")
            assert refused.headers["www-authenticate"].startswith("Bearer")
        assert server.post(export(span(1, **said)), authorization=acme).status_code == 200
        assert server.post(export(span(2, trace=2)), authorization=acme).status_code == 200
        assert server.post(export(span(3, 3, **own)), authorization=acme).status_code == 200
        assert server.post(export(span(4, 4, **said)), authorization=operator).status_code == 200
        assert server.client.get("/api/report", headers={"authorization": acme}).status_code == 403
        closed = server.client.get("/")
        assert closed.status_code == 401
        assert closed.headers["www-authenticate"].startswith("Basic")
        page = server.client.get("/api/report", auth=("anybody", OPERATOR)).json()["report"]
        rows = {row["key"]: row["requests"] for row in page["groups"]["tenant"]["rows"]}
        assert rows == {"acme": 2, "globex": 1}
    tenants = [(one.span_id[-1], one.owner.tenant) for one in read(folder).entries]
    assert sorted(tenants) == [("1", "acme"), ("2", "acme"), ("3", "acme"), ("4", "globex")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", "expected [[token]] tables, each with a secret, alone"),
        ("[[token]]\ntenant = 'a'", "token 1: either secret or sha256, one of them"),
        ("[[token]]\nsecret = 'short'", "token 1: secret: a token of 16 characters at least"),
        (
            "[[token]]\nsecrets = 'a'",
            "token 1: 'secrets' is none of ['secret', 'sha256', 'tenant']",
        ),
        ("[[token]]\nsecret = 7", "token 1: every field is a text that is not blank"),
        ("[[token]]\nsha256 = 'xyz'", "token 1: sha256: expected 64 hex digits"),
        (TOKENS + TOKENS, "token 3: the same secret as one before it"),
        ("[[token", "not TOML: "),
    ],
)
def test_a_file_of_tokens_that_cannot_be_is_told(tmp_path: Path, text: str, message: str) -> None:
    """By file and entry, before anything is listened on; no secret is repeated."""
    file = tmp_path / "tokens.toml"
    file.write_text(text)
    with pytest.raises(AssertionError) as raised:
        started(tmp_path / "journal", "--tokens", str(file))
    assert f"Error: {file}: {message}" in str(raised.value)
    assert "'short'" not in str(raised.value)


def test_a_page_from_elsewhere_neither_reads_nor_sends(tmp_path: Path) -> None:
    """By its origin, by a name of its own that points here, and by what the browser says of it."""
    with serving(tmp_path / "journal") as server:
        host = urlsplit(server.address).netloc
        evil: list[dict[str, str]] = [
            {"origin": "http://evil.example"},
            {"origin": "null"},
            {"origin": "http://["},
            {"host": "evil.example"},
            {"host": "["},
            {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"},
        ]
        for headers in evil:
            sent = server.client.post(
                "/v1/traces", content=export(span(1)), headers={"content-type": JSON, **headers}
            )
            assert sent.status_code in (403, 421), headers
            for path in ("/api/report", "/api/events", "/api/request?id=x", "/"):
                assert server.client.get(path, headers=headers).status_code in (403, 421), headers
        preflight = server.client.options("/v1/traces", headers=evil[0])
        assert "access-control-allow-origin" not in preflight.headers
        assert server.post(export(span(2)), origin=f"http://{host}").status_code == 200
        link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
        assert server.client.get("/", headers=link).status_code == 200
    assert stored(tmp_path / "journal") == ids(span(2))


def test_a_stop_finishes_what_is_under_way(tmp_path: Path) -> None:
    """An export whose body is still coming at SIGTERM is taken and acknowledged."""
    body = export(span(1))
    made = started(tmp_path / "journal")
    with upload(made, len(body) + 10, 10) as under_way:
        until(lambda: made.client.get("/health").text == "ok\n")
        made.client.close()
        made.process.terminate()
        under_way.sendall(body)
        answer = under_way.recv(4096)
    assert answer.startswith(b"HTTP/1.1 200")
    assert (made.process.wait(60), made.process.communicate()) == (0, ("", ""))
    assert stored(tmp_path / "journal") == ids(span(1))


def test_an_upload_that_never_ends_is_given_up(tmp_path: Path) -> None:
    """A sender that goes away in the middle leaves nothing behind, not even a complaint."""
    with serving(tmp_path / "journal") as server:
        upload(server, 1000, 10).close()
        assert server.post(export(span(1))).status_code == 200
    assert stored(tmp_path / "journal") == ids(span(1))
    assert os.listdir(tmp_path / "journal").count(".serve.lock") == 1
