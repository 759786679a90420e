"""What telling input apart costs: on the caller's thread, and off it.

The real client with a mock transport, an agent's history that grows, provenance off and on in
turns, in one run. Prints the caller's CPU time a call with both, their paired difference, and the
CPU time of the whole process beyond it.

    python benchmarks/provenance.py [BLOCKS]
"""

import json
import statistics
import sys
import tempfile
import time

import httpx2
import openai

import agentmeter as am
from agentmeter.runtime.counting import COUNTER
from agentmeter.runtime.state import STATE

BODY = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-5",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}
    ],
    "usage": {"prompt_tokens": 12_000, "completion_tokens": 60, "total_tokens": 12_060},
}
CALLS = 25
RESULT = "The quick brown fox jumps over the lazy dog. " * 50


def main() -> None:
    blocks = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    content = json.dumps(BODY).encode()
    headers = {"content-type": "application/json"}
    transport = httpx2.MockTransport(
        lambda _: httpx2.Response(200, headers=headers, content=content)
    )
    client = openai.OpenAI(api_key="x", http_client=httpx2.Client(transport=transport))
    with tempfile.TemporaryDirectory() as folder:
        am.configure(directory=folder, spans=False)
        am.instrument("openai")
        loop(client, 0)
        pairs = [(loop(client, n, on=False), loop(client, n, on=True)) for n in range(blocks)]
        am.flush()
    show("caller's thread", [(off[0], on[0]) for off, on in pairs])
    show("whole process", [(off[1], on[1]) for off, on in pairs])


def loop(client: openai.OpenAI, number: int, *, on: bool = True) -> tuple[float, float]:
    """An agent of 25 calls, each with a new tool result of some 500 tokens; microseconds a call."""
    STATE.provenance = on
    COUNTER.settle()
    thread, process = time.thread_time(), time.process_time()
    with am.request(user="u"):
        messages: list = [{"role": "user", "content": f"question {number}"}]
        for turn in range(CALLS):
            client.chat.completions.create(model="gpt-5", messages=messages)
            messages.append({"role": "assistant", "content": "ok"})
            messages.append({"role": "user", "content": f"{number} {turn} {RESULT}"})
        spent = time.thread_time() - thread
    COUNTER.settle()
    return spent / CALLS * 1e6, (time.process_time() - process) / CALLS * 1e6


def show(name: str, pairs: list[tuple[float, float]]) -> None:
    without = statistics.median(off for off, _ in pairs)
    added = [on - off for off, on in pairs]
    low, middle, high = statistics.quantiles(added, n=4)
    print(f"{name:16}{without:8.0f} us a call  {middle:+7.0f} us  ({low:+.0f} to {high:+.0f})")


if __name__ == "__main__":
    main()
