"""The demo's agent: plans, branches, tools in a thread pool, retrieval, on the real client."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import agentmeter as am
from agentmeter.testing import ModelServer, Reply

_EMBEDDINGS = "text-embedding-3-small"


@am.tool("retrieve")
def retrieve(client: Any, question: str) -> None:
    """Embed the question to look up documents."""
    client.embeddings.create(model=_EMBEDDINGS, input=[question])
    am.charge("vectordb.query", usd="0.0004")


@am.tool("search")
def search(client: Any, model: str, topic: str) -> str:
    """A paid search, summarised by the model."""
    am.charge("serpapi.search", usd="0.005")
    return _ask(client, model, f"Summarise what is known about {topic}")


def _ask(client: Any, model: str, text: str) -> str:
    messages = [{"role": "user", "content": text}]
    answer = client.chat.completions.create(model=model, messages=messages)
    return answer.choices[0].message.content or ""


@am.step("plan")
def plan(client: Any, model: str, question: str) -> str:
    """Plan the work."""
    return _ask(client, model, f"Plan how to answer: {question}")


@am.agent("assistant")
def assist(client: Any, model: str, question: str) -> str:
    """The small agent: a plan and an answer."""
    plan(client, model, question)
    return _ask(client, model, question)


@am.agent("researcher")
def research(client: Any, model: str, question: str) -> str:
    """The large agent: retrieval, two branches, tools in parallel, a streamed answer."""
    plan(client, model, question)
    retrieve(client, question)
    with am.branch("history") as history:
        search(client, model, "history")
    history.discard()
    with am.branch("present"), am.ContextExecutor(ThreadPoolExecutor(3)) as pool:
        topics = ("markets", "regulation", "technology")
        found = list(pool.map(lambda topic: search(client, model, topic), topics))
    with am.step("write"):
        messages = [{"role": "user", "content": f"{question}\n{found}"}]
        stream = client.chat.completions.create(model=model, messages=messages, stream=True)
        return "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)


@am.agent("narrator")
async def narrate(client: Any, model: str, question: str, begun: asyncio.Event) -> None:
    """An agent whose streamed answer the user does not wait for; ``begun`` when it comes."""
    messages = [{"role": "user", "content": question}]
    stream = await client.chat.completions.create(model=model, messages=messages, stream=True)
    async for _ in stream:
        begun.set()


def _run(model: str, **client: Any) -> list[str]:
    import openai

    sync = openai.OpenAI(**client)
    with am.request("ask", user="u-1", tenant="acme", feature="chat", plan="free") as small:
        assist(sync, model, "What is a token?")
    with am.request("ask", user="u-2", tenant="acme", feature="research", plan="pro") as large:
        research(sync, model, "How will storage prices move?")
    cancelled = asyncio.run(_cancelled(model, openai.AsyncOpenAI(**client)))
    return [small.id, large.id, cancelled]


async def _cancelled(model: str, client: Any) -> str:
    with am.request("ask", user="u-3", tenant="globex", feature="chat", plan="free") as request:
        begun = asyncio.Event()
        task = asyncio.create_task(narrate(client, model, "Tell me a long story.", begun))
        told = asyncio.create_task(begun.wait())
        await asyncio.wait((task, told), return_when=asyncio.FIRST_COMPLETED)
        await asyncio.sleep(0.2)
        told.cancel()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await client.close()
    return request.id


def run_live(model: str) -> list[str]:
    """Against a real endpoint, from ``OPENAI_API_KEY`` and ``OPENAI_BASE_URL``."""
    return _run(model)


def run_scripted(model: str) -> list[str]:
    """Against the scripted server on the loopback address."""
    story = " ".join(f"word{number}" for number in range(200))
    long = Reply(
        text=" ".join(["finding"] * 40), input=6400, cached=4096, output=900, reasoning=320
    )
    with ModelServer(default=Reply(text="All is well.", input=420, output=96)) as server:
        server.script(Reply(input=9), when=lambda body: "input" in body)
        server.script(Reply(text=story, chunk_delay=0.02), when=lambda b: "long story" in str(b))
        server.script(Reply(status=503), long, long, long, long, when=lambda b: "Summ" in str(b))
        server.script(long, when=lambda body: "storage" in str(body) and bool(body.get("stream")))
        return _run(model, base_url=server.base_url, api_key="scripted")
