"""A real ``agentmeter serve`` in a process of its own, on loopback."""

import gzip
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson

from agentmeter.model import Record
from agentmeter.store.reader import read
from tests.store.test_foreign import START

JSON, PROTOBUF = "application/json", "application/x-protobuf"


class Serving:
    """A server: its process, and a client of it."""

    def __init__(self, process: "subprocess.Popen[str]", address: str) -> None:
        self.process = process
        self.address = address
        self.client = httpx.Client(base_url=address, timeout=30)

    def post(self, body: bytes | str, media: str = JSON, **headers: str) -> httpx.Response:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.post(
            "/v1/traces", content=body, headers={"content-type": media, **given}
        )

    def packed(self, body: bytes) -> httpx.Response:
        return self.post(gzip.compress(body), content_encoding="gzip")

    def stop(self) -> tuple[int, str]:
        """End it as an operator does; its exit status and what it has complained of."""
        self.client.close()
        self.process.send_signal(signal.SIGTERM)
        _, complaints = self.process.communicate(timeout=60)
        return self.process.returncode, complaints


def started(
    folder: Path,
    *options: str,
    env: Mapping[str, str] | None = None,
    before: Callable[[], None] | None = None,
) -> Serving:
    """Start a server and wait until it can be reached."""
    command = [sys.executable, "-m", "agentmeter.cli", "serve", str(folder)]
    process = subprocess.Popen(
        [*command, *(options if "--port" in options else (*options, "--port", "0"))],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder.parent,
        env={**os.environ, **(env or {})},
        preexec_fn=before,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise AssertionError(process.communicate()[1])
    return Serving(process, line.split("The page is at ")[1].split("/,")[0])


@contextmanager
def serving(folder: Path, *options: str, **given: Any) -> Iterator[Serving]:
    """A server that ends well, without a word of complaint."""
    made = started(folder, *options, **given)
    try:
        yield made
        status, complaints = made.stop()
        assert (status, complaints) == (0, "")
    finally:
        if made.process.poll() is None:
            made.process.kill()
            made.process.communicate()


def span(number: int, trace: int = 1, **attributes: Any) -> dict[str, Any]:
    """An OTLP JSON span of a chat call that another instrumentation might send."""
    given = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-5",
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 10,
        **attributes,
    }
    return {
        "traceId": f"{trace:032x}",
        "spanId": f"{number:016x}",
        "name": "chat gpt-5",
        "kind": 3,
        "startTimeUnixNano": str(START + number),
        "endTimeUnixNano": str(START + number + 10**8),
        "attributes": [{"key": key, "value": value_of(value)} for key, value in given.items()],
    }


def value_of(value: Any) -> dict[str, Any]:
    if isinstance(value, list):
        return {"arrayValue": {"values": [value_of(one) for one in value]}}
    return {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}


def export(*spans: Any, scope: str = "someone") -> bytes:
    """The body of an export."""
    found = {"scope": {"name": scope}, "spans": list(spans)}
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]}
    return orjson.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": [found]}]})


def stored(folder: Path) -> list[tuple[str, str]]:
    """The trace and span of every record in a folder, as often as it is there."""
    records = [entry for entry in read(folder).entries if isinstance(entry, Record)]
    return sorted((one.trace_id, one.span_id) for one in records)


def ids(*spans: Mapping[str, Any]) -> list[tuple[str, str]]:
    return sorted((one["traceId"], one["spanId"]) for one in spans)


def until(holds: Callable[[], Any], seconds: float = 30) -> Any:
    """What ``holds`` gives once it is true; fails if that never comes."""
    end = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.05)
    return found
