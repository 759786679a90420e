"""Records a second that the journal writes, and the CPU of a record.

    python benchmarks/journal.py [RECORDS]

Prepared records of one model call (about 20 attributes) are put as fast as possible; the time ends
when the last one is acknowledged. The plain ``write`` of the same bytes stands beside it.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

from agentmeter.model import REPORTED, Attempt, Call, Kind, Owner, Record, Usage
from agentmeter.store.journal import Journal


def record(number: int) -> Record:
    usage = Usage(input=200, cache_read=1000, output=44, reasoning=16)
    call = Call(
        provider="openai",
        model="gpt-5",
        operation="chat",
        response_model="gpt-5-2025-08-07",
        response_id=f"chatcmpl-{number}",
        finish_reasons=("stop",),
        attempts=(Attempt(1, 2, 200),),
        usage=usage,
        evidence=dict.fromkeys(usage, REPORTED),
    )
    ids = (f"{number:032x}", f"{number:016x}", None)
    owner = Owner("user", "tenant", "feature", "plan")
    trace = {"trace_id": f"{number:032x}", "span_id": f"{number:016x}"}
    return Record(*ids, Kind.CALL, "gpt-5", owner, number, number + 5, call=call, **trace)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    records = [record(number) for number in range(count)]
    with tempfile.TemporaryDirectory() as folder:
        faults: list[object] = []
        journal = Journal(folder, lambda *fault: faults.append(fault))
        wall, cpu = time.perf_counter(), time.process_time()
        for one in records:
            journal.put(one)
        assert journal.flush(120)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        assert not faults, faults
        (file,) = Path(folder).glob("*.jsonl")
        data = file.read_bytes()
        started = time.perf_counter()
        with open(os.path.join(folder, "plain"), "wb") as plain:
            plain.write(data)
        bare = time.perf_counter() - started
    print(f"{count / wall:,.0f} records/s, {cpu / count * 1e6:.1f} us CPU a record")
    print(
        f"{len(data) // count} bytes a record; a plain write of them takes {bare / wall:.1%} of it"
    )


if __name__ == "__main__":
    main()
