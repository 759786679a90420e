"""Attribution of many records beside the reading of them, in one run.

Makes a journal of requests with agents, tools and calls (a tenth of the calls seen by another
instrumentation as well), shuffles its lines, and times reading it, the view over it, and the whole
report. Prints microseconds a record and the ratios to reading.

    python benchmarks/attribution.py [RECORDS]
"""

import gc
import random
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from agentmeter.attribution.view import view
from agentmeter.model import REPORTED, Call, Kind, Owner, Record, Usage
from agentmeter.pricing import GenAIPrices, PriceKey, Tariff
from agentmeter.report.report import build
from agentmeter.semconv.writing import fields_of
from agentmeter.store.lines import line_of, tariff_fields
from agentmeter.store.reader import read

CALLS = 10
"""Calls of a request; with its root, an agent and a tool, and one call that is seen twice."""


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "made.jsonl"
        made = write(file, count)
        gc.disable()
        contents, reading = timed(lambda: read(folder))
        views, viewing = timed(lambda: view(contents.entries))
        del views
        report, building = timed(lambda: build(contents.entries, contents.tariffs))
        gc.enable()
    assert report.usage.total_tokens == made
    for name, seconds in (("read", reading), ("view", viewing), ("report", building)):
        each = seconds / len(contents.entries) * 1e6
        print(
            f"{name:8}{seconds:8.1f} s {each:8.1f} us a record {seconds / reading:8.2f} of reading"
        )


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    return work(), time.perf_counter() - start


def write(file: Path, count: int) -> int:
    """A shuffled journal of about so many records; returns its tokens."""
    rng = random.Random(7)
    tariff = GenAIPrices().tariff(PriceKey("openai", "gpt-5"))
    assert isinstance(tariff, Tariff)
    lines, tokens = [line_of(tariff_fields(tariff))], 0
    for number in range(count // (CALLS + 4)):
        for record in request(rng, f"{number:032x}", tariff.digest):
            lines.append(line_of(fields_of(record)))
            if record.call is not None and not record.observer:
                tokens += record.call.usage.total_tokens
    rng.shuffle(lines)
    file.write_bytes(b"".join(lines))
    return tokens


def request(rng: random.Random, request_id: str, tariff: str) -> list[Record]:
    def scope(parent: Record | None, kind: Kind, name: str) -> Record:
        scope_id = f"{rng.getrandbits(64):016x}"
        above = parent.scope_id if parent else None
        owner = Owner(user=f"u-{rng.randrange(1000)}", feature="search")
        start = rng.randrange(10**18)
        return Record(
            request_id, scope_id, above, kind, name, owner, start, start + 10**9,
            trace_id=request_id, span_id=scope_id, parent_span_id=above,
        )  # fmt: skip

    root = scope(None, Kind.REQUEST, "request")
    agent, tool = scope(root, Kind.AGENT, "planner"), scope(root, Kind.TOOL, "search")
    made = [root, agent, tool]
    for _ in range(CALLS):
        usage = Usage(input=rng.randrange(1, 9000), cache_read=rng.randrange(9000), output=100)
        call = Call(
            provider="openai", model="gpt-5", operation="chat", response_id=f"{rng.random()}",
            usage=usage, evidence=dict.fromkeys(usage, REPORTED), tariff=tariff,
        )  # fmt: skip
        made.append(replace(scope(rng.choice((agent, tool)), Kind.CALL, "gpt-5"), call=call))
    seen = made[-1]
    span_id = f"{rng.getrandbits(64):016x}"
    made.append(replace(seen, span_id=span_id, scope_id=span_id, observer="someone.else"))
    return made


if __name__ == "__main__":
    main()
