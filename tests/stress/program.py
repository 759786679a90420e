"""A thousand requests at once, every way that work leaves its thread, and three instrumentations.

``python -m tests.stress.program JOURNAL REQUESTS`` prints the bill and what each request asked for.
"""

import asyncio
import json
import multiprocessing
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

import httpx2
import openai
import uvicorn
from openinference.instrumentation.openai import OpenAIInstrumentor as OpenInference
from opentelemetry import trace
from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor as Official
from opentelemetry.sdk.trace import TracerProvider

import agentmeter as am
from agentmeter.testing import ModelServer, Reply
from agentmeter.web.asgi import AgentmeterMiddleware

CALLS = {"threads": 3, "tasks": 3, "generators": 2, "processes": 1, "hops": 2}
"""How often a request of each kind asks the model."""


def ask(base_url: str, *, stream: bool = False) -> None:
    """One call; a stream is read to its end."""
    client = openai.OpenAI(base_url=base_url, api_key="test", max_retries=25)
    said: Any = [{"role": "user", "content": "hello"}]
    answer = client.chat.completions.create(model="gpt-5", messages=said, stream=stream)
    if stream:
        for _ in answer:
            pass
    client.close()


@am.request(user=lambda user: user)
def threads(base_url: str, user: str) -> None:
    """A bare thread, a pool's task, and the caller itself."""
    thread = threading.Thread(target=ask, args=(base_url,))
    thread.start()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(ask, base_url, stream=True).result()
    ask(base_url)
    thread.join()


@am.request(user=lambda user: user)
async def tasks(base_url: str, user: str) -> None:
    """Three tasks gathered, each in a worker thread."""
    await asyncio.gather(*(asyncio.to_thread(ask, base_url) for _ in range(3)))


@am.request(user=lambda user: user)
def _pieces(base_url: str, user: str) -> Iterator[int]:
    for number in range(2):
        ask(base_url)
        yield number


@am.request(user=lambda user: user)
async def _async_pieces(base_url: str, user: str) -> AsyncIterator[int]:
    for number in range(2):
        await asyncio.to_thread(ask, base_url)
        yield number


def generators(base_url: str, users: tuple[str, str]) -> None:
    """Two generators in turns: A, B, A, B."""
    for _ in zip(_pieces(base_url, users[0]), _pieces(base_url, users[1]), strict=True):
        pass


@am.request(user=lambda user: user)
def processes(base_url: str, user: str, pool: ProcessPoolExecutor) -> None:
    """Work for a pool of processes."""
    pool.submit(ask, base_url).result()


@am.request(user=lambda user: user)
def hops(base_url: str, user: str, service: str) -> None:
    """An HTTP hop to a service that asks the model, and a call of one's own."""
    ask(base_url)
    with httpx2.Client(timeout=60) as client:
        client.get(service, params={"base_url": base_url}).raise_for_status()


async def service(scope: Any, receive: Any, send: Any) -> None:
    """Asks the model for whoever calls."""
    base_url = httpx2.QueryParams(scope["query_string"].decode())["base_url"]
    await asyncio.to_thread(ask, base_url)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def serve(app: Any) -> str:
    """A real server on a loopback port, for as long as the process lives."""
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off"))
    threading.Thread(target=server.run, args=([sock],), daemon=True).start()
    while not server.started:
        time.sleep(0.01)
    return f"http://127.0.0.1:{sock.getsockname()[1]}/"


def main(folder: str, count: int) -> None:
    provider = TracerProvider()
    trace.set_tracer_provider(provider)
    am.configure(directory=folder)
    Official().instrument(tracer_provider=provider)
    am.instrument()
    OpenInference().instrument(tracer_provider=provider)
    url = serve(AgentmeterMiddleware(service, trust=["127.0.0.0/8"]))
    each = count // len(CALLS)
    names = {kind: [f"{kind}-{n}" for n in range(each)] for kind in CALLS}
    pool = ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn"))
    with ModelServer(default=Reply(input=100, cached=40, output=7, reasoning=2)) as server:
        base_url = server.base_url
        server.script(*(Reply(status=500),) * 20)

        async def all_tasks() -> None:
            await asyncio.gather(*(tasks(base_url, user) for user in names["tasks"]))

        with ThreadPoolExecutor(24) as crowd:
            futures = [crowd.submit(threads, base_url, user) for user in names["threads"]]
            futures.append(crowd.submit(asyncio.run, all_tasks()))
            pairs = zip(names["generators"][::2], names["generators"][1::2], strict=True)
            futures += [crowd.submit(generators, base_url, pair) for pair in pairs]
            futures += [crowd.submit(processes, base_url, u, pool) for u in names["processes"]]
            futures += [crowd.submit(hops, base_url, user, url) for user in names["hops"]]
            for future in futures:
                future.result()
        ask(base_url)  # outside of any request
        pool.shutdown()
        billed = server.billed()
    am.flush(30)
    print(json.dumps({"calls": billed.calls, "input": billed.input, "output": billed.output}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
