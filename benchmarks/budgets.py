"""Two hundred calls on one budget: agentmeter, pydantic-ai's cost limit, and a check afterwards.

All three on the same client library against the same scripted server, in one run, one after the
other and many at once. What counts is what the server bills, at gpt-5's price. pydantic-ai runs in
an environment of its own below ``.venvs``, with the versions of tests/dialects/environments.toml.

    python benchmarks/budgets.py            prints the table of docs/budgets.md
"""

import asyncio
import subprocess
import sys
import tomllib
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import openai

import agentmeter as am
from agentmeter.runtime import tokenizer
from agentmeter.testing import ModelServer, Reply

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
from tests.environments import environment  # noqa: E402  # one maker of environments is enough

HELLO: Any = [{"role": "user", "content": "hello world"}]
COUNTED = tokenizer.count_chat_input(HELLO, None, "gpt-5").tokens
MOST = 1000
INPUT, OUTPUT = Decimal("0.00000125"), Decimal("0.00001")
CALLS = 200
LIMIT = Decimal("0.50")
PARALLEL = (1, 10, 50, 200)
PYDANTIC_AI = "pydantic-ai"

Ask = Callable[[openai.AsyncOpenAI], Awaitable[Any]]


async def each(work: Callable[[], Awaitable[bool]], parallel: int) -> int:
    """Two hundred branches, so many at once; how many were answered."""
    at_once = asyncio.Semaphore(parallel)

    async def one() -> bool:
        async with at_once:
            return await work()

    return sum(await asyncio.gather(*(one() for _ in range(CALLS))))


async def ask(client: openai.AsyncOpenAI) -> Any:
    return await client.chat.completions.create(
        model="gpt-5", messages=HELLO, max_completion_tokens=MOST
    )


async def metered(client: openai.AsyncOpenAI, parallel: int) -> int:
    async def work() -> bool:
        try:
            with am.branch():
                await ask(client)
        except am.BudgetExceeded:
            return False
        return True

    with am.request(budget=am.Budget(usd=LIMIT)):
        return await each(work, parallel)


async def naive(client: openai.AsyncOpenAI, parallel: int) -> int:
    spent = Decimal(0)

    async def work() -> bool:
        nonlocal spent
        if spent >= LIMIT:
            return False
        usage = (await ask(client)).usage
        spent += usage.prompt_tokens * INPUT + usage.completion_tokens * OUTPUT
        return True

    return await each(work, parallel)


def ours(run: Callable[[openai.AsyncOpenAI, int], Awaitable[int]]) -> Callable[[str, int], None]:
    """A contender that runs in this process."""

    async def running(base_url: str, parallel: int) -> None:
        async with openai.AsyncOpenAI(base_url=base_url, api_key="test", max_retries=0) as client:
            await run(client, parallel)

    return lambda base_url, parallel: asyncio.run(running(base_url, parallel))


def pydantic_ai(python: Path) -> Callable[[str, int], None]:
    """The contender in an environment of its own."""

    def run(base_url: str, parallel: int) -> None:
        script = Path(__file__).with_name("budgets_pydantic_ai.py")
        given = [base_url, str(parallel), str(CALLS), str(LIMIT), str(MOST)]
        subprocess.run([python, script, *given], check=True)

    return run


def main() -> None:
    wants = tomllib.loads((ROOT / "tests/dialects/environments.toml").read_text())[PYDANTIC_AI]
    am.configure(journal=False)
    am.instrument("openai")
    contenders = {
        "agentmeter": ours(metered),
        f"{wants['packages'][-1].replace('==', ' ')}, `cost_limit`": pydantic_ai(
            environment(f"dialects/{PYDANTIC_AI}", wants)
        ),
        "a check after each call": ours(naive),
    }
    print("| answers | at once |", " | ".join(contenders), "|")
    print("|---|---:|" + "---:|" * len(contenders))
    for name, output in (("as long as allowed", MOST), ("a third of it", MOST // 3)):
        for parallel in PARALLEL:
            cells = [bill(run, parallel, output) for run in contenders.values()]
            print(f"| {name} | {parallel} |", " | ".join(cells), "|", flush=True)


def bill(run: Callable[[str, int], None], parallel: int, output: int) -> str:
    """What was billed, and by how much that is over the limit."""
    reply = Reply(text="ok", input=COUNTED, output=output, delay=0.05)
    with ModelServer(default=reply) as server:
        run(server.base_url, parallel)
        billed = server.billed()
    usd = billed.input * INPUT + billed.output * OUTPUT
    over = max(usd - LIMIT, Decimal(0))
    return f"{usd:.4f} ({f'**{over:.4f} over**' if over else 'within'}, {billed.calls} calls)"


if __name__ == "__main__":
    main()
